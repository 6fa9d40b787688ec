"""How many of a layer's values agree with onnxruntime's, and how far the others are off."""

import math
from dataclasses import dataclass

import numpy as np

from sw.graph.quantisation import Quantisation

__all__ = ["EQUAL", "Agreement", "Sums"]

#: What rounding alone makes of integers: so many are equal, and none is further off.
EQUAL, _LARGEST = 0.9998, 1
#: What a multiplier of 16 bits rounds to another integer, as a share of how far that is from 0.
_NEAR_HALF, _FLOAT = 2.0 ** -16, 1e-5


@dataclass(frozen=True)
class Agreement:
    """One layer against onnxruntime.

    Members: `name`; the file's `tensor` that it gives; `values` compared; how many are `differing`,
    and of those how many lie halfway between two integers as near as 16 bits tell (`halfway`: half
    of a mean over four do, and are rounded up here and to even there); by how many steps the
    `largest` differs; `signal_db`, the signal over the difference (infinite where there is none).
    """

    name: str
    tensor: str
    values: int
    differing: int
    halfway: int
    largest: int
    signal_db: float

    @property
    def equal(self) -> float:
        """Share of the values."""
        return 1 - self.differing / self.values

    @property
    def is_rounding(self) -> bool:
        others = self.differing - self.halfway
        return others <= (1 - EQUAL) * self.values and self.largest <= _LARGEST


class Sums:
    """What is counted of a layer, image by image."""

    def __init__(self) -> None:
        self.values = self.differing = self.halfway = self.largest = 0
        self.signal = self.noise = 0.0

    def add(self, found: np.ndarray, expected: np.ndarray, held: Quantisation,
            exact: np.ndarray) -> None:
        """Take in int8 found, int8 or real numbers expected, and `exact` real numbers of ours."""
        real = expected.astype(np.float64)
        steps = real - held.zero_point if expected.dtype.kind == "i" else real / held.scale
        off = found.astype(np.float64) - held.zero_point - steps
        differs, exact = np.abs(off) > 0.5, exact / held.scale
        past_half = np.abs(np.abs(exact - np.round(exact)) - 0.5)
        self.values += off.size
        self.differing += int(differs.sum())
        self.halfway += int((differs & (past_half < np.abs(exact) * _NEAR_HALF + _FLOAT)).sum())
        self.largest = max(self.largest, round(float(np.abs(off).max())))
        self.signal += float((steps ** 2).sum())
        self.noise += float((off ** 2).sum())

    def result(self, name: str, tensor: str) -> Agreement:
        decibels = 10 * math.log10(self.signal / self.noise) if self.signal and self.noise else \
            (math.inf if not self.noise else -math.inf)
        return Agreement(name, tensor, self.values, self.differing, self.halfway, self.largest,
                         decibels)
