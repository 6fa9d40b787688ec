"""The operators, each with its shape rule and nothing else.

Shapes are without the batch: [C, H, W] of a map, [F] of a vector, anything in between. What an
operator means stands in tables by concern, keyed by its class: `sw.ir.evaluate` has it in floating
point.
"""

import math
from dataclasses import dataclass

import numpy as np

from sw.graph.function import Function
from sw.graph.quantisation import Quantisation

__all__ = ["OPERATORS", "Affine", "AvgPool", "Border", "Clamp", "Concat", "Conv", "Gather",
           "Interleave", "Linear", "MaxPool", "Mosaic", "Operator", "Pad", "Pointwise", "Product",
           "Quantise", "Reshape", "ShapeError", "Softmax", "Sum", "Transpose", "steps"]

Shape = tuple[int, ...]
#: Rows above, columns left, rows below, columns right.
Border = tuple[int, int, int, int]


class ShapeError(ValueError):
    """Values that an operator cannot take."""


def _need(ok: bool, message: str) -> None:
    if not ok:
        raise ShapeError(message)


def steps(size: int, kernel: int, stride: int, *, ceil: bool = False, before: int = 0) -> int:
    """Places of a window on `size` positions, padding included.

    With `ceil` a window may hang over the end, unless it began beyond the map and the padding
    `before` it.
    """
    count = (size - kernel) // stride + 1
    if ceil and (size - kernel) % stride:
        count += int(count * stride < size - before)
    return count


class Operator:
    """What a node does."""

    def shape(self, *inputs: Shape) -> Shape:
        """Shape of the result for those of the inputs; raises ShapeError."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Conv(Operator):
    """A convolution of a map [C, H, W].

    Members: `weight` float32[out, in / groups, rows, columns], `bias` float32[out], `stride` and
    `dilation` (rows, columns), `padding` with `pad_value`, `groups`. In a model that is quantised
    already the weights are whole multiples of `steps` float64[out], and the bias is float64.
    """

    weight: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int] = (1, 1)
    padding: Border = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    steps: np.ndarray | None = None
    pad_value: float = 0.0

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        _need(len(x) == 3, f"a convolution takes [C, H, W], not {list(x)}")
        channels = self.weight.shape[1] * self.groups
        _need(x[0] == channels, f"its weights take {channels} channels; the input has {x[0]}")
        return _windows(x, len(self.weight), self.weight.shape[2:], self.stride, self.padding,
                        self.dilation)


def _windows(x: Shape, channels: int, kernel: tuple[int, ...], stride: tuple[int, int],
             padding: Border, dilation: tuple[int, int] = (1, 1), ceil: bool = False) -> Shape:
    sizes = []
    for axis in (0, 1):
        before, after = padding[axis], padding[axis + 2]
        size = steps(x[1 + axis] + before + after, (kernel[axis] - 1) * dilation[axis] + 1,
                     stride[axis], ceil=ceil, before=after)
        _need(size >= 1, f"its window of {list(kernel)} is larger than the map of {list(x[1:])}")
        sizes.append(size)
    return channels, *sizes


@dataclass(frozen=True, eq=False)
class Linear(Operator):
    """A matrix times a vector, or times each vector of a value's last dimension: `weight`
    float32[out, in], `bias` float32[out]; `steps` as of `Conv`."""

    weight: np.ndarray
    bias: np.ndarray
    steps: np.ndarray | None = None

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        _need(x[-1:] == self.weight.shape[1:],
              f"a linear layer of {self.weight.shape[1]} inputs takes a vector of them, not "
              f"{list(x)}")
        return *x[:-1], len(self.weight)


@dataclass(frozen=True, eq=False)
class Affine(Operator):
    """x * scale + offset by channel (the first axis): float32[C] each. Batch norm is one."""

    scale: np.ndarray
    offset: np.ndarray

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        _need(x[0] == len(self.scale) == len(self.offset),
              f"it has {len(self.scale)} factors and {len(self.offset)} offsets; the value has "
              f"{x[0]} channels")
        return x


@dataclass(frozen=True)
class Sum(Operator):
    """The sum of values of one shape, each times a factor."""

    factors: tuple[float, ...]

    def shape(self, *inputs: Shape) -> Shape:
        _need(len(inputs) == len(self.factors) and len(set(inputs)) == 1,
              f"a sum takes values of one shape, not {', '.join(str(list(x)) for x in inputs)}")
        return inputs[0]


@dataclass(frozen=True)
class Concat(Operator):
    """Values one after the other along an axis."""

    axis: int = 0

    def shape(self, *inputs: Shape) -> Shape:
        first, at = inputs[0], self.axis
        _need(all(len(x) == len(first) and x[:at] + x[at + 1:] == first[:at] + first[at + 1:]
                  for x in inputs),
              f"{', '.join(str(list(x)) for x in inputs)} cannot be joined along axis {at}")
        return *first[:at], sum(x[at] for x in inputs), *first[at + 1:]


@dataclass(frozen=True)
class Interleave(Operator):
    """Pixels of maps in turn: of each `by[0]` rows and `by[1]` columns of the result, map
    i * by[1] + j has row i, column j. Maps of the last rows and columns may be one shorter."""

    by: tuple[int, int]

    def shape(self, *inputs: Shape) -> Shape:
        rows, columns = self.by
        _need(len(inputs) == rows * columns and all(len(x) == 3 for x in inputs),
              f"{rows} x {columns} maps are needed to be interleaved, not {len(inputs)}")
        whole = (inputs[0][0], sum(x[1] for x in inputs[::columns]),
                 sum(x[2] for x in inputs[:columns]))
        _need(all(x == (whole[0], -(-(whole[1] - k // columns) // rows),
                        -(-(whole[2] - k % columns) // columns)) for k, x in enumerate(inputs)),
              f"{', '.join(str(list(x)) for x in inputs)} cannot be interleaved")
        return whole


@dataclass(frozen=True)
class Mosaic(Operator):
    """Maps beside and below each other: map i * by[1] + j is in row i, column j of `by[0]` rows and
    `by[1]` columns of maps, which are as high as others in their row and as wide as others in their
    column."""

    by: tuple[int, int]

    def shape(self, *inputs: Shape) -> Shape:
        rows, columns = self.by
        _need(len(inputs) == rows * columns and all(len(x) == 3 for x in inputs),
              f"{rows} x {columns} maps are needed beside each other, not {len(inputs)}")
        high, wide = inputs[::columns], inputs[:columns]
        _need(all(x == (inputs[0][0], high[k // columns][1], wide[k % columns][2])
                  for k, x in enumerate(inputs)),
              f"{', '.join(str(list(x)) for x in inputs)} make no map beside each other")
        return inputs[0][0], sum(x[1] for x in high), sum(x[2] for x in wide)


@dataclass(frozen=True)
class MaxPool(Operator):
    """The largest value of each window; positions outside the map do not count. Padding below 0
    leaves rows and columns out."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Border = (0, 0, 0, 0)
    ceil: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        _need(len(x) == 3, f"pooling takes [C, H, W], not {list(x)}")
        return _windows(x, x[0], self.kernel, self.stride, self.padding, ceil=self.ceil)


