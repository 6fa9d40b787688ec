"""What quantised tensors stand for: numbers of the network, and stored ones."""

from dataclasses import dataclass

import numpy as np

from sw.graph.quantisation import Quantisation

from .graph import Value

__all__ = ["Codes", "Whole"]


@dataclass(frozen=True)
class Codes:
    """A tensor of int8 or uint8 that is computed: `value` are the real numbers that it means."""

    value: Value
    to: Quantisation


@dataclass(frozen=True, eq=False)
class Whole:
    """Stored integers that mean whole * scale.

    Members: `whole` int64, less their zero point; `scale` float64, of one number or one for each
    place along `axis`.
    """

    whole: np.ndarray
    scale: np.ndarray
    axis: int

    @property
    def real(self) -> np.ndarray:
        """float64, in the shape of the integers."""
        return self.whole * self._column

    @property
    def _column(self) -> np.ndarray:
        if self.scale.size == 1:
            return self.scale.reshape(())
        shape = [1] * self.whole.ndim
        shape[self.axis] = -1
        return self.scale.reshape(shape)

    def steps(self, axis: int) -> np.ndarray | None:
        """The scale at each place along an axis; None where it differs along another."""
        if self.scale.size == 1:
            return np.full(self.whole.shape[axis], self.scale.reshape(()))
        return self.scale.reshape(-1) if axis % self.whole.ndim == self.axis else None

    def transposed(self, order: list[int]) -> "Whole":
        return Whole(self.whole.transpose(order), self.scale, order.index(self.axis))
