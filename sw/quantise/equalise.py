"""Channels of one value brought to like sizes before they share one step size.

A channel's sums are divided by a number and the weights of its readers are multiplied by it, which
changes nothing in real numbers: convolutions, ReLU and max pooling take a positive factor through.
The numbers are powers of two, so it is exact in floating point, too. Each is the root of the
channel's largest value over its readers' largest weight, so that neither's rounding suffers more;
or that value, where readers take each channel by itself, whose weights have steps of their own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from sw.graph.edges import Term
from sw.graph.floating import FloatGraph, FloatLayer

from .shown import Images, Shown

__all__ = ["channel_factors", "equal_channels"]

_MOST = 20  # of the powers of two
_ALIKE = 3.0  # powers below which channels are alike: there is nothing to be gained
_Part = TypeVar("_Part", FloatLayer, Term)


def channel_factors(graph: FloatGraph, images: Images) -> dict[str, np.ndarray]:
    """What each layer's channels are to be divided by, float32[out], as they are on images
    [N, C, H, W]; of layers that may be. Errors as of `quantise`."""
    peaks = {layer.name: np.zeros(layer.out_shape[0]) for layer in graph.layers}
    for _, outputs in Shown(graph, images).batches():
        for layer, (_, y) in zip(graph.layers, outputs, strict=True):
            peaks[layer.name] = np.maximum(peaks[layer.name], y.abs().amax((0, 2, 3)).numpy())
    return {layer.name: _factors(graph, layer, peaks[layer.name]) for layer in graph.layers
            if _may_be_scaled(graph, layer)}


def equal_channels(graph: FloatGraph, factors: dict[str, np.ndarray]) -> FloatGraph:
    """Return the graph whose layers' channels are divided by factors, the same function."""
    layers = []
    for k, layer in enumerate(graph.layers):
        by = factors.get(layer.name)
        sources = graph.sources(k)
        parts: Sequence[Term] = [_read(term, factors.get(value))
                                 for term, value in zip(layer.terms, sources[1:], strict=True)]
        layer = replace(_read(layer, factors.get(sources[0])), terms=tuple(parts))
        layers.append(layer if by is None else replace(
            layer, weight=_divided(layer.weight, by), bias=(layer.bias / by).astype(np.float32),
            terms=tuple(replace(t, weight=_divided(t.weight, by)) for t in layer.terms)))
    return graph.with_layers(layers)


def _may_be_scaled(graph: FloatGraph, layer: FloatLayer) -> bool:
    """Whether a layer's channels may be scaled: by its clamp, and by all who read it."""
    if layer.name in graph.ends or layer.low not in (None, 0) or layer.high is not None:
        return False
    if layer.function is not None and not layer.function.is_homogeneous:
        return False
    if any(layer.name in join.sources for join in graph.joins):
        return False
    if layer.name in graph.recorded or layer.factors is not None:
        return False
    if any(graph.layers[k].name in graph.recorded for k in graph.readers(layer.name)):
        return False
    return not any(part.is_diagonal or part.pad_value for part in _readers(graph, layer))


def _readers(graph: FloatGraph, layer: FloatLayer) -> Iterator[FloatLayer | Term]:
    """The convolutions that read a layer's output."""
    for k in graph.readers(layer.name):
        reader: FloatLayer = graph.layers[k]
        parts: list[FloatLayer | Term] = [reader, *reader.terms]
        yield from (part for part, value in zip(parts, graph.sources(k), strict=True)
                    if value == layer.name)


def _factors(graph: FloatGraph, layer: FloatLayer, peaks: np.ndarray) -> np.ndarray:
    """What each channel's sums are divided by: float32[out]."""
    parts = list(_readers(graph, layer))
    weights = np.maximum.reduce([_by_input(part) for part in parts])
    alone = all(part.weight.shape[1] == 1 for part in parts)
    alive = (peaks > 0) & (weights > 0)
    powers = np.zeros(len(peaks))
    powers[alive] = np.log2(peaks[alive] / weights[alive]) / (1 if alone else 2)
    if alive.any():
        powers[alive] -= np.median(powers[alive])
    if np.abs(powers).max(initial=0) < _ALIKE:
        return np.ones(len(peaks), np.float32)
    return np.exp2(np.clip(np.round(powers), -_MOST, _MOST)).astype(np.float32)


def _by_input(part: FloatLayer | Term) -> np.ndarray:
    """The largest weight of each input channel, as a share of the largest of its output."""
    out, per_group = part.weight.shape[:2]
    size = np.abs(part.weight).reshape(out, per_group, -1).max(2).astype(np.float64)
    largest = size.max(1, keepdims=True)
    shares = size / np.where(largest > 0, largest, 1)
    return shares.reshape(part.groups, out // part.groups, per_group).max(1).reshape(-1)


def _read(part: _Part, factors: np.ndarray | None) -> _Part:
    """A convolution of a value whose channels have been divided."""
    if factors is None:
        return part
    out, per_group = part.weight.shape[:2]
    column = np.repeat(factors.reshape(part.groups, per_group), out // part.groups, axis=0)
    return replace(part, weight=part.weight * column[:, :, None, None])


def _divided(weight: np.ndarray, by: np.ndarray) -> np.ndarray:
    return (weight / by[:, None, None, None]).astype(np.float32)
