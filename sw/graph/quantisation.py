"""How a value's real numbers are held as int8, where a model says it."""

import math
from dataclasses import dataclass

__all__ = ["Quantisation"]

_ON_STEP = 1e-6


@dataclass(frozen=True)
class Quantisation:
    """real = scale * (q - zero_point), with q in int8 from low to high.

    Of uint8 it is that of the same numbers, each less 128.
    """

    scale: float
    zero_point: int = 0
    low: int = -128
    high: int = 127

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the largest real number."""
        return (self.scale * (self.low - self.zero_point),
                self.scale * (self.high - self.zero_point))

    def nearest(self, real: float) -> int:
        """The q of a real number, which may be infinite."""
        if math.isinf(real):
            return self.low if real < 0 else self.high
        return max(self.low, min(self.high, round(real / self.scale) + self.zero_point))

    def holds(self, real: float) -> bool:
        """Whether a clamp at a real number is one at a whole q, or none."""
        if math.isinf(real):
            return True
        steps = real / self.scale
        return abs(steps - round(steps)) < _ON_STEP * max(1.0, abs(steps))
