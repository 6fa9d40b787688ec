"""ONNX's operators that only move numbers, by their names."""

import math
from collections.abc import Callable

import numpy as np

from sw.ir.graph import Value
from sw.ir.operators import Pad, Transpose

from .call import Call, Found

__all__ = ["MOVING"]

_FAR = 1 << 62


def _same(call: Call) -> Value:
    return call.x


def _cast(call: Call) -> Value:
    from onnx import TensorProto
    to = call.attribute("to")
    call.attribute("saturate"), call.attribute("round_mode")  # of 8-bit numbers only
    if to not in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16):
        call.refuse(f"makes its values {TensorProto.DataType.Name(to)}; only real numbers run")
    return call.x


def _dropout(call: Call) -> list[Found]:
    call.attribute("ratio"), call.attribute("seed")
    call.input(1)
    training = call.stored(2)
    if training is not None and training.any():
        call.refuse("dropout is on in inference, too; export the model in evaluation mode")
    return [call.x]


def _reshape(call: Call) -> Value:
    x = call.x
    before = [1, *x.shape]
    sizes = call.integers("shape", 1)
    if sizes is None:
        call.refuse("Reshape lacks its shape")
    if not call.attribute("allowzero", 0):
        sizes = [before[k] if n == 0 and k < len(before) else n for k, n in enumerate(sizes)]
    if sizes.count(-1) == 1:
        known = math.prod(n for n in sizes if n != -1)
        sizes = [math.prod(before) // max(known, 1) if n == -1 else n for n in sizes]
    return call.to_shape(x, sizes)


def _flatten(call: Call) -> Value:
    sizes = [1, *call.x.shape]
    at = call.attribute("axis", 1)
    at += len(sizes) * (at < 0)
    return call.to_shape(call.x, [math.prod(sizes[:at]), math.prod(sizes[at:])])


def _squeeze(call: Call) -> Value:
    sizes, axes = [1, *call.x.shape], call.integers("axes", 1)
    if axes is None:
        axes = [k for k, n in enumerate(sizes) if n == 1]
    gone = {a % len(sizes) for a in axes}
    if any(sizes[a] != 1 for a in gone):
        call.refuse(f"squeezes dimensions {axes} of {sizes}")
    return call.to_shape(call.x, [n for k, n in enumerate(sizes) if k not in gone])


def _unsqueeze(call: Call) -> Value:
    axes = call.integers("axes", 1) or []
    rank = len(call.x.shape) + 1 + len(axes)
    sizes = [1, *call.x.shape]
    for axis in sorted(a % rank for a in axes):
        sizes.insert(axis, 1)
    return call.to_shape(call.x, sizes)


def _transpose(call: Call) -> Value:
    rank = len(call.x.shape) + 1
    first, *rest = call.attribute("perm", list(range(rank))[::-1])
    if first != 0:
        call.refuse(f"permutes {[first, *rest]}; the batch must stay first")
    return call.add(Transpose(tuple(call.axis(d) for d in rest)), call.x)


def _slice(call: Call) -> Value:
    x = call.x
    starts, ends = call.integers("starts", 1), call.integers("ends", 2)
    if starts is None or ends is None:
        call.refuse("Slice lacks its starts or ends")
    axes = call.integers("axes", 3) or list(range(len(starts)))
    steps = call.integers("steps", 4) or [1] * len(starts)
    rank = len(x.shape) + 1
    for start, end, dim, step in zip(starts, ends, axes, steps, strict=True):
        if dim % rank == 0 and start in (0, -1) and end >= 1 and step == 1:
            continue  # the whole batch
        axis = call.axis(dim, rank)
        open_end = step < 0 and end <= -x.shape[axis] - 1
        x = call.gather(x, axis, range(x.shape[axis])[start:None if open_end else end:step])
    return x


def _split(call: Call) -> list[Found]:
    axis = call.axis(call.attribute("axis", 0))
    size, count = call.x.shape[axis], call.attribute("num_outputs", len(call.outputs))
    each = -(-size // count)
    sizes = call.integers("split", 1) or [
        min(each, size - k * each) for k in range(count)]
    if sum(sizes) != size or len(sizes) != len(call.outputs):
        call.refuse(f"splits {size} channels in pieces of {sizes}")
    ends = np.cumsum(sizes)
    return [call.gather(call.x, axis, range(int(end) - n, int(end)))
            for n, end in zip(sizes, ends, strict=True)]


def _gather(call: Call) -> Value:
    indices = call.stored(1)
    axis = call.axis(call.attribute("axis", 0))
    if indices is None or indices.ndim > 1:
        call.refuse("gathers by positions of several dimensions; only a list of channels runs")
    size = call.x.shape[axis]
    if indices.size == 0 or indices.min() < -size or indices.max() >= size:
        call.refuse(f"gathers positions that are not among {size}")
    x = call.gather(call.x, axis, [int(k) % size for k in np.ravel(indices)])
    if indices.ndim == 0:
        x = call.to_shape(x, [1, *(n for k, n in enumerate(x.shape) if k != axis)])
    return x


def _pad(call: Call) -> Value:
    call.expect(mode="constant")
    x, rank = call.x, len(call.x.shape) + 1
    pads, value = call.integers("pads", 1), call.attribute("value", 0.0)
    if (given := call.stored(2)) is not None:
        value = float(np.ravel(given)[0])
    axes = call.integers("axes", 3) or list(range(rank))
    if pads is None or len(pads) != 2 * len(axes):
        call.refuse(f"pads by {pads}; it must be twice as many as dimensions")
    border = {a % rank: (pads[k], pads[k + len(axes)]) for k, a in enumerate(axes)}
    if any(n != (0, 0) for a, n in border.items() if a < 2) or min(pads) < 0 or rank > 4:
        call.refuse(f"pads by {pads}; only rows and columns can be added")
    rows = border.get(rank - 2, (0, 0)) if rank == 4 else (0, 0)
    columns = border.get(rank - 1, (0, 0)) if rank > 2 else (0, 0)
    return call.as_rows(call.add(Pad((rows[0], columns[0], rows[1], columns[1]), value),
                                 call.as_map(x)), x)


MOVING: dict[str, Callable[[Call], Found | list[Found]]] = {
    "Identity": _same, "Cast": _cast, "Dropout": _dropout, "Reshape": _reshape,
    "Flatten": _flatten, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze, "Transpose": _transpose,
    "Slice": _slice, "Split": _split, "Gather": _gather, "Pad": _pad,
}
