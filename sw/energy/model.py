"""Energy from activity: counts times coefficients, with an interval from the coefficients' errors.

    E = instances   clock * (clocked flip-flop bits + clock gates * cycles)
                    + toggle * flip-flop toggles, accumulator * those of the accumulators
                    + multiplier * multiplier-output toggles
      + memories    access * (reads + writes) + idle * idle cycles, by size of the memory
      + fabric      clock and toggles of interconnect and control
      + external    bits * pJ per bit + page activations
      + static      leakage * time, of everything that is there

All counts come from RTL simulation. The coefficients are in `sw/data/energy.json`, each with
unit, value, relative error and source; columns of different technologies are never mixed.
"""

import argparse
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from hw.support.arguments import given, real, word
from sim.activity.values import UnitActivity
from sw.data import DATA

__all__ = ["CATEGORIES", "CORE", "DEFAULT_LEVELS", "Column", "EnergyError", "EnergyModel",
           "Features", "Interval", "Level", "add_energy_arguments", "columns",
           "energy_from_arguments", "features", "ratio", "total", "unit_features"]

TABLE = DATA / "energy.json"
#: What energy is split into.
CATEGORIES = ("clock", "logic", "memories", "fabric", "external", "static")
#: Those inside the chip, without leakage.
CORE = ("clock", "logic", "memories", "fabric")
#: Coefficients that glitches add to.
_LOGIC = ("toggle", "accumulator", "multiplier")
_REFERENCE_BITS = 8 * 8192  # memory coefficients are for 8 KB
_SAMPLES = 4000
#: Slowest and fastest clock that energy is told for.
CLOCKS_MHZ = (0.001, 10_000)


class EnergyError(ValueError):
    """A column or coefficient that does not exist."""


@dataclass(frozen=True)
class Coefficient:
    """A value with its unit, relative error (one standard deviation) and source."""

    value: float
    unit: str
    error: float
    source: str


@dataclass(frozen=True)
class Column:
    """Coefficients of one technology; `calibrated` tells whether gates or a board back them."""

    name: str
    label: str
    calibrated: bool
    coefficients: Mapping[str, Coefficient]

    def sample(self, rng: np.random.Generator, count: int) -> dict[str, np.ndarray]:
        """Draw coefficients, log-normal about their values, with glitches anywhere between none
        and all that unit delays show; float[count] each."""
        drawn = {name: c.value * np.exp(c.error * rng.standard_normal(count))
                 for name, c in self.coefficients.items()}
        return self._with_glitches(drawn, rng.uniform(0, 1, count))

    def values(self) -> dict[str, float]:
        """Coefficients as they are, with half of the glitches."""
        return self._with_glitches({k: c.value for k, c in self.coefficients.items()}, 0.5)

    def _with_glitches(self, values: dict, share) -> dict:
        factor = 1 + share * values["glitch"]
        return {**values, **{k: values[k] * factor for k in _LOGIC}}


@cache
def columns() -> dict[str, Column]:
    """The table of coefficients, by name of the column."""
    data = json.loads(TABLE.read_text())
    return {name: Column(name, c["label"], c["calibrated"], {
        k: Coefficient(**v) for k, v in {**data["common"], **c["coefficients"]}.items()})
        for name, c in data["columns"].items()}


@dataclass(frozen=True)
class Features:
    """What a layer (or a whole network) did, summed: "category/coefficient" -> count.

    A category's energy is the sum of its counts times their coefficients.
    """

    counts: Mapping[str, float]

    def __add__(self, other: "Features") -> "Features":
        keys = self.counts.keys() | other.counts.keys()
        return Features({k: self.counts.get(k, 0) + other.counts.get(k, 0) for k in keys})

    def energy(self, values: Mapping[str, float | np.ndarray]) -> dict:
        """pJ by category, for coefficients that are numbers or samples."""
        result: dict = dict.fromkeys(CATEGORIES, 0.0)
        for key, count in self.counts.items():
            category, coefficient = key.split("/")
            result[category] = result[category] + count * values[coefficient]
        return result


@dataclass(frozen=True)
class EnergyModel:
    """How activity is priced: a `column` of coefficients, the kind of `external` memory, and the
    clock that turns cycles into time.

    Raises
    ------
    EnergyError
        Naming the field and what there is.
    """

    column: str = "sky130"
    external: str = "lpddr4"
    clock_mhz: float = 100.0

    def __post_init__(self) -> None:
        if self.column not in columns():
            raise EnergyError(f"energy column {self.column!r} is unknown; there are "
                              + ", ".join(columns()))
        kinds = [k.removeprefix("external_") for k in self.coefficients.coefficients
                 if k.startswith("external_")]
        if self.external not in kinds:
            raise EnergyError(f"external memory {self.external!r} is unknown; there are "
                              + ", ".join(kinds))
        low, high = CLOCKS_MHZ
        if not low <= self.clock_mhz <= high:
            raise EnergyError(f"clock is {self.clock_mhz} MHz; it must be from {low:g} to "
                              f"{high:g}")

    @property
    def coefficients(self) -> Column:
        return columns()[self.column]


