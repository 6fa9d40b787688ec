"""Pass 1: maps only. What moves numbers becomes a choice of channels, or part of a linear layer.

Reshapes, transposes and slices in a row are one permutation of a map's numbers, which is worked out
by doing them to the numbers' places. A linear layer takes any permutation, into the order of its
weights, and is a convolution whose kernel covers the map; anything else takes whole channels only.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sw.ir.errors import CaptureNotice, UnsupportedLayer
from sw.ir.graph import Graph, Node, Value
from sw.ir.operators import (
    Affine,
    AvgPool,
    Clamp,
    Concat,
    Conv,
    Gather,
    Interleave,
    Linear,
    MaxPool,
    Operator,
    Pad,
    Pointwise,
    Product,
    Quantise,
    Reshape,
    Shape,
    Softmax,
    Sum,
    Transpose,
)
from sw.ir.spec import Level, check

from .refusals import refuse

__all__ = ["RULES", "as_map", "to_maps"]


def as_map(shape: Shape) -> tuple[int, int, int] | None:
    """The map that a value of a shape is: of a vector one pixel, of [C, L] one row."""
    match shape:
        case (channels,):
            return channels, 1, 1
        case (channels, length):
            return channels, 1, length
        case (channels, rows, columns):
            return channels, rows, columns
    return None


@dataclass(frozen=True, eq=False)
class _View:
    """An imported value as numbers of a map.

    Members: `base`, the map's name; its shape there is `of`; `order` int64[n], the places of the
    value's numbers in it, None for those of the map, in order; `shape` of the imported value.
    """

    base: str
    of: tuple[int, int, int]
    order: np.ndarray | None
    shape: Shape

    @property
    def places(self) -> np.ndarray:
        """Places in the map, in the value's shape."""
        order = np.arange(math.prod(self.of)) if self.order is None else self.order
        return order.reshape(self.shape)

    @property
    def channels(self) -> tuple[int, ...] | None:
        """Which whole channels of the map it is, one after the other; None if it is not."""
        if self.order is None:
            return tuple(range(self.of[0]))
        pixels = self.of[1] * self.of[2]
        if len(self.order) % pixels:
            return None
        places = self.order.reshape(-1, pixels)
        first = places[:, 0] // pixels
        whole = np.array_equal(places, first[:, None] * pixels + np.arange(pixels))
        return tuple(first.tolist()) if whole else None


def to_maps(graph: Graph) -> Graph:
    """Return the graph at level MAPS.

    Raises
    ------
    UnsupportedLayer
        Naming the first node that moves numbers in a way that no layer can take in.
    """
    return _Maps(graph).run()


