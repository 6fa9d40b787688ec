"""What front ends share: one call of another program's, and the nodes that it adds."""

import math
from collections.abc import Callable, Collection, Sequence
from typing import NoReturn

import numpy as np

from .errors import UnsupportedLayer
from .graph import Node, Value
from .operators import (
    Affine,
    AvgPool,
    Gather,
    MaxPool,
    Operator,
    Reshape,
    ShapeError,
    Transpose,
)

__all__ = ["Builder"]


class Builder:
    """Adds nodes for one call.

    Parameters
    ----------
    name : by which a user knows the call; refusals begin with it
    prefix : of the names of values that it gives
    nodes : of the imported graph, which grow
    """

    def __init__(self, name: str, prefix: str, nodes: list[Node]):
        self.name, self._prefix, self._nodes = name, prefix, nodes

    def refuse(self, why: str) -> NoReturn:
        raise UnsupportedLayer(f"layer {self.name}: {why}")

    def add(self, op: Operator, *inputs: Value) -> Value:
        """Add a node; return what it gives."""
        try:
            shape = op.shape(*(x.shape for x in inputs))
        except ShapeError as error:
            self.refuse(str(error))
        value = Value(f"{self._prefix}/{len(self._nodes)}", shape)
        self._nodes.append(Node(self.name, op, tuple(x.name for x in inputs), value.name))
        return value

    def reshape(self, x: Value, *shape: int) -> Value:
        return x if x.shape == shape else self.add(Reshape(shape), x)

    def as_map(self, x: Value) -> Value:
        """[C, L] as a map of one row."""
        return self.reshape(x, x.shape[0], 1, x.shape[1]) if len(x.shape) == 2 else x

    def as_rows(self, x: Value, like: Value) -> Value:
        """A map of one row as [C, L] again, where `like` is one."""
        return self.reshape(x, x.shape[0], x.shape[2]) if len(like.shape) == 2 else x

    def affine(self, x: Value, scale: np.ndarray | float, offset: np.ndarray | float) -> Value:
        """x * scale + offset, each a number or one for each channel."""
        return self.add(Affine(*(np.ascontiguousarray(np.broadcast_to(y, x.shape[0]), np.float32)
                                 for y in (scale, offset))), x)

    def gather(self, x: Value, axis: int, indices: Sequence[int]) -> Value:
        """Positions of an axis; the value itself if they are all, in order."""
        return x if list(indices) == list(range(x.shape[axis])) else \
            self.add(Gather(tuple(indices), axis), x)

    def over_pixels(self, x: Value, axes: Collection[int],
                    pool: type[MaxPool] | type[AvgPool]) -> Value:
        """A map pooled over whole axes of a value; not over its channels."""
        rows = self.as_map(x)
        moved = {axis + len(rows.shape) - len(x.shape) for axis in axes}
        kernel = (rows.shape[1] if 1 in moved else 1, rows.shape[2] if 2 in moved else 1)
        return self.add(pool(kernel, kernel), rows)

    def channelwise(self, x: Value, numbers: np.ndarray, what: str,
                    change: Callable[[Value, np.ndarray], Value]) -> Value:
        """What a change makes of a value and of stored numbers for each of its channels; of numbers
        for each place of its last axis, that is moved first meanwhile."""
        last = len(x.shape) - 1
        if last < 1 or numbers.size == 1 or numbers.shape[-1:] != (numbers.size,) \
                or numbers.size != x.shape[last]:
            return change(x, self.each_channel(numbers, x, what))
        moved = self.add(Transpose((last, *range(last))), x)
        column = numbers.reshape(-1, *[1] * last)
        done = change(moved, self.each_channel(column, moved, what))
        return self.add(Transpose((*range(1, last + 1), 0)), done)

    def each_channel(self, numbers: np.ndarray, x: Value, what: str) -> np.ndarray:
        """Stored numbers, broadcast to a value, as float64[C]; they must be the same for all of a
        channel's pixels."""
        if numbers.ndim > len(x.shape) + 1 or (numbers.ndim == len(x.shape) + 1
                                               and len(numbers) != 1):
            self.refuse(f"{what} {list(numbers.shape)} for a value of {list(x.shape)}")
        numbers = numbers.reshape((1,) * (len(x.shape) - numbers.ndim) + numbers.shape[
            max(0, numbers.ndim - len(x.shape)):])
        try:
            whole = np.broadcast_to(numbers, x.shape)
        except ValueError:
            self.refuse(f"{what} {list(numbers.shape)} for a value of {list(x.shape)}")
        flat = whole.reshape(x.shape[0], math.prod(x.shape[1:]))
        if (flat != flat[:, :1]).any():
            self.refuse(f"{what} a number for each pixel; only one for each channel runs")
        if not np.isfinite(flat).all():
            self.refuse(f"{what} NaN or infinity")
        return flat[:, 0].astype(np.float64)
