"""Pass 3: layers. A convolution takes in what follows it, as far as one layer can do it.

A layer is convolutions summed, then a clamp, a function of one number, and max pooling. A node
joins the layer that gives its input where nobody else reads that and the layer has not gone further
yet; else it begins a layer of its own, a 1x1 convolution of each channel.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from sw.graph.edges import INPUT, Join, Term
from sw.graph.floating import FloatGraph, FloatLayer
from sw.graph.integer import Pool
from sw.graph.records import FACTOR, RECORD
from sw.ir.graph import Graph, Node
from sw.ir.operators import (
    Affine,
    AvgPool,
    Clamp,
    Concat,
    Conv,
    Gather,
    Interleave,
    MaxPool,
    Mosaic,
    Operator,
    Pad,
    Pointwise,
    Product,
    Quantise,
    Sum,
)

from .begun import Begun
from .functions import function_of
from .parts import (
    as_term,
    clamped,
    diagonals,
    followed,
    gathered,
    never_negative,
    scaled,
    with_affine,
)
from .refusals import (
    check_conv,
    check_pad,
    check_pool,
    check_steps,
    check_window,
    factored,
    refuse,
    refuse_product,
    steps_of,
)

__all__ = ["RULES", "to_layers"]


def to_layers(graph: Graph) -> tuple[FloatGraph, dict[str, str]]:
    """Return a graph at level MAPS as layers, and the value that each of them gives, by its name.

    Raises
    ------
    UnsupportedLayer
        Naming the first node that has no layer.
    """
    layers = _Layers(graph)
    return layers.run(), layers.values()


class _Layers(Begun):
    """Goes through the nodes."""

    def run(self) -> FloatGraph:
        for node in self.graph.nodes:
            self.places[node.output] = RULES[type(node.op)](self, node, node.op)
        return self.finish()

    # -- what each operator becomes -------------------------------------------------------------
    def conv(self, node: Node, op: Conv) -> str:
        dilation = check_conv(node, op)
        check_steps(node, op, self.quantised)
        (source,) = node.inputs
        shape = self.shapes[node.output]
        return self.add(node.name, self.places[source], op.weight, op.bias, self.shapes[source],
                        shape, stride=steps_of(node, op.stride, shape), padding=op.padding[:2],
                        dilation=dilation, groups=op.groups, steps=op.steps,
                        pad_value=op.pad_value)

    def affine(self, node: Node, op: Affine) -> str:
        if (layer := self._after_function(node)) is not None:
            return self.put(layer)
        layer = self.summing(node.inputs[0])
        if layer is None:
            return self.copy(node.name, self.places[node.inputs[0]],
                              self.shapes[node.output], scale=op.scale, offset=op.offset)
        return self.put(with_affine(layer, op.scale, op.offset))

    def _after_function(self, node: Node) -> FloatLayer | None:
        """The layer that gives a node's input, with the node as part of its function, if it has
        one."""
        layer, further = self.open(node.inputs[0]), function_of(node.op)
        if layer is None or layer.function is None or layer.given is not None or further is None \
                or (layer.pool is not None and not further.rises):
            return None
        return followed(layer, further)

    def function(self, node: Node, op: Pointwise) -> str:
        """A layer's function comes before its pooling, after which it may be read if it rises."""
        if (layer := self._after_function(node)) is not None:
            return self.put(layer)
        layer = self.open(node.inputs[0])
        if layer is None or layer.function is not None or (
                layer.pool is not None and not op.function.rises):
            layer = self.layers[self.copy(node.name, self.places[node.inputs[0]],
                                          self.shapes[node.output], held=True)]
        if self.quantised and layer.given is None:
            refuse(node, "takes what is not rounded to int8 before; quantise that, too")
        return self.put(replace(layer, function=op.function, before=layer.given, given=None))

    def product(self, node: Node, op: Product) -> str:
        """A map's channels, each times a number of the other value, which becomes the layer's
        requantisation parameters."""
        ways = factored(node, self.shapes)
        if self.quantised:
            refuse_product(node)
        fit = [(x, by) for x, by in ways if (layer := self.layers.get(self.places[by])) is not None
               and never_negative(layer)]
        if not fit:
            refuse(node, "multiplies by what is not known to be 0 or more; factors that a sigmoid, "
                         "a hard sigmoid or ReLU gives run")
        x, by = fit[0]
        place, (channels, rows, columns) = self.places[by], self.shapes[x]
        weight = np.tile(np.arange(RECORD) == FACTOR, channels).reshape(-1, 1, 1, 1)
        records = self.add(f"{node.name}.factors", place, weight, np.zeros(len(weight)),
                           (channels, 1, 1), (len(weight), 1, 1), groups=channels)
        name = self.copy(node.name, self.places[x], (channels, rows, columns))
        return self.put(replace(self.layers[name], factors=records))

    def clamp(self, node: Node, op: Clamp) -> str:
        if (done := self._after_function(node)) is not None:
            return self.put(done)
        layer = self.open(node.inputs[0])
        held = self.held(self.places[node.inputs[0]])
        whole = held is None or (held.holds(op.low) and held.holds(op.high))
        if layer is None or layer.function is not None or not whole:
            layer = self.layers[self.copy(node.name, self.places[node.inputs[0]],
                                           self.shapes[node.output], held=whole)]
        return self.put(clamped(layer, op.low, op.high))

    def max_pool(self, node: Node, op: MaxPool) -> str:
        shape = self.shapes[node.output]
        stride = check_pool(node, op, shape)
        if min(op.padding[:2]) < 0:
            return self._of_a_part(node, op, stride)
        layer = self.open(node.inputs[0])
        if layer is None or layer.pool is not None or not (
                layer.function is None or layer.function.rises):
            name = self.copy(node.name, self.places[node.inputs[0]],
                              self.shapes[node.inputs[0]], held=True)
            layer = self.layers[name]
        return self.put(replace(layer, out_shape=shape,
                                pool=Pool(op.kernel, stride, op.padding[:2], shape[1:])))

    def _of_a_part(self, node: Node, op: MaxPool, stride: tuple[int, int]) -> str:
        """A pool of a copy of some rows and columns."""
        channels, rows, columns = self.shapes[node.output]
        part = (channels, (rows - 1) * stride[0] + op.kernel[0],
                (columns - 1) * stride[1] + op.kernel[1])
        layer = self.layers[self.copy(
            node.name, self.places[node.inputs[0]], self.shapes[node.inputs[0]], to=part,
            padding=op.padding[:2], held=True)]
        return self.put(replace(layer, out_shape=self.shapes[node.output],
                                pool=Pool(op.kernel, stride, (0, 0), (rows, columns))))

    def avg_pool(self, node: Node, op: AvgPool) -> str:
        check_window(node, op)
        source, shape = self.shapes[node.inputs[0]], self.shapes[node.output]
        channels = source[0]
        weight = np.full((channels, 1, *op.kernel), 1 / (op.kernel[0] * op.kernel[1]))
        return self.add(node.name, self.places[node.inputs[0]], weight, np.zeros(channels), source,
                        shape, stride=steps_of(node, op.stride, shape), padding=op.padding[:2],
                        groups=channels)

    def quantise(self, node: Node, op: Quantise) -> str:
        """A layer says how its output is held, and so clamps it: some models have no other ReLU.
        What is held otherwise already is copied."""
        place = self.places[node.inputs[0]]
        if place == INPUT and self.given is None:
            if self.graph.uses(node.inputs[0]) > 1:
                refuse(node, "rounds the network's input, which others read as it is or in other "
                             "steps; quantise the input once, for all that read it")
            self.given = op.to
            return place
        layer = self.open(node.inputs[0])
        if layer is None or layer.given is not None:
            layer = self.layers[self.copy(node.name, place, self.shapes[node.output])]
        if layer.function is None:
            layer = clamped(layer, *op.to.limits)
        return self.put(replace(layer, given=op.to))

    def pad(self, node: Node, op: Pad) -> str:
        """A border is a 1x1 convolution's padding."""
        check_pad(node, op)
        return self.copy(node.name, self.places[node.inputs[0]], self.shapes[node.inputs[0]],
                         to=self.shapes[node.output], padding=op.border[:2], held=True,
                         pad_value=op.value)

    def gather(self, node: Node, op: Gather) -> str:
        source = self.shapes[node.inputs[0]]
        layer = self.open(node.inputs[0])
        if layer is not None and layer.groups == 1 and not layer.terms:
            return self.put(gathered(layer, list(op.indices)))
        weight = np.zeros((len(op.indices), source[0], 1, 1))
        weight[np.arange(len(op.indices)), op.indices] = 1
        return self.add(node.name, self.places[node.inputs[0]], weight, np.zeros(len(weight)),
                        source, self.shapes[node.output], held=True)

    def concat(self, node: Node, op: Concat) -> str:
        parts: list[str] = []
        for value in node.inputs:
            place = self.places[value]
            if place == INPUT or (place in self.joins and self.joins[place].by != (1, 1)):
                place = self.copy(node.name, place, self.shapes[value], held=True)
            parts += self.joins[place].sources if place in self.joins else (place,)
        name = self.free(node.name)
        self.joins[name] = Join(name, tuple(parts))
        return name

    def spread(self, node: Node, op: Interleave | Mosaic) -> str:
        """A join of layers' pixels, or of whole maps; what is no layer is copied first."""
        layers: dict[str, str] = {}
        for value in dict.fromkeys(node.inputs):
            place = self.places[value]
            layers[value] = place if place in self.layers else \
                self.copy(node.name, place, self.shapes[value], held=True)
        name = self.free(node.name)
        self.joins[name] = Join(name, tuple(layers[value] for value in node.inputs), op.by,
                                isinstance(op, Mosaic))
        return name

    def sum(self, node: Node, op: Sum) -> str:
        """A convolution among the operands takes in the others: further convolutions that nobody
        else reads, and at most one value, channel by channel."""
        operands = self._operands(node, op)
        heads = [place for place, value, _ in operands if value and self.summing(value)]
        if heads and self.quantised:
            refuse(node, f"adds what {heads[0]} gives before that is rounded to int8; quantise that"
                         " layer's output, too")
        head = max(heads, key=lambda place: self.layers[place].macs, default=None)
        if head is None:
            place, _, factor = operands.pop(0)
            head = self.copy(node.name, place, self.shapes[node.output], scale=factor)
        else:
            factor = next(f for place, _, f in operands if place == head)
            operands = [x for x in operands if x[0] != head]
            self.layers[head] = scaled(self.layers.pop(head), factor)  # after all it now reads
        for place, value, factor in operands:
            head = self._added(node, head, place, value, factor)
        return head

    def _operands(self, node: Node, op: Sum) -> list[tuple[str, str, float]]:
        """Of each value: its place, its name if it is taken but once, and its factor."""
        factors: dict[str, float] = {}
        for value, factor in zip(node.inputs, op.factors, strict=True):
            factors[value] = factors.get(value, 0.0) + factor
        return [(self.places[value], value if node.inputs.count(value) == 1 else "", factor)
                for value, factor in factors.items()]

    def _added(self, node: Node, head: str, place: str, value: str, factor: float) -> str:
        """Add an operand to a layer, or to one after it that copies it; return the layer."""
        other = self.summing(value) if value else None
        layer = self.layers[head]
        if other is not None and diagonals(layer) + diagonals(other) <= 1:
            other = scaled(self.layers.pop(place), factor)
            terms = (as_term(other, other.source), *other.terms)
            return self.put(replace(layer, bias=layer.bias + other.bias,
                                    terms=(*layer.terms, *terms)))
        shape = self.shapes[node.output]
        if diagonals(layer):
            head = self.copy(node.name, head, shape)
            layer = self.layers[head]
        weight = np.full((shape[0], 1, 1, 1), factor, np.float32)
        term = Term(place, weight, (1, 1), (0, 0), shape[0], shape, shape)
        return self.put(replace(layer, terms=(*layer.terms, term)))


#: Operator -> the place of what it gives.
RULES: dict[type[Operator], Callable[[_Layers, Node, Any], str]] = {
    Conv: _Layers.conv, Affine: _Layers.affine, Sum: _Layers.sum, Concat: _Layers.concat,
    MaxPool: _Layers.max_pool, AvgPool: _Layers.avg_pool, Clamp: _Layers.clamp,
    Pad: _Layers.pad, Gather: _Layers.gather, Quantise: _Layers.quantise,
    Interleave: _Layers.spread, Mosaic: _Layers.spread,
    Pointwise: _Layers.function, Product: _Layers.product,
}
