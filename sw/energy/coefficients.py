"""What an event takes, by technology: the columns of `sw/data/energy.json`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from sw.data import DATA

if TYPE_CHECKING:
    import numpy as np

__all__ = ["CLOCKS_MHZ", "GATINGS", "TABLE", "Coefficient", "Column", "EnergyError",
           "Macro", "columns", "macros"]

TABLE = DATA / "energy.json"
#: Coefficients that glitches add to.
_LOGIC = ("toggle", "accumulator", "multiplier")
#: Slowest and fastest clock that energy is told for.
CLOCKS_MHZ = (0.001, 10_000)
#: What has a gate on its clock -> in words. Instances that wait have no clock, but for the last.
GATINGS = {"registers": "registers gated by their enables",
           "memories": "registers and memories gated by their enables",
           "none": "every flip-flop and memory clocked in every cycle"}


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

    def sample(self, rng: "np.random.Generator", count: int) -> dict[str, "np.ndarray"]:
        """Draw coefficients, log-normal about their values, with glitches anywhere between none
        and all that unit delays show; float[count] each."""
        drawn = {name: c.value * rng.lognormal(0, c.error, count)
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
class Macro:
    """A published memory macro of `depth` words of `bits`: mean power of its first port in reads,
    writes and cycles without either, mW, at its shortest period, ns; leakage, mW; and the `commit`
    of the tables that say so."""

    name: str
    bits: int
    depth: int
    commit: str
    read_mw: float
    write_mw: float
    idle_mw: float
    period_ns: float
    leakage_mw: float

    @property
    def read_pj(self) -> float:
        """Energy of a read."""
        return self.read_mw * self.period_ns


def macros() -> tuple[Macro, ...]:
    """Those that the memories' coefficients rest on."""
    return tuple(Macro(**row) for row in json.loads(TABLE.read_text())["macros"]["rows"])
