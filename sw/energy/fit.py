"""Fits coefficients to what gates took, and says how well they predict what they have not seen."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hw.support.errors import ToolMissingError

try:
    from scipy.optimize import nnls
except ModuleNotFoundError as error:
    raise ToolMissingError("scipy is missing: pip install 'partita[calibrate]'") from error

__all__ = ["FEATURES", "Sample", "column", "fit", "logic_errors", "predict", "validate"]

FEATURES = ("clock", "toggle", "accumulator", "multiplier")


@dataclass(frozen=True)
class Sample:
    """One stimulus: a window of `cycles`, what was counted in it, and what its gates took, pJ."""

    array: str
    stimulus: str
    cycles: int
    clock: int
    toggle: int
    accumulator: int
    multiplier: int
    gates_pj: float
    clock_pj: float
    glitch_pj: float
    leakage_nw: float
    flip_flops: int
    compared_bits: int

    @property
    def counts(self) -> tuple[int, ...]:
        return self.clock, self.toggle, self.accumulator, self.multiplier

    @property
    def logic_pj(self) -> float:
        """What the gates took that are no clock pins; 0 where nothing moved."""
        return self.gates_pj - self.clock_pj

    @property
    def glitch_share(self) -> float:
        """What unit delays add to the logic's energy."""
        return self.glitch_pj / self.logic_pj


def fit(samples: list[Sample]) -> np.ndarray:
    """Coefficients in pJ, never negative, that make errors relative to the whole energy least.

    What gates spend on clock pins and what they spend on logic are told apart by the netlist, so
    each is fitted by itself: the clock's coefficient on clocked bits, the rest on the other counts.
    """
    counts = np.array([s.counts for s in samples], float)
    whole = np.array([s.gates_pj for s in samples])
    clock = np.array([s.clock_pj for s in samples])
    return np.concatenate([_least(counts[:, :1], clock, whole),
                           _least(counts[:, 1:], whole - clock, whole)])


def _least(counts: np.ndarray, energy: np.ndarray, whole: np.ndarray) -> np.ndarray:
    scale = np.maximum(counts.max(axis=0), 1.0)
    found, _ = nnls(counts / scale / whole[:, None], energy / whole)
    return found / scale


def predict(coefficients: np.ndarray, sample: Sample) -> float:
    return float(np.dot(coefficients, sample.counts))


def validate(samples: list[Sample]) -> dict[str, list[float]]:
    """Relative error of each sample, by fits that did not see its stimulus, or its array."""
    def errors(same: Callable[[Sample, Sample], bool]) -> list[float]:
        result = []
        for s in samples:
            seen = [x for x in samples if not same(x, s)]
            result.append(predict(fit(seen), s) / s.gates_pj - 1)
        return result

    return {"stimulus": errors(lambda a, b: a.stimulus == b.stimulus),
            "array": errors(lambda a, b: a.array == b.array)}


def logic_errors(samples: list[Sample]) -> list[float | None]:
    """Relative error of each sample's energy without its clock pins, by fits that did not see its
    array; None where nothing but clock pins moved."""
    found: list[float | None] = []
    for s in samples:
        coefficients = fit([x for x in samples if x.array != s.array])
        logic = float(np.dot(coefficients[1:], s.counts[1:]))
        found.append(logic / s.logic_pj - 1 if s.logic_pj else None)
    return found


def _spread(samples: list[Sample]) -> np.ndarray:
    """Relative standard error of each coefficient, by leaving out whole arrays: windows of one
    array have too much in common to tell."""
    arrays = list(dict.fromkeys(s.array for s in samples))
    found = np.array([fit([s for s in samples if s.array != out]) for out in arrays])
    return np.sqrt((len(arrays) - 1) * found.var(axis=0)) / np.maximum(found.mean(axis=0), 1e-12)


def column(samples: list[Sample], library: str) -> dict:
    """The fitted part of a column of `sw/data/energy.json`."""
    coefficients, errors = fit(samples), validate(samples)
    model = float(np.mean(np.abs(errors["array"])))
    source = f"fitted to {library} gates by sw.calibrate, before layout"
    units = {"clock": "pJ per flip-flop bit and clocked cycle",
             "toggle": "pJ per flip-flop toggle, the accumulators' left out",
             "accumulator": "pJ per flip-flop toggle of the accumulators, which feed little logic",
             "multiplier": "pJ per multiplier-output toggle"}
    fitted = {name: {"value": float(f"{c:.4g}"), "unit": units[name],
                     "error": round(float(np.hypot(model, s)), 3), "source": source}
              for name, c, s in zip(FEATURES, coefficients, _spread(samples), strict=True)}
    leakage = np.mean([s.leakage_nw / s.flip_flops for s in samples])
    fitted["static_logic"] = {
        "value": float(f"{leakage * 1e-3:.4g}"), "unit": "pJ per flip-flop bit and microsecond, "
        "with its share of the logic", "error": 0.3,
        "source": f"cell leakage of {library}"}
    glitch = np.mean([s.glitch_share for s in samples if s.logic_pj])
    fitted["glitch"] = {
        "value": float(f"{glitch:.3g}"), "unit": "share of the logic's energy that unit delays "
        "add; the truth lies between none and all of it", "error": 0.0,
        "source": source.replace("fitted to", "measured on")}
    return fitted
