"""Energy as it is shown: in a unit in which even the least of what stands together has digits."""

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["EnergyUnit", "energy_unit"]


@dataclass(frozen=True)
class EnergyUnit:
    """A unit's `name`, and the `pj` that it has."""

    name: str
    pj: float

    def text(self, pj: float | None) -> str:
        """A number of them; "-" for none."""
        return "-" if pj is None else f"{pj / self.pj:,.1f}"


_UNITS = (EnergyUnit("uJ", 1e6), EnergyUnit("nJ", 1e3), EnergyUnit("pJ", 1.0))


def energy_unit(pj: Iterable[float | None]) -> EnergyUnit:
    """The largest unit, up to uJ, of which each energy has one or more; those that are 0 or not
    known do not count."""
    least = min((x for x in pj if x), default=_UNITS[0].pj)
    return next((unit for unit in _UNITS if least >= unit.pj), _UNITS[-1])
