"""Pass 1: maps only. What moves numbers becomes a choice of channels, or part of a linear layer.

Reshapes, transposes and slices in a row are one permutation of a map's numbers, which is worked out
by doing them to the numbers' places. A linear layer takes any permutation, into the order of its
weights, and is a convolution whose kernel covers the map; anything else takes whole channels only.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import replace
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
    Mosaic,
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

from .matrices import by_group, by_pixel
from .refusals import refuse
from .views import View, as_map

__all__ = ["RULES", "to_maps"]


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
        self.views = {graph.input.name: View(graph.input.name, shape, None, graph.input.shape)}
        self.nodes: list[Node] = []
        self.on_host: set[str] = set()  # values that the host makes at the end

    def run(self) -> Graph:
        for node in self.graph.nodes:
            self.views[node.output] = RULES[type(node.op)](self, node, node.op)
        first, *more = [self.given(output) for output in self.graph.outputs]
        plain = Graph(self.graph.name, self.input, tuple(self.nodes), first, tuple(more),
                      self.graph.names)
        return check(plain.pruned(plain.nodes), Level.MAPS)

    def given(self, value: str) -> str:
        """The map that the network gives for a value; of one whose channels are last the map."""
        view, last = self.views[value], self.graph.producer(value)
        if last is None or (view.as_channels is None and view.order is None):
            return view.base
        if view.as_channels is None and view.is_channels_last:
            warnings.warn(f"network {self.graph.name}: gives {list(view.shape)}, with its channels "
                          f"last; the accelerator gives them first, {list(view.of)}",
                          CaptureNotice, stacklevel=2)
            return view.base
        return self.map_of(last, value)

    def emit(self, node: Node, op: Operator, inputs: list[str], shape: Shape,
             suffix: str = "") -> View:
        """Add a node that gives the imported one's value (or, with a suffix, an inner one)."""
        name = node.output + suffix
        self.nodes.append(Node(node.name, op, tuple(inputs), name))
        found = as_map(shape)
        assert found is not None
        return View(name, found, None, shape)

    def map_of(self, node: Node, value: str) -> str:
        """The map that a node takes for a value, with channels gathered if need be."""
        view = self.views[value]
        shape = as_map(view.shape)
        if shape is None or (view.order is None and shape != view.of):
            refuse(node, f"takes {list(view.of)} as {list(view.shape)}; only a linear layer "
                         "takes a map in another shape")
        chosen = view.channels if shape[1:] == view.of[1:] else None
        if chosen is None:
            refuse(node, f"takes pixels of {list(view.of)} in another order; only channels "
                         "can be moved, and anything before a linear layer")
        return self.chosen(node, view, chosen)

    def chosen(self, node: Node, view: View, channels: tuple[int, ...]) -> str:
        """The map of a base's channels."""
        if channels == tuple(range(view.of[0])):
            return view.base
        shape = (len(channels), *view.of[1:])
        name = f"/gather{len(self.nodes)}"
        return self.emit(node, Gather(channels), [view.base], shape, name).base

    # -- what each operator becomes -------------------------------------------------------------
    def move(self, node: Node, op: Reshape | Transpose | Gather) -> View:
        view = self.views[node.inputs[0]]
        shape = op.shape(view.shape)
        if isinstance(op, Reshape):
            return replace(view, shape=shape)
        places = view.places.transpose(op.order) if isinstance(op, Transpose) else \
            view.places.take(op.indices, op.axis)
        return replace(view, order=places.reshape(-1), shape=shape)

    def plain(self, node: Node, op: Operator) -> View:
        """An operator on maps, as it is."""
        inputs = [self.map_of(node, value) for value in node.inputs]
        return self.emit(node, op, inputs, op.shape(*(self.views[x].shape for x in node.inputs)))

    def each(self, node: Node, op: Clamp | Quantise | Pointwise) -> View:
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

    def affine(self, node: Node, op: Affine) -> View:
        view = self.views[node.inputs[0]]
        if view.as_channels is not None:
            return self.plain(node, op)
        scale, offset = view.by_channel(op.scale), view.by_channel(op.offset)
        if (scale is None or offset is None) and len(view.shape) == 1:
            refuse(node, "a factor for each number of a flattened map is not supported; put "
                         "it before the flatten, by channel, or after the linear layer")
        if scale is None or offset is None:
            refuse(node, f"has a number for each pixel of {list(view.of)}, or takes some of it; "
                         "only one for each channel runs")
        moved = "" if view.order is None else "/in its order"
        return replace(view, base=self.emit(node, Affine(scale, offset), [view.base], view.of,
                                            moved).base)

    def alike(self, node: Node, op: Sum | Product) -> View:
        """Of values that have numbers of maps in the same order, in that of the maps."""
        views = [self.views[value] for value in node.inputs]
        first = views[0]
        if first.as_channels is not None or any(
                (x.of, x.shape) != (first.of, first.shape)
                or not np.array_equal(x.places, first.places) for x in views):
            return self.plain(node, op)
        done = self.emit(node, op, [x.base for x in views], first.of, "/in its order")
        return replace(first, base=done.base)

    def linear(self, node: Node, op: Linear) -> View:
        view = self.views[node.inputs[0]]
        if len(view.shape) != 1:
            return self.over_last(node, op, view)
        weight = op.weight
        if view.order is not None:
            weight = np.zeros((len(weight), math.prod(view.of)), np.float32)
            np.add.at(weight.T, view.order, op.weight.T)
        conv = Conv(weight.reshape(len(weight), *view.of), op.bias, steps=op.steps)
        return self.emit(node, conv, [view.base], (len(weight),))

    def over_last(self, node: Node, op: Linear, view: View) -> View:
        """Of the last of several dimensions."""
        found = by_pixel(view, op) or by_group(view, op)
        if found is None:
            refuse(node, f"a linear layer over the last dimension of {list(view.shape)}, which is "
                         f"neither of channels nor of rows of the map {list(view.of)}; put a "
                         "flatten before it, or move the channels there")
        conv, places = found
        order = places.reshape(-1)
        same = np.array_equal(order, np.arange(len(order)))
        done = self.emit(node, conv, [view.base], conv.shape(view.of), "/in its order")
        return replace(done, order=None if same else order, shape=op.shape(view.shape))

    def concat(self, node: Node, op: Concat) -> View:
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
        return self.plain(node, op) if op.axis == 0 else self.beside(node, op)

    def beside(self, node: Node, op: Concat) -> View:
        """A join of rows or of columns."""
        shapes = [self.views[value].shape for value in node.inputs]
        if len(shapes[0]) > 3:
            refuse(node, f"joins {' and '.join(str(list(x)) for x in shapes)} along dimension "
                         f"{op.axis + 1}; only channels, rows and columns can be joined")
        count = len(shapes)
        by = (count, 1) if op.axis == len(shapes[0]) - 2 else (1, count)
        bases = [self.map_of(node, value) for value in node.inputs]
        return self.emit(node, Mosaic(by), bases, op.shape(*shapes))

    def softmax(self, node: Node, op: Softmax) -> View:
        self.on_host.add(node.output)
        after = self.graph.consumers(node.output)
        if any(not isinstance(x.op, Quantise) or self.graph.consumers(x.output) for x in after):
            refuse(node, "softmax runs only at the network's end, on the host")
        warnings.warn(f"layer {node.name}: {'log_' if op.log else ''}softmax at the end is left to "
                      "the host; the order of the outputs is the same without it", CaptureNotice,
                      stacklevel=2)
        return self.views[node.inputs[0]]


#: Operator -> the view that its result is.
RULES: dict[type[Operator], Callable[[_Maps, Node, Any], View]] = {
    Conv: _Maps.plain, Linear: _Maps.linear, Affine: _Maps.affine, Sum: _Maps.alike,
    Concat: _Maps.concat, MaxPool: _Maps.plain, AvgPool: _Maps.plain, Clamp: _Maps.each,
    Quantise: _Maps.each, Pointwise: _Maps.each, Product: _Maps.alike, Pad: _Maps.plain,
    Reshape: _Maps.move, Transpose: _Maps.move, Interleave: _Maps.plain, Mosaic: _Maps.plain,
    Gather: _Maps.move,
    Softmax: _Maps.softmax,
}
