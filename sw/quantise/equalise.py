"""Channels of one value brought to like sizes before they share one step size.

A channel's sums are divided by a number and the weights of its readers are multiplied by it, which
changes nothing in real numbers: convolutions, ReLU and max pooling take a positive factor through.
The numbers are powers of two, so it is exact in floating point, too. Each is the root of the
channel's largest value over its readers' largest weight, so that neither's rounding suffers more;
or that value, where readers take each channel by itself, whose weights have steps of their own.

A clamp's upper end takes none through. Channels that stay below it on the images can be made as
large as it lets them, so that int8's end is theirs: beyond what they reach, and some more, they are
then clipped. That may gain or lose; `held_out.py` looks.

A function that takes no factor through has a table for each channel: its results are divided in
there, and what it takes, which is held as int8, too, is divided by what brings it to one size.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from sw.graph.edges import Term
from sw.graph.floating import FloatGraph, FloatLayer
from sw.reference.floating import run_float_layer

from .scaled import Factors
from .shown import Images, Shown
from .ties import is_copy

__all__ = ["channel_factors"]

_MOST = 20  # of the powers of two
_ALIKE = 3.0  # powers below which channels are alike: there is nothing to be gained
_LEAST = 1e-30
_VALUES = 1 << 17  # looked at together
_BEYOND = 1.25  # times what a clamped channel reaches that it may on other images
_SHARE = 1 / 16  # of what a sum could reach, that it is taken to reach


def channel_factors(graph: FloatGraph, images: Images, *, clamped: bool = False) -> Factors:
    """What channels are to be divided by, as they are on images [N, C, H, W]; of layers that may
    be, and with `clamped` of those with an upper end as well. Errors as of `quantise`."""
    peaks = {layer.name: np.zeros(layer.out_shape[0]) for layer in graph.layers}
    scaled = [layer for layer in graph.layers if _may_be_scaled(graph, layer)
              and (clamped or layer.high is None)]
    before = {layer.name: _Reach(layer) for layer in graph.layers
              if _may_be_scaled_before(graph, layer)}
    below = {layer.name: _Reach(layer) for layer in scaled if layer.high is not None}
    for _, outputs in Shown(graph, images).batches():
        for layer, (read, y) in zip(graph.layers, outputs, strict=True):
            _raise(peaks[layer.name], y)
            if layer.name in below:
                below[layer.name].add(read(), y)
            elif layer.name in before:
                own, *others = inputs = read()
                before[layer.name].add(inputs, run_float_layer(layer.sums, own, others=others))
    return Factors(
        {layer.name: _below_clamp(graph, layer, below[layer.name].found(_BEYOND))
         if layer.name in below else _factors(graph, layer, peaks[layer.name])
         for layer in scaled},
        {name: _evened(reach.powers()) for name, reach in before.items()})


class _Reach:
    """The largest values of a layer by channel, of its sums or its results, and of what its parts
    read."""

    def __init__(self, layer: FloatLayer):
        self._layer, self._parts = layer, (layer, *layer.terms)
        self._peaks = np.zeros(layer.out_shape[0])
        self._read = [0.0] * len(self._parts)

    def add(self, inputs: Sequence[torch.Tensor], values: torch.Tensor) -> None:
        """Take in what some images give its parts to read, and what it makes of that."""
        _raise(self._peaks, values)
        self._read = [max(most, float(x.abs().max()))
                      for most, x in zip(self._read, inputs, strict=True)]

    def found(self, beyond: float = 1.0) -> np.ndarray:
        """What each channel may reach, float64[out]: so many times what it did, or a share of what
        it could, as other images may show what these hardly do."""
        most = np.abs(self._layer.bias) + sum(
            read * np.abs(part.weight).reshape(len(part.weight), -1).sum(1)
            for read, part in zip(self._read, self._parts, strict=True))
        return np.maximum(beyond * self._peaks, _SHARE * most)

    def powers(self) -> np.ndarray:
        """Of two, of what each channel may reach; NaN where that is nothing."""
        found = self.found()
        return np.where(found > 0, np.log2(np.maximum(found, _LEAST)), np.nan)


def _raise(peaks: np.ndarray, y: torch.Tensor) -> None:
    """To the largest magnitudes by channel of what is seen [N, C, H, W]."""
    np.maximum(peaks, y.abs().amax((0, 2, 3)).numpy(), out=peaks)


def _may_be_scaled(graph: FloatGraph, layer: FloatLayer) -> bool:
    """Whether a layer's channels may be scaled: by its clamp, and by all who read it."""
    if layer.name in graph.ends or layer.low not in (None, 0) or (
            layer.high is not None and (layer.low != 0 or layer.function is not None)):
        return False
    if any(layer.name in join.sources for join in graph.joins):
        return False
    if layer.name in graph.recorded or layer.factors is not None:
        return False
    if any(graph.layers[k].name in graph.recorded for k in graph.readers(layer.name)):
        return False
    return not any(part.is_diagonal or part.pad_value for part in _readers(graph, layer))


