"""Layers that have been begun: what an operator after them can still become part of."""

from dataclasses import replace

import numpy as np

from sw.graph.edges import INPUT, Join, Output
from sw.graph.floating import FloatGraph, FloatLayer
from sw.graph.quantisation import Quantisation
from sw.ir.errors import UnsupportedLayer
from sw.ir.graph import Graph
from sw.ir.operators import Quantise

from .refusals import check_given

__all__ = ["Begun", "Map"]

Map = tuple[int, int, int]


class Begun:
    """`layers` and `joins` grow, `places` are the imported values so far by the names that they
    have in the result; `given` is how the input is held, in a model quantised already."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.shapes: dict[str, Map] = {
            name: (v.shape[0], v.shape[1], v.shape[2]) for name, v in graph.values.items()}
        self.layers: dict[str, FloatLayer] = {}
        self.joins: dict[str, Join] = {}
        self.places = {graph.input.name: INPUT}
        self.given: Quantisation | None = None
        self.quantised = any(isinstance(node.op, Quantise) for node in graph.nodes)

    def free(self, wanted: str) -> str:
        """A name that nothing has yet."""
        while wanted in self.layers or wanted in self.joins:
            wanted += "_"
        return wanted

    def add(self, name: str, source: str, weight: np.ndarray, bias: np.ndarray, in_shape: Map,
            shape: Map, *, stride: tuple[int, int] = (1, 1), padding: tuple[int, int] = (0, 0),
            dilation: tuple[int, int] = (1, 1), groups: int = 1,
            steps: np.ndarray | None = None, held: bool = False,
            pad_value: float = 0.0) -> str:
        """Begin a layer, whose output is held as what it reads if nothing new comes of it; return
        its name."""
        name = self.free(name)
        self.layers[name] = FloatLayer(
            name, np.array(weight, np.float32),
            np.array(bias, np.float32 if steps is None else np.float64), stride, padding, groups,
            in_shape, shape, shape, source=source, dilation=dilation, steps=steps,
            given=self.held(source) if held else None, pad_value=pad_value)
        return name

    def held(self, place: str) -> Quantisation | None:
        """How what is in a place is held, if it is, in one way."""
        if place == INPUT:
            return self.given
        parts = self.joins[place].sources if place in self.joins else (place,)
        found = {self.layers[part].given for part in parts}
        return found.pop() if len(found) == 1 else None

    def copy(self, name: str, source: str, shape: Map, *, scale: np.ndarray | float = 1.0,
             offset: np.ndarray | float = 0.0, to: Map | None = None,
             padding: tuple[int, int] = (0, 0), held: bool = False,
             pad_value: float = 0.0) -> str:
        """Begin a layer of each channel by itself."""
        channels = shape[0]
        return self.add(name, source, np.broadcast_to(scale, channels).reshape(-1, 1, 1, 1),
                        np.broadcast_to(offset, channels), shape, to or shape, padding=padding,
                        groups=channels, held=held, pad_value=pad_value)

    def open(self, value: str) -> FloatLayer | None:
        """The layer that gives a value, if nothing else reads it."""
        layer = self.layers.get(self.places[value])
        return layer if layer is not None and self.graph.uses(value) == 1 else None

    def summing(self, value: str) -> FloatLayer | None:
        """The layer that gives a value, if its sums can still be changed."""
        layer = self.open(value)
        free = layer is not None and (
            layer.low, layer.high, layer.function, layer.pool, layer.given,
            layer.factors) == (None,) * 6
        return layer if free else None

    def put(self, layer: FloatLayer) -> str:
        self.layers[layer.name] = layer
        return layer.name

    # -- the whole ------------------------------------------------------------------------------
    def finish(self) -> FloatGraph:
        """Return all of it as a graph, whose last layer gives the network's output, or the first of
        several."""
        if not self.layers:
            raise UnsupportedLayer(f"network {self.graph.name}: has no layer to run")
        outputs = self._end()
        layers = [replace(x, source=self._short(k, x)) for k, x in enumerate(self.layers.values())]
        read = {source for x in self.layers.values()
                for source in (x.source, x.factors, *(term.source for term in x.terms))}
        joins = tuple(join for join in self.joins.values() if join.name in read)
        result = FloatGraph(self.graph.name, tuple(layers), joins, self.given, outputs)
        result.check_edges()
        if self.quantised:
            check_given(result)
        return result

    def values(self) -> dict[str, str]:
        """Layer, join or `INPUT` -> the imported value that it gives."""
        return {place: value for value, place in self.places.items()
                if place not in self.layers
                or self.shapes[value] == self.layers[place].out_shape}

    def _short(self, k: int, layer: FloatLayer) -> str | None:
        """None for what a layer of a chain reads."""
        before = list(self.layers)[k - 1] if k else INPUT
        return None if layer.source == before else layer.source

    def _end(self) -> tuple[Output, ...]:
        """Let layers give what the network gives, the last one the first of it; return which, if
        there is more than one."""
        made = {output: self._given(output) for output in dict.fromkeys(self.graph.outputs)}
        first, *more = [made[output] for output in self.graph.outputs]
        read = {source for x in self.layers.values()
                for source in (x.source, *(term.source for term in x.terms))}
        if first in read or any(first in join.sources for join in self.joins.values()):
            node = self.graph.producer(self.graph.output)
            assert node is not None
            first = self.copy(node.name, first, self.shapes[self.graph.output], held=True)
        self.layers[first] = self.layers.pop(first)
        named = zip(self.graph.names, (first, *more), strict=True) if more else ()
        return tuple(Output(name, layer) for name, layer in named)

    def _given(self, output: str) -> str:
        """The layer that gives one of the network's values."""
        place = self.places[output]
        if place in self.layers:
            return place
        node = self.graph.producer(output)
        name = self.graph.name if node is None else node.name
        return self.copy(name, place, self.shapes[output], held=True)