@dataclass(frozen=True)
class AvgPool(Operator):
    """The sum of each window over the kernel's size: zeros of the padding count. Padding below 0
    leaves rows and columns out."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Border = (0, 0, 0, 0)

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        _need(len(x) == 3, f"pooling takes [C, H, W], not {list(x)}")
        return _windows(x, x[0], self.kernel, self.stride, self.padding)


@dataclass(frozen=True)
class Clamp(Operator):
    """max(low, min(x, high)); infinite where there is no limit."""

    low: float = -math.inf
    high: float = math.inf

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return x


@dataclass(frozen=True)
class Pointwise(Operator):
    """A function of each number by itself."""

    function: Function

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return x


@dataclass(frozen=True)
class Product(Operator):
    """Two values of one shape, number by number; or a map [C, H, W] and one number for each of its
    channels, [C, 1, 1]."""

    def shape(self, *inputs: Shape) -> Shape:
        x, y = inputs
        _need(x == y or (len(x) == len(y) == 3 and (x[0], 1, 1) in (x, y) and x[0] == y[0]),
              "a product takes values of one shape, or one number for each channel, not "
              f"{list(x)} and {list(y)}")
        return max(x, y)


@dataclass(frozen=True)
class Quantise(Operator):
    """Real numbers rounded to those that a quantised model holds."""

    to: Quantisation

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return x


@dataclass(frozen=True)
class Pad(Operator):
    """A border of a value around a map."""

    border: Border
    value: float = 0.0

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        _need(len(x) == 3, f"padding takes [C, H, W], not {list(x)}")
        top, left, bottom, right = self.border
        return x[0], x[1] + top + bottom, x[2] + left + right


@dataclass(frozen=True)
class Reshape(Operator):
    """The same numbers, in the same order, in another shape."""

    to: Shape

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        _need(math.prod(x) == math.prod(self.to), f"{list(x)} cannot become {list(self.to)}")
        return self.to


@dataclass(frozen=True)
class Transpose(Operator):
    """Axes in another order."""

    order: tuple[int, ...]

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        _need(sorted(self.order) == list(range(len(x))),
              f"axes {list(self.order)} are not those of {list(x)}")
        return tuple(x[axis] for axis in self.order)


@dataclass(frozen=True)
class Gather(Operator):
    """Some positions of an axis, in any order: slices, chunks, shuffles, flips."""

    indices: tuple[int, ...]
    axis: int = 0

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        _need(len(self.indices) > 0 and max(self.indices) < x[self.axis],
              f"it takes {len(self.indices)} of {x[self.axis]} positions")
        return *x[:self.axis], len(self.indices), *x[self.axis + 1:]


@dataclass(frozen=True)
class Softmax(Operator):
    """exp(x) over its sum along an axis, or the logarithm of that."""

    axis: int = 0
    log: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return x


#: All of them; a table by concern that lacks one fails its test.
OPERATORS: tuple[type[Operator], ...] = (
    Conv, Linear, Affine, Sum, Concat, MaxPool, AvgPool, Clamp, Pad, Reshape, Transpose, Gather,
    Softmax, Quantise, Interleave, Mosaic, Pointwise, Product)
