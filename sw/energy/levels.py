"""Levels of supply: a voltage and a clock, and what they make of energy."""

from collections.abc import Mapping
from dataclasses import dataclass

from .coefficients import EnergyError

__all__ = ["DEFAULT_LEVELS", "Level"]


@dataclass(frozen=True)
class Level:
    """A supply voltage and a clock, as shares of those that the coefficients and the model's
    clock are for.

    Energy of what switches inside the chip goes with the square of the voltage. Leakage, as a
    power, goes with the voltage and lasts as long as the clock makes the run. External memory has
    its own supply, and its standby lasts as long. That the chip works at such a clock is an
    assumption of who gives it.

    Raises
    ------
    EnergyError
        Naming the field, its value and the rule.
    """

    voltage: float
    clock: float

    def __post_init__(self) -> None:
        for name, value in (("voltage", self.voltage), ("clock", self.clock)):
            if not 0 < value <= 2:
                raise EnergyError(f"a level's {name} is {value}; it must be above 0 and at most 2, "
                                  "as a share of the nominal one")

    def __str__(self) -> str:
        return f"{self.voltage:g}V@{self.clock:g}"

    @classmethod
    def parse(cls, text: str) -> "Level":
        """Read what `str` writes, such as "0.8V@0.6"."""
        try:
            voltage, clock = text.split("V@")
            return cls(float(voltage), float(clock))
        except ValueError as error:
            if isinstance(error, EnergyError):
                raise
            raise EnergyError(f"{text!r} is not a level like 0.8V@0.6: voltage and clock as shares "
                              "of the nominal ones") from None

    def scale(self, energy: Mapping[str, float]) -> dict[str, float]:
        """pJ by category at this level, of pJ by category at the nominal one."""
        factors = {"external": 1.0, "standby": 1 / self.clock, "static": self.voltage / self.clock}
        return {c: pj * factors.get(c, self.voltage ** 2) for c, pj in energy.items()}


#: A tenfold span of the clock and a third of the voltage, as processors' governors have it; the
#: voltages stay above what the alpha-power law asks for (exponent 1.3, threshold 0.3): at 0.66 it
#: allows 0.64 of the clock.
DEFAULT_LEVELS = (Level(1.0, 1.0), Level(0.85, 0.7), Level(0.75, 0.4), Level(0.66, 0.2),
                  Level(0.66, 0.1))
