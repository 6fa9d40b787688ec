"""What each operator means, in floating point: a batch through torch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from sw.reference.functions import apply

from .graph import Graph
from .operators import (
    Affine,
    AvgPool,
    Clamp,
    Concat,
    Conv,
    Gather,
    Interleave,
    Linear,
    MaxPool,
    Mosaic,
    Operator,
    Pad,
    Pointwise,
    Product,
    Quantise,
    Reshape,
    Softmax,
    Sum,
    Transpose,
)

__all__ = ["MEANINGS", "evaluate", "evaluate_all"]

_Tensors = tuple[torch.Tensor, ...]


def evaluate(graph: Graph, x: torch.Tensor) -> torch.Tensor:
    """Return the network's result [N, ...], or the first, for images [N, ...] of its input's
    shape."""
    return evaluate_all(graph, x)[0]


def evaluate_all(graph: Graph, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return all that the network gives, as `evaluate` does the first of them."""
    values = {graph.input.name: x}
    for node in graph.nodes:
        inputs = tuple(values[name] for name in node.inputs)
        values[node.output] = MEANINGS[type(node.op)](node.op, inputs)
    return tuple(values[output] for output in graph.outputs)


def _of(array: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(like)


def _padded(x: torch.Tensor, border: tuple[int, int, int, int], value: float) -> torch.Tensor:
    top, left, bottom, right = border
    return functional.pad(x, (left, right, top, bottom), value=value)


def _conv(op: Conv, x: torch.Tensor) -> torch.Tensor:
    x = _padded(x, op.padding, op.pad_value)
    return functional.conv2d(x, _of(op.weight, x), _of(op.bias, x), op.stride, 0, op.dilation,
                             op.groups)


def _affine(op: Affine, x: torch.Tensor) -> torch.Tensor:
    column = (-1,) + (1,) * (x.ndim - 2)
    return x * _of(op.scale, x).reshape(column) + _of(op.offset, x).reshape(column)


def _sum(op: Sum, inputs: _Tensors) -> torch.Tensor:
    total = torch.zeros_like(inputs[0])
    for factor, x in zip(op.factors, inputs, strict=True):
        total = total + factor * x
    return total


def _interleave(op: Interleave, inputs: _Tensors) -> torch.Tensor:
    whole = inputs[0].new_empty((len(inputs[0]), *op.shape(*(tuple(x.shape[1:]) for x in inputs))))
    for k, x in enumerate(inputs):
        row, column = divmod(k, op.by[1])
        whole[:, :, row::op.by[0], column::op.by[1]] = x
    return whole


def _mosaic(op: Mosaic, inputs: _Tensors) -> torch.Tensor:
    columns = op.by[1]
    return torch.cat([torch.cat(inputs[k:k + columns], 3)
                      for k in range(0, len(inputs), columns)], 2)


def _windows(op: MaxPool | AvgPool, x: torch.Tensor, outside: float) -> torch.Tensor:
    """Every window's values: [N, C, H, W, rows * columns]."""
    _, rows, columns = op.shape(tuple(x.shape[1:]))
    (kh, kw), (sy, sx), (top, left) = op.kernel, op.stride, op.padding[:2]
    bottom = (rows - 1) * sy + kh - top - x.shape[2]
    right = (columns - 1) * sx + kw - left - x.shape[3]
    x = _padded(x, (top, left, bottom, right), outside)
    return x.unfold(2, kh, sy).unfold(3, kw, sx).flatten(4)


def _softmax(op: Softmax, x: torch.Tensor) -> torch.Tensor:
    return (functional.log_softmax if op.log else functional.softmax)(x, op.axis + 1)


def _quantise(op: Quantise, x: torch.Tensor) -> torch.Tensor:
    zero = op.to.zero_point
    whole = (torch.round(x / op.to.scale) + zero).clamp(op.to.low, op.to.high)
    return (whole - zero) * op.to.scale


#: Operator -> what it does to its inputs, whose first axis is the batch.
MEANINGS: dict[type[Operator], Callable[[Any, _Tensors], torch.Tensor]] = {
    Conv: lambda op, x: _conv(op, *x),
    Linear: lambda op, x: functional.linear(x[0], _of(op.weight, x[0]), _of(op.bias, x[0])),
    Affine: lambda op, x: _affine(op, *x),
    Sum: _sum,
    Concat: lambda op, x: torch.cat(x, op.axis + 1),
    MaxPool: lambda op, x: _windows(op, x[0], float("-inf")).amax(-1),
    AvgPool: lambda op, x: _windows(op, x[0], 0.0).mean(-1),
    Clamp: lambda op, x: x[0].clamp(op.low, op.high),
    Pad: lambda op, x: _padded(x[0], op.border, op.value),
    Reshape: lambda op, x: x[0].reshape(len(x[0]), *op.to),
    Transpose: lambda op, x: x[0].permute(0, *(axis + 1 for axis in op.order)),
    Gather: lambda op, x: x[0].index_select(op.axis + 1, torch.tensor(op.indices)),
    Softmax: lambda op, x: _softmax(op, *x),
    Interleave: _interleave,
    Mosaic: _mosaic,
    Quantise: lambda op, x: _quantise(op, *x),
    Pointwise: lambda op, x: apply(op.function, x[0]),
    Product: lambda op, x: x[0] * x[1],
}