class _Maps:
    """Goes through the nodes; `nodes` grows, `views` are the imported values so far."""

    def __init__(self, graph: Graph):
        self.graph = graph
        shape = as_map(graph.input.shape)
        if shape is None:
            raise UnsupportedLayer(f"network {graph.name}: takes {list(graph.input.shape)}; it must"
                                   " be [channels, rows, columns]")
        self.input = Value(graph.input.name, shape)
        self.views = {graph.input.name: _View(graph.input.name, shape, None, graph.input.shape)}
        self.nodes: list[Node] = []
        self.on_host: set[str] = set()  # values that the host makes at the end

    def run(self) -> Graph:
        for node in self.graph.nodes:
            self.views[node.output] = RULES[type(node.op)](self, node, node.op)
        last = self.graph.producer(self.graph.output)
        output = self.graph.output if last is None else self.map_of(last, self.graph.output, True)
        plain = Graph(self.graph.name, self.input, tuple(self.nodes), output)
        return check(plain.pruned(plain.nodes), Level.MAPS)

    def emit(self, node: Node, op: Operator, inputs: list[str], shape: Shape,
             suffix: str = "") -> _View:
        """Add a node that gives the imported one's value (or, with a suffix, an inner one)."""
        name = node.output + suffix
        self.nodes.append(Node(node.name, op, tuple(inputs), name))
        found = as_map(shape)
        assert found is not None
        return _View(name, found, None, shape)

    def map_of(self, node: Node, value: str, any_shape: bool = False) -> str:
        """The map that a node takes for a value, with channels gathered if need be."""
        view = self.views[value]
        shape = as_map(view.shape)
        if shape is None or (view.order is None and shape != view.of):
            if any_shape and view.order is None:
                return view.base
            refuse(node, f"takes {list(view.of)} as {list(view.shape)}; only a linear layer "
                         "takes a map in another shape")
        chosen = view.channels if shape[1:] == view.of[1:] else None
        if chosen is None:
            refuse(node, f"takes pixels of {list(view.of)} in another order; only channels "
                         "can be moved, and anything before a linear layer")
        return self.chosen(node, view, chosen)

    def chosen(self, node: Node, view: _View, channels: tuple[int, ...]) -> str:
        """The map of a base's channels."""
        if view.order is None:
            return view.base
        shape = (len(channels), *view.of[1:])
        name = f"/gather{len(self.nodes)}"
        return self.emit(node, Gather(channels), [view.base], shape, name).base

    # -- what each operator becomes -------------------------------------------------------------
    def move(self, node: Node, op: Reshape | Transpose | Gather) -> _View:
        view = self.views[node.inputs[0]]
        shape = op.shape(view.shape)
        if isinstance(op, Reshape):
            return replace(view, shape=shape)
        places = view.places.transpose(op.order) if isinstance(op, Transpose) else \
            view.places.take(op.indices, op.axis)
        return replace(view, order=places.reshape(-1), shape=shape)

    def plain(self, node: Node, op: Operator) -> _View:
        """An operator on maps, as it is."""
        inputs = [self.map_of(node, value) for value in node.inputs]
        return self.emit(node, op, inputs, op.shape(*(self.views[x].shape for x in node.inputs)))

    def each(self, node: Node, op: Clamp | Quantise | Pointwise) -> _View:
        """Of all numbers of a map, whatever their order."""
        view = self.views[node.inputs[0]]
        if isinstance(op, Pointwise) and op.function.is_by_channel:
            return self.plain(node, op)
        if isinstance(op, Quantise) and node.inputs[0] in self.on_host:
            self.on_host.add(node.output)
            return view
        if view.order is None or len(view.order) == math.prod(view.of):
            moved = "" if view.order is None else "/in its order"
            return replace(view, base=self.emit(node, op, [view.base], view.of, moved).base)
        return self.plain(node, op)

    def affine(self, node: Node, op: Affine) -> _View:
        view = self.views[node.inputs[0]]
        pixels = view.of[1] * view.of[2]
        if len(view.shape) == 1 and view.order is None and pixels > 1:
            # of a flattened map: the same one for each of a channel's numbers, or none
            scale, offset = op.scale.reshape(-1, pixels), op.offset.reshape(-1, pixels)
            if (scale == scale[:, :1]).all() and (offset == offset[:, :1]).all():
                done = self.emit(node, Affine(scale[:, 0], offset[:, 0]), [view.base], view.of)
                return replace(done, shape=view.shape)
            refuse(node, "a factor for each number of a flattened map is not supported; put "
                         "it before the flatten, by channel, or after the linear layer")
        return self.plain(node, op)

    def linear(self, node: Node, op: Linear) -> _View:
        view = self.views[node.inputs[0]]
        if len(view.shape) != 1:
            refuse(node, "a linear layer over the last dimension of a map is not supported; "
                         "put a flatten before it")
        weight = op.weight
        if view.order is not None:
            weight = np.zeros((len(weight), math.prod(view.of)), np.float32)
            np.add.at(weight.T, view.order, op.weight.T)
        conv = Conv(weight.reshape(len(weight), *view.of), op.bias, steps=op.steps)
        return self.emit(node, conv, [view.base], (len(weight),))

    def concat(self, node: Node, op: Concat) -> _View:
        views = [self.views[value] for value in node.inputs]
        if len(views) == 1:
            return views[0]
        parts = [(v, v.channels) for v in views if len(v.shape) == 1]
        if len(parts) == len(views) and len({v.of[1:] for v in views}) == 1 \
                and all(channels is not None for _, channels in parts):
            # flattened maps are joined before that
            bases = [self.chosen(node, v, c) for v, c in parts if c is not None]
            whole = (sum(len(c) for _, c in parts if c is not None), *views[0].of[1:])
            done = self.emit(node, Concat(), bases, whole)
            return replace(done, shape=op.shape(*(v.shape for v in views)))
        if op.axis != 0:
            refuse(node, f"joins along dimension {op.axis + 1}; only channels can be joined")
        return self.plain(node, op)

    def softmax(self, node: Node, op: Softmax) -> _View:
        self.on_host.add(node.output)
        after = self.graph.consumers(node.output)
        if any(not isinstance(x.op, Quantise) or self.graph.consumers(x.output) for x in after):
            refuse(node, "softmax runs only at the network's end, on the host")
        warnings.warn(f"layer {node.name}: {'log_' if op.log else ''}softmax at the end is left to "
                      "the host; the order of the outputs is the same without it", CaptureNotice,
                      stacklevel=2)
        return self.views[node.inputs[0]]


#: Operator -> the view that its result is.
RULES: dict[type[Operator], Callable[[_Maps, Node, Any], _View]] = {
    Conv: _Maps.plain, Linear: _Maps.linear, Affine: _Maps.affine, Sum: _Maps.plain,
    Concat: _Maps.concat, MaxPool: _Maps.plain, AvgPool: _Maps.plain, Clamp: _Maps.each,
    Quantise: _Maps.each, Pointwise: _Maps.each, Product: _Maps.plain, Pad: _Maps.plain,
    Reshape: _Maps.move, Transpose: _Maps.move, Interleave: _Maps.plain, Gather: _Maps.move,
    Softmax: _Maps.softmax,
}
