"""A network whose channels are divided by powers of two, layer by layer: the same function, but
that channels below a clamp's upper end are clipped where they grow beyond it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from sw.graph.edges import Term
from sw.graph.floating import FloatGraph, FloatLayer
from sw.graph.function import Function, X, function

__all__ = ["Factors", "Scaled"]

_PIECE_BYTES = 4 << 20  # of weights: a layer may have half a gigabyte


@dataclass(frozen=True, eq=False)
class Factors:
    """What is divided by what, by layer and channel, float32[out] each: `outputs`, and what
    functions take (`taken`)."""

    outputs: Mapping[str, np.ndarray] = field(default_factory=dict)
    taken: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Scaled:
    """A network, and what its layers' channels are divided by.

    Layers are made when they are asked for, and not kept: all of them together would be the
    network a second time.
    """

    graph: FloatGraph
    factors: Factors = field(default_factory=Factors)

    def whole(self) -> FloatGraph:
        """All layers at once."""
        return self.graph.with_layers([self.layer(k) for k in range(len(self.graph.layers))])

    def layer(self, k: int) -> FloatLayer:
        """Layer k, divided."""
        layer, sources = self.outline(k), self.graph.sources(k)
        return replace(
            layer, weight=self._weight(k, layer, sources[0]),
            terms=tuple(replace(term, weight=self._weight(k, term, source))
                        for term, source in zip(layer.terms, sources[1:], strict=True)))

    def outline(self, k: int) -> FloatLayer:
        """Layer k, divided, but for its weights, which are not."""
        layer, by = self.graph.layers[k], self._sums_by(k)
        return replace(layer, function=self._function(layer),
                       bias=layer.bias if by is None else (layer.bias / by).astype(np.float32))

    def pieces(self, k: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Weights and biases of layer k without its terms, of some output channels at a time."""
        layer, source = self.outline(k), self.graph.source(k)
        count = max(1, _PIECE_BYTES // layer.weight[0].nbytes)
        for start in range(0, len(layer.bias), count):
            rows = slice(start, start + count)
            yield self._weight(k, layer, source, rows), layer.bias[rows]

    def value(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """A value [N, C, H, W] of the graph as it is when divided: to the bit what divided layers
        give where none grows beyond a clamp, as floating point divides by powers of two
        exactly."""
        by = _unless_ones(self.factors.outputs.get(name))
        return x if by is None else x / torch.from_numpy(by)[:, None, None]

    def _weight(self, k: int, part: FloatLayer | Term, source: str,
                rows: slice = slice(None)) -> np.ndarray:
        """Some rows of the weights of layer k or of its term, which reads `source`."""
        weight: np.ndarray = part.weight[rows]
        read, by = _unless_ones(self.factors.outputs.get(source)), self._sums_by(k)
        if read is not None:
            out, per_group = part.weight.shape[:2]
            group = np.arange(out)[rows] // (out // part.groups)
            weight = weight * read.reshape(part.groups, per_group)[group, :, None, None]
        if by is not None:  # in place of a copy, if it is one
            weight = np.divide(weight, by[rows, None, None, None],
                               out=None if read is None else weight).astype(np.float32, copy=False)
        return weight

    def _sums_by(self, k: int) -> np.ndarray | None:
        """What the sums of layer k are divided by."""
        layer = self.graph.layers[k]
        of = self.factors.outputs if layer.function is None or layer.function.is_homogeneous \
            else self.factors.taken
        return _unless_ones(of.get(layer.name))

    def _function(self, layer: FloatLayer) -> Function | None:
        """Of a layer's sums as they are divided, and its results divided as well."""
        found: Function | None = layer.function
        if found is None or found.is_homogeneous:
            return found
        by, taken = (_unless_ones(of.get(layer.name))
                     for of in (self.factors.outputs, self.factors.taken))
        if by is not None:
            found = function("affine", found, numbers=(1 / by, 0.0))
        return found if taken is None else found.after(function("affine", X, numbers=(taken, 0.0)))


def _unless_ones(factors: np.ndarray | None) -> np.ndarray | None:
    return None if factors is None or (factors == 1).all() else factors
