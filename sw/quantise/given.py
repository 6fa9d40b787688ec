"""Models that are quantised already: their scales, weights and biases as they are."""

from collections.abc import Sequence

import numpy as np

from sw.graph.floating import FloatGraph, FloatLayer
from sw.graph.integer import INPUT, IntegerGraph, Layer, Term
from sw.graph.quantisation import Quantisation

from .errors import QuantiseError
from .functions import with_table
from .requantise import alone, from_zero, meant, requantised
from .sums import Summed, sum_terms, taps

__all__ = ["quantise_given"]

_OFF = 1e-3  # of a step: what float32 makes of a whole number


def quantise_given(graph: FloatGraph) -> IntegerGraph:
    """Return a quantised model's integers; nothing is chosen here.

    Raises
    ------
    QuantiseError
        Naming the layer.
    """
    assert graph.given is not None
    held: dict[str, Quantisation] = {INPUT: graph.given}
    layers = []
    for k, layer in enumerate(graph.layers):
        assert layer.given is not None  # `sw.fuse` has seen to it
        sources = graph.sources(k)
        layers.append(_layer(layer, [held[graph.holder(value)] for value in sources], sources))
        held[layer.name] = layer.given
    result = IntegerGraph(graph.name, tuple(layers), graph.given.scale,
                          held[graph.output].scale, graph.joins, graph.given.zero_point,
                          held[graph.output].zero_point, held,
                          outputs=meant(graph.outputs, held))
    result.validate()
    return result


def _layer(layer: FloatLayer, held: Sequence[Quantisation], sources: Sequence[str]) -> Layer:
    to = layer.given
    assert to is not None
    scales = [x.scale for x in held]
    if layer.steps is not None:
        first, *more = _split(_whole(layer, layer.steps))
        summed = Summed(scales[0] * layer.steps, first, tuple(
            Term(sources[0], w, layer.stride, layer.padding, layer.groups, layer.in_shape,
                 layer.conv_shape, layer.dilation, layer.pad_value) for w in more))
    elif layer.terms:
        summed = sum_terms(layer, scales, (layer.before or to).scale, sources, fixed=True)
    else:
        summed = alone(layer, [(layer.weight, layer.bias)], scales[0])
    found = from_zero(requantised(layer, summed, layer.before or to), layer.pad_value, held[0],
                      dict(zip(sources, held, strict=True)), exactly=not layer.is_diagonal)
    if layer.function is None:
        return found
    assert layer.before is not None
    return with_table(found, layer.function, layer.before, to)


def _whole(layer: FloatLayer, steps: np.ndarray) -> np.ndarray:
    """The weights in their steps: the integers that were given."""
    exact = layer.weight / steps[:, None, None, None]
    whole = np.round(exact)
    if np.abs(exact - whole).max() > _OFF:
        raise QuantiseError(f"layer {layer.name}: its weights are no whole steps of their scale")
    return whole


def _split(whole: np.ndarray) -> list[np.ndarray]:
    """The integers as one int8, or as the sum of several where they are more than that holds: of
    uint8 less a zero point."""
    if whole.min() >= -128 and whole.max() <= 127:
        return [whole.astype(np.int8)]
    return [part.astype(np.int8) for part in taps(whole)]
