"""Energy from activity: counts times coefficients, with an interval from the coefficients' errors.

    E = instances   clock * (clocked flip-flop bits + clock gates * cycles)
                    + toggle * flip-flop toggles, accumulator * those of the accumulators
                    + multiplier * multiplier-output toggles
      + memories    access * (reads + writes) + idle * clocked cycles without either, by size
      + fabric      clock and toggles of interconnect and control
      + external    bits * pJ per bit + page activations
      + standby     background power of external memory * time
      + static      leakage * time, of everything that is there

What is clocked is a matter of `GATINGS`; activity holds what each of them needs.

All counts come from RTL simulation. The coefficients are in `sw/data/energy.json`, each with
unit, value, relative error and source; columns of different technologies are never mixed.
"""

import argparse
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from hw.support.arguments import given
from sim.activity.values import UnitActivity

from .coefficients import CLOCKS_MHZ, GATINGS, Column, EnergyError, columns

__all__ = ["CATEGORIES", "CORE", "OUTSIDE", "EnergyModel", "Features", "Interval",
           "energy_from_arguments", "features", "memory_sizes", "ratio", "total", "unit_features"]

#: What energy is split into.
CATEGORIES = ("clock", "logic", "memories", "fabric", "external", "standby", "static")
#: Those inside the chip, without leakage.
CORE = ("clock", "logic", "memories", "fabric")
#: Those of external memory: what it moves, and what it takes when it moves nothing.
OUTSIDE = ("external", "standby")
_REFERENCE_BITS = 8 * 8192  # memory coefficients are for 8 KB
_FLAT_BITS = 8 * 2048  # up to which an idle memory takes the same share of an access
_SAMPLES = 4000


@dataclass(frozen=True)
class Features:
    """What a layer (or a whole network) did, summed: "category/coefficient" -> count.

    A category's energy is the sum of its counts times their coefficients.
    """

    counts: Mapping[str, float]

    def __add__(self, other: "Features") -> "Features":
        keys = dict.fromkeys([*self.counts, *other.counts])  # in an order that no run changes
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
    """How activity is priced: a `column` of coefficients, the kind of `external` memory, the
    clock that turns cycles into time, what `gating` clocks have, one of `GATINGS`, and whether
    external memory's `background` power counts.

    Raises
    ------
    EnergyError
        Naming the field and what there is.
    """

    column: str = "sky130"
    external: str = "lpddr4"
    clock_mhz: float = 100.0
    gating: str = "registers"
    background: bool = True

    def __post_init__(self) -> None:
        if self.column not in columns():
            raise EnergyError(f"energy column {self.column!r} is unknown; there are "
                              + ", ".join(columns()))
        kinds = [k.removeprefix("external_") for k in self.coefficients.coefficients
                 if k.startswith("external_")]
        if self.external not in kinds:
            raise EnergyError(f"external memory {self.external!r} is unknown; there are "
                              + ", ".join(kinds))
        if self.gating not in GATINGS:
            raise EnergyError(f"clock gating {self.gating!r} is unknown; there are "
                              + ", ".join(GATINGS))
        low, high = CLOCKS_MHZ
        if not low <= self.clock_mhz <= high:
            raise EnergyError(f"clock is {self.clock_mhz} MHz; it must be from {low:g} to "
                              f"{high:g}")

    @property
    def coefficients(self) -> Column:
        return columns()[self.column]

    def values(self) -> dict[str, float]:
        """What each count of activity costs, pJ."""
        return self._priced(self.coefficients.values())

    def sample(self, rng: np.random.Generator, count: int) -> dict[str, np.ndarray]:
        """The same, drawn by the coefficients' errors; float[count] each."""
        return self._priced(self.coefficients.sample(rng, count))

    def _priced(self, values: dict) -> dict:
        """Coefficients by what is counted: that which a gate stops costs nothing."""
        stopped = {"registers": ("clock_ungated", "memory_asleep"),
                   "memories": ("clock_ungated", "memory_idle", "memory_asleep"),
                   "none": ("clock",)}[self.gating]
        known = {**values, "clock_ungated": values["clock"], "memory_asleep": values["memory_idle"],
                 "external": values[f"external_{self.external}"],
                 "background": self.background * values[f"background_{self.external}"]}
        return known | {name: 0 * known[name] for name in stopped}


