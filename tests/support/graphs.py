"""Random integer graphs: sums of terms, joins and several readers."""

from dataclasses import replace
from typing import Any

import numpy as np

from sw.graph.integer import INPUT, IntegerGraph, Join, Layer, Term

from .programs import random_layer

__all__ = ["random_integer_graph"]

_Shape = tuple[int, int, int]


def random_integer_graph(seed: int, *, layers: int = 8, size: int = 8) -> IntegerGraph:
    """A graph of random layers on maps of one size and of its half; every value is read."""
    return _Draw(seed, layers, size).graph()


class _Draw:
    """Layers as they are drawn: `shapes` of the values so far, `unread` ones among them."""

    def __init__(self, seed: int, layers: int, size: int):
        self.rng = np.random.default_rng(seed)
        self.count = layers
        self.shapes: dict[str, _Shape] = {INPUT: (int(self.rng.integers(1, 6)), size, size)}
        self.unread = [INPUT]
        self.layers: list[Layer] = []
        self.joins: list[Join] = []

    def graph(self) -> IntegerGraph:
        while len(self.layers) < self.count:
            self._layer(self._source())
        self._last()
        return IntegerGraph("random", tuple(self.layers), 1.0, 1.0, tuple(self.joins))

    def _source(self) -> str:
        """A value to read: unread ones more often, a join of all of a size now and then."""
        if self.rng.integers(3) == 0:
            return self._join(list(self.shapes)[int(self.rng.integers(len(self.shapes)))])
        choices = self.unread if self.unread and self.rng.integers(3) else list(self.shapes)
        return choices[int(self.rng.integers(len(choices)))]

    def _join(self, like: str) -> str:
        size = self.shapes[like][1:]
        parts = [v for v in self.shapes if self.shapes[v][1:] == size and v != INPUT]
        if len(parts) < 2:
            return like
        parts = self.rng.permutation(parts)[:int(self.rng.integers(2, 5))].tolist()
        join = Join(f"join{len(self.joins)}", tuple(parts))
        self.joins.append(join)
        return join.name

    def _shape(self, value: str) -> _Shape:
        for join in self.joins:
            if join.name == value:
                shapes = [self.shapes[part] for part in join.sources]
                return sum(x[0] for x in shapes), *shapes[0][1:]
        return self.shapes[value]

    def _layer(self, source: str) -> None:
        rng, shape = self.rng, self._shape(source)
        channels, size = shape[0], shape[1]
        kernel = int(rng.choice([1, 3]))
        depthwise = rng.integers(4) == 0
        out = channels if depthwise else int(rng.integers(1, 12))
        stride = 2 if size % 2 == 0 and size > 4 and rng.integers(4) == 0 else 1
        pool = 2 if stride == 1 and size % 2 == 0 and size > 4 and rng.integers(5) == 0 else 1
        layer = random_layer(rng, f"layer{len(self.layers)}", shape, out, kernel, stride=stride,
                             pad=kernel // 2, groups=channels if depthwise else 1, pool=pool,
                             low=int(rng.choice([0, -128])))
        if kernel > 1:
            layer = replace(layer, **self._window(kernel))
        offset = int(rng.choice([0, 0, -128, 9]))
        self._append(replace(layer, source=source, terms=self._terms(layer), offset=offset))

    def _window(self, kernel: int) -> dict[str, Any]:
        """Dilation that keeps a map's size, and what padding reads as."""
        by = (int(self.rng.choice([1, 1, 2, 5])), int(self.rng.choice([1, 1, 3])))
        return {"dilation": by, "padding": tuple(kernel // 2 * d for d in by),
                "pad_value": int(self.rng.choice([0, 0, -128, 7]))}

    def _terms(self, layer: Layer) -> tuple[Term, ...]:
        """Of values from which one step leads to the layer's size: equal ones, or of twice it."""
        terms: list[Term] = []
        for value, shape in list(self.shapes.items()):
            stride = shape[1] / layer.conv_shape[1]
            if stride not in (1, 2) or len(terms) > 1 or self.rng.integers(4):
                continue
            diagonal = shape[0] == layer.conv_shape[0] and self.rng.integers(2)
            kernel = 1 if diagonal else int(self.rng.choice([1, 3]))
            weight = self.rng.integers(-127, 128, (layer.conv_shape[0], 1 if diagonal else shape[0],
                                                   kernel, kernel), dtype=np.int8)
            terms.append(Term(value, weight, (int(stride),) * 2, (kernel // 2, kernel // 2),
                              shape[0] if diagonal else 1, shape, layer.conv_shape))
            if kernel > 1:
                terms[-1] = replace(terms[-1], **self._window(kernel))
        return tuple(terms)

    def _append(self, layer: Layer) -> None:
        parts = {j.name: j.sources for j in self.joins}
        assert layer.source is not None
        sources = [layer.source, *(term.source for term in layer.terms)]
        read = {part for s in sources for part in parts.get(s, (s,))}
        self.unread = [v for v in self.unread if v not in read] + [layer.name]
        self.shapes[layer.name] = layer.out_shape
        self.layers.append(layer)

    def _last(self) -> None:
        """A layer that reads what nobody has read, by its terms."""
        if len(self.unread) == 1:
            return
        first, *others = self.unread
        shape = self.shapes[first]
        layer = random_layer(self.rng, "last", shape, 5, shape[1])
        terms = []
        for value in others:
            theirs = self.shapes[value]
            weight = self.rng.integers(-127, 128, (5, *theirs), dtype=np.int8)
            terms.append(Term(value, weight, (1, 1), (0, 0), 1, theirs, layer.conv_shape))
        self._append(replace(layer, source=first, terms=tuple(terms)))