def _may_be_scaled_before(graph: FloatGraph, layer: FloatLayer) -> bool:
    """Whether what a layer's function takes may be scaled by channel: not of a copy, which loses
    nothing as it is."""
    return (layer.function is not None and not layer.function.is_homogeneous
            and (layer.low, layer.high, layer.factors) == (None, None, None)
            and layer.name not in graph.recorded and not is_copy(layer.sums))


def _readers(graph: FloatGraph, layer: FloatLayer) -> Iterator[FloatLayer | Term]:
    """The convolutions that read a layer's output."""
    for k in graph.readers(layer.name):
        reader: FloatLayer = graph.layers[k]
        parts: list[FloatLayer | Term] = [reader, *reader.terms]
        yield from (part for part, value in zip(parts, graph.sources(k), strict=True)
                    if value == layer.name)


def _read_by(graph: FloatGraph, layer: FloatLayer) -> tuple[np.ndarray, bool]:
    """The largest weight, float64[out], that a layer's channels are read by, as `_by_input`, and
    whether readers take each channel by itself."""
    parts = list(_readers(graph, layer))
    return (np.maximum.reduce([_by_input(part) for part in parts]),
            all(part.weight.shape[1] == 1 for part in parts))


def _factors(graph: FloatGraph, layer: FloatLayer, peaks: np.ndarray) -> np.ndarray:
    """What each channel's sums are divided by: float32[out]."""
    weights, alone = _read_by(graph, layer)
    alive = (peaks > 0) & (weights > 0)
    powers = np.full(len(peaks), np.nan)
    powers[alive] = np.log2(peaks[alive] / weights[alive]) / (1 if alone else 2)
    return _evened(powers)


def _below_clamp(graph: FloatGraph, layer: FloatLayer, reach: np.ndarray) -> np.ndarray:
    """Likewise of a layer whose clamp ends at some height, by what its channels reach: by 1 at
    most, as they become no larger than that."""
    assert layer.high is not None
    weights, alone = _read_by(graph, layer)
    room = np.minimum(np.floor(np.log2(layer.high / np.clip(reach, _LEAST, layer.high))), _MOST)
    alive = (reach > 0) & (weights > 0)
    powers = np.log2(np.where(alive, reach / layer.high / np.where(alive, weights, 1), 1))
    return np.exp2(np.clip(np.round(powers / (1 if alone else 2)), -room, 0)).astype(np.float32)


def _evened(powers: np.ndarray) -> np.ndarray:
    """What brings channels of sizes 2^powers to one, NaN where they may have any: float32[out]."""
    alive = ~np.isnan(powers)
    if not alive.any():
        return np.ones(len(powers), np.float32)
    powers = np.where(alive, powers - np.median(powers[alive]), 0)
    if np.abs(powers).max() < _ALIKE:
        return np.ones(len(powers), np.float32)
    return np.exp2(np.clip(np.round(powers), -_MOST, _MOST)).astype(np.float32)


def _by_input(part: FloatLayer | Term) -> np.ndarray:
    """The largest weight of each input channel, as a share of the largest of its output."""
    out, per_group = part.weight.shape[:2]
    taps = part.weight.reshape(out, per_group, -1)
    rows = out if part.groups > 1 else max(1, _VALUES // per_group)
    return np.maximum.reduce([_shares(taps[k:k + rows], part.groups)
                              for k in range(0, out, rows)])


def _shares(taps: np.ndarray, groups: int) -> np.ndarray:
    """Likewise of some outputs, by their weights [out, in / groups, taps]."""
    size = np.maximum(taps.max(2), -taps.min(2)).astype(np.float64)
    largest = size.max(1, keepdims=True)
    shares = size / np.where(largest > 0, largest, 1)
    return shares.reshape(groups, -1, taps.shape[1]).max(1).reshape(-1)