def add_energy_arguments(group: argparse._ArgumentGroup) -> None:
    """Add the options that are an `EnergyModel`'s fields."""
    group.add_argument("--energy-column", default="sky130", choices=tuple(columns()),
                       help="technology of the coefficients (default sky130)")
    group.add_argument("--external", type=word, default="lpddr4", metavar="KIND",
                       help="external memory: lpddr4, lpddr or ddr3 (default lpddr4)")
    group.add_argument("--clock-mhz", type=real(*CLOCKS_MHZ), default=100.0, metavar="F",
                       help="nominal clock, for time and leakage (default 100)")


def energy_from_arguments(args: argparse.Namespace) -> EnergyModel:
    """The model of `add_energy_arguments`' options."""
    with given("--external", args.external):
        return EnergyModel(args.energy_column, args.external, args.clock_mhz)


@dataclass(frozen=True)
class Level:
    """A supply voltage and a clock, as shares of those that the coefficients and the model's
    clock are for.

    Energy of what switches inside the chip goes with the square of the voltage. Leakage, as a
    power, goes with the voltage and lasts as long as the clock makes the run. External memory has
    its own supply. That the chip works at such a clock is an assumption of who gives it.

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
        factors = {"external": 1.0, "static": self.voltage / self.clock}
        return {c: pj * factors.get(c, self.voltage ** 2) for c, pj in energy.items()}


#: A tenfold span of the clock and a third of the voltage, as processors' governors have it; the
#: voltages stay above what the alpha-power law asks for (exponent 1.3, threshold 0.3): at 0.66 it
#: allows 0.64 of the clock.
DEFAULT_LEVELS = (Level(1.0, 1.0), Level(0.85, 0.7), Level(0.75, 0.4), Level(0.66, 0.2),
                  Level(0.66, 0.1))


def features(instances: Iterable[UnitActivity], shell: UnitActivity, *, cycles: int,
             port_bytes: int, page_misses: int, model: EnergyModel) -> Features:
    """Collect a layer's counts.

    Parameters
    ----------
    instances, shell : what each did in the layer
    cycles : that the layer took; leakage goes on in all of them
    port_bytes : moved over the memory ports
    page_misses : pages activated at the external memory
    model : which external memory, and the clock
    """
    result = Features({})
    for unit in instances:
        result += unit_features(unit, cycles, model)
    fabric: dict[str, float] = {"fabric/clock": shell.clocked + shell.gate_cycles,
                                "fabric/toggle": shell.toggles}
    _add_memories(fabric, shell, "fabric", cycles / model.clock_mhz)
    _add(fabric, "static/static_logic", shell.bits * cycles / model.clock_mhz)
    _add(fabric, f"external/external_{model.external}", 8 * port_bytes)
    _add(fabric, "external/activate", page_misses)
    return result + Features(fabric)


def unit_features(unit: UnitActivity, cycles: int, model: EnergyModel) -> Features:
    """Counts of one instance in a layer that took so many cycles."""
    counts = {"clock/clock": float(unit.clocked + unit.gate_cycles),
              "logic/toggle": float(unit.toggles - unit.accumulator_toggles),
              "logic/accumulator": float(unit.accumulator_toggles),
              "logic/multiplier": float(unit.multiplier_toggles)}
    _add_memories(counts, unit, "memories", cycles / model.clock_mhz)
    _add(counts, "static/static_logic", unit.bits * cycles / model.clock_mhz)
    return Features(counts)


def _add(counts: dict[str, float], key: str, count: float) -> None:
    counts[key] = counts.get(key, 0.0) + count


def _add_memories(counts: dict[str, float], unit: UnitActivity, category: str,
                  microseconds: float) -> None:
    for memory in unit.memories:
        bits = memory.bits * memory.depth
        # energy of an access grows with the width and with the square root of the capacity
        size = memory.bits * math.sqrt(bits / _REFERENCE_BITS)
        _add(counts, f"{category}/memory_access", size * (memory.reads + memory.writes))
        _add(counts, f"{category}/memory_idle", size * memory.idle)
        _add(counts, "static/static_memory", memory.count * bits * microseconds)


@dataclass(frozen=True)
class Interval:
    """A value with the bounds that hold 95% of the samples."""

    value: float
    low: float
    high: float


def total(energy: dict, categories: tuple[str, ...]) -> float | np.ndarray:
    """Sum of some categories."""
    return sum(energy[c] for c in categories)


def ratio(base: Features, other: Features, column: Column,
          categories: tuple[str, ...] = CATEGORIES, *, seed: int = 1) -> Interval:
    """Energy of `base` over that of `other`, with its interval by Monte Carlo.

    The same samples price both, as the same technology would.
    """
    samples = column.sample(np.random.default_rng(seed), _SAMPLES)
    spread = total(base.energy(samples), categories) / total(other.energy(samples), categories)
    value = total(base.energy(column.values()), categories) \
        / total(other.energy(column.values()), categories)
    low, high = np.quantile(spread, [0.025, 0.975])
    return Interval(float(value), float(low), float(high))
