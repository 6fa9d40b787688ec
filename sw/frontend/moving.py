"""torch's operators that only move numbers, by their names in ATen."""

from collections.abc import Callable
from typing import Any

import torch

from sw.ir.graph import Value
from sw.ir.operators import Transpose

from .call import Call

__all__ = ["MOVING", "SHARING"]


def _same(call: Call) -> Value:
    """Nothing is done, but perhaps the precision is another one."""
    kept = call.node.meta["val"]
    if not kept.is_floating_point():
        call.refuse(f"operator {call.kind} makes its values {kept.dtype}; only real numbers run")
    if call.result_shape() != call.x.shape:
        call.refuse(f"operator {call.kind} repeats values; it is not supported")
    return call.x


def _expand(call: Call) -> Value:
    """One number for each channel of a map, where it is multiplied by them."""
    spread, given = call.result_shape(), call.x.shape
    if spread != given and (given == (spread[0], 1, 1)) and all(
            str(user.target).startswith("aten.mul") for user in call.node.users):
        return call.x
    return _same(call)


def _reshape(call: Call) -> Value:
    return call.reshape(call.x, *call.result_shape())


def _transpose(call: Call) -> Value:
    order = list(range(len(call.x.shape)))
    a, b = call.axis(call["dim0"]), call.axis(call["dim1"])
    order[a], order[b] = order[b], order[a]
    return call.add(Transpose(tuple(order)), call.x)


def _permute(call: Call) -> Value:
    first, *rest = call["dims"]
    if first != 0:
        call.refuse(f"permutes {call['dims']}; the batch must stay first")
    return call.add(Transpose(tuple(call.axis(d) for d in rest)), call.x)


def _shuffle(call: Call) -> Value:
    channels, *pixels = call.x.shape
    groups = int(call["groups"])
    x = call.reshape(call.x, groups, channels // groups, *pixels)
    x = call.add(Transpose((1, 0, *range(2, len(x.shape)))), x)
    return call.reshape(x, channels, *pixels)


def _slice(call: Call) -> Value:
    limits = slice(call["start"], call["end"], call["step"])
    if call["dim"] == 0 and limits.indices(1 << 62)[0::2] == (0, 1) and (
            limits.stop is None or limits.stop > 1 << 60):
        return call.x  # the whole batch
    axis = call.axis(call["dim"])
    return call.gather(call.x, axis, range(call.x.shape[axis])[limits])


def _narrow(call: Call) -> Value:
    axis = call.axis(call["dim"])
    start = range(call.x.shape[axis])[call["start"]]
    return call.gather(call.x, axis, range(start, start + call["length"]))


def _select(call: Call) -> Value:
    axis = call.axis(call["dim"])
    found = call.gather(call.x, axis, [range(call.x.shape[axis])[call["index"]]])
    return call.reshape(found, *call.result_shape())


def _index_select(call: Call) -> Value:
    indices = call.stored("index")
    assert indices is not None
    return call.gather(call.x, call.axis(call["dim"]), [int(k) for k in indices])


def _index(call: Call) -> Value:
    """x[:, [2, 0, 1]]: one list of positions, of one dimension."""
    lists = [(dim, x) for dim, x in enumerate(call["indices"]) if x is not None]
    if len(lists) != 1 or isinstance(lists[0][1], Value) or lists[0][1].ndim != 1 \
            or lists[0][1].dtype == torch.bool:
        call.refuse("takes positions by several lists, or by computed ones; only one list of "
                    "channels runs")
    dim, positions = lists[0]
    axis = call.axis(dim)
    size = call.x.shape[axis]
    return call.gather(call.x, axis, [int(k) % size for k in positions])


def _flip(call: Call) -> Value:
    x = call.x
    for dim in call["dims"]:
        axis = call.axis(dim)
        x = call.gather(x, axis, range(x.shape[axis] - 1, -1, -1))
    return x


def _pieces(call: Call) -> list[Value]:
    """Those of chunk and split, of the sizes that torch says."""
    axis, at, found = call.axis(call["dim"]), 0, []
    for piece in call.node.meta["val"]:
        size = int(piece.shape[axis + 1])
        found.append(call.gather(call.x, axis, range(at, at + size)))
        at += size
    return found


_VIEWS: dict[str, Callable[[Call], Any]] = {
    **dict.fromkeys(("flatten", "view", "reshape", "_unsafe_view", "unflatten", "squeeze",
                     "unsqueeze", "view_as", "reshape_as"), _reshape),
    "transpose": _transpose, "permute": _permute, "swapaxes": _transpose, "slice": _slice,
    "narrow": _narrow, "select": _select, "chunk": _pieces, "split": _pieces,
    "split_with_sizes": _pieces, "tensor_split": _pieces,
}
_NOTHING = dict.fromkeys((
    "alias", "clone", "detach", "contiguous", "to", "_to_copy", "type_as", "lift_fresh_copy",
    "identity"), _same) | dict.fromkeys(("expand", "expand_as"), _expand)
#: Names of those whose result may be memory of what they are given; dropout's is, in evaluation.
SHARING = {*_VIEWS, *_NOTHING, "dropout", "feature_dropout", "alpha_dropout",
           "feature_alpha_dropout"}
#: Name -> what it adds; it returns the value, or a list of several.
MOVING: dict[str, Callable[[Call], Any]] = {
    **_VIEWS, **_NOTHING, "channel_shuffle": _shuffle, "native_channel_shuffle": _shuffle,
    "index_select": _index_select, "index": _index, "flip": _flip,
}