def energy_from_arguments(args: argparse.Namespace) -> EnergyModel:
    """The model that the options of energy say."""
    with given("--external", args.external):
        return EnergyModel(args.energy_column, args.external, args.clock_mhz, args.gating,
                           not args.no_background)


def features(instances: Iterable[UnitActivity], shell: UnitActivity, *, cycles: int,
             port_bytes: int, page_misses: int, model: EnergyModel) -> Features:
    """Collect a layer's counts.

    Parameters
    ----------
    instances, shell : what each did in the layer
    cycles : that the layer took; leakage goes on in all of them
    port_bytes : moved over the memory ports
    page_misses : pages activated at the external memory
    model : the clock
    """
    result = Features({})
    for unit in instances:
        result += unit_features(unit, cycles, model)
    microseconds = cycles / model.clock_mhz
    fabric: dict[str, float] = {"fabric/clock": shell.clocked + shell.gate_cycles,
                                "fabric/clock_ungated": shell.bits * cycles,
                                "fabric/toggle": shell.toggles,
                                "external/external": 8 * port_bytes,
                                "external/activate": page_misses,
                                "standby/background": microseconds}
    _add_memories(fabric, shell, "fabric", cycles, microseconds)
    _add(fabric, "static/static_logic", shell.bits * microseconds)
    return result + Features(fabric)


def unit_features(unit: UnitActivity, cycles: int, model: EnergyModel) -> Features:
    """Counts of one instance in a layer that took so many cycles."""
    microseconds = cycles / model.clock_mhz
    counts = {"clock/clock": float(unit.clocked + unit.gate_cycles),
              "clock/clock_ungated": float(unit.bits * cycles),
              "logic/toggle": float(unit.toggles - unit.accumulator_toggles),
              "logic/accumulator": float(unit.accumulator_toggles),
              "logic/multiplier": float(unit.multiplier_toggles)}
    _add_memories(counts, unit, "memories", cycles, microseconds)
    _add(counts, "static/static_logic", unit.bits * microseconds)
    return Features(counts)


def _add(counts: dict[str, float], key: str, count: float) -> None:
    counts[key] = counts.get(key, 0.0) + count


def memory_sizes(bits: int, depth: int) -> tuple[float, float]:
    """What the coefficients of an access and of an idle cycle are multiplied by, for a memory of
    so many words: energy of an access grows with the width and with the square root of the
    capacity, that of an idle cycle with capacity no more from 2 KB on, as macros show."""
    capacity = bits * depth
    return (bits * math.sqrt(capacity / _REFERENCE_BITS),
            bits * math.sqrt(min(capacity, _FLAT_BITS) / _REFERENCE_BITS))


def _add_memories(counts: dict[str, float], unit: UnitActivity, category: str, cycles: int,
                  microseconds: float) -> None:
    for memory in unit.memories:
        access, idle = memory_sizes(memory.bits, memory.depth)
        asleep = memory.count * max(0, cycles - unit.cycles)
        _add(counts, f"{category}/memory_access", access * (memory.reads + memory.writes))
        _add(counts, f"{category}/memory_idle", idle * memory.idle)
        _add(counts, f"{category}/memory_asleep", idle * asleep)
        _add(counts, "static/static_memory",
             memory.count * memory.bits * memory.depth * microseconds)


@dataclass(frozen=True)
class Interval:
    """A value with the bounds that hold 95% of the samples."""

    value: float
    low: float
    high: float


def total(energy: dict, categories: tuple[str, ...]) -> float | np.ndarray:
    """Sum of some categories."""
    return sum(energy[c] for c in categories)


def ratio(base: Features, other: Features, model: EnergyModel,
          categories: tuple[str, ...] = CATEGORIES, *, seed: int = 1) -> Interval:
    """Energy of `base` over that of `other`, with its interval by Monte Carlo.

    The same samples price both, as the same technology would.
    """
    samples = model.sample(np.random.default_rng(seed), _SAMPLES)
    spread = total(base.energy(samples), categories) / total(other.energy(samples), categories)
    value = total(base.energy(model.values()), categories) \
        / total(other.energy(model.values()), categories)
    low, high = np.quantile(spread, [0.025, 0.975])
    return Interval(float(value), float(low), float(high))
