"""Weights rounded in turn, so that those after make up for what rounding one adds to the sums.

A layer's sums are off by (rounded - real weights) times its inputs, whose mean square is a form of
the inputs' second moments. One input's weights are rounded after another; what that changes is made
least by moving those that are not rounded yet, in closed form: optimal brain surgery, done column
by column with a Cholesky factor as in GPTQ (Frantar et al. 2022, arXiv 2210.17323). A weight of 0
stays 0, and steps stay as they are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from sw.graph.convolution import Convolution, weight_sums
from sw.graph.integer import IntegerGraph, Layer
from sw.graph.quantisation import Quantisation
from sw.reference.operators import padded

from .requantise import unit_of
from .shown import Shown

__all__ = ["round_in_turn"]

_STEPS = 127
#: Inputs of a channel beyond which its weights stay as they are: work grows with their square, and
#: that of a factorisation with their cube.
_MOST_INPUTS = 2304
#: Positions of a map that moments are taken at, of all images: this many, and of each input.
_POSITIONS, _POSITIONS_OF_INPUT = 4096, 4
#: Of moments at a time, and of a part's at most: its weights stay as they are beyond.
_BYTES, _MOST_BYTES = 128 << 20, 128 << 20
#: Moments of groups that are rounded at a time.
_AT_A_TIME = 1 << 22
#: The golden ratio: images' positions are shifted by its multiples, which spread evenly.
_GOLDEN = 0.6180339887498949
#: Of a moment's mean, added to each: what images do not show is not made use of.
_DAMPING = 0.01
#: Inputs that are rounded before those behind are moved.
_BLOCK = 128


@dataclass(frozen=True)
class _Part:
    """A convolution of layer `layer`: the `term`th of the float layer and the `whole`th of the
    integer one (0 is its own, k + 1 is term k), and what both are, with channels that are not
    divided."""

    layer: int
    term: int
    whole: int
    real: Convolution
    integer: Convolution

    @property
    def inputs(self) -> int:
        """Of one channel."""
        return self.real.weight[0].size

    @property
    def bytes(self) -> int:
        """Of its inputs' moments."""
        return self.real.groups * self.inputs ** 2 * 8


def round_in_turn(graph: IntegerGraph, shown: Shown) -> IntegerGraph:
    """Return the integers with weights that make each layer's sums on the images nearer to the
    float network's, `shown.graph`; a channel whose sums they do not is left as it is.

    Each layer is given what the float network gives it.
    """
    layers = list(graph.layers)
    for portion in _portions(_parts(graph, shown)):
        for part, moments in zip(portion, _moments(portion, shown), strict=True):
            held = _held(graph, part)
            steps = unit_of(graph, graph.layers[part.layer]) / held.scale
            layers[part.layer] = _with_weights(
                layers[part.layer], part,
                _rounded(part, _real(shown, part).weight, steps, moments), held.zero_point)
    return replace(graph, layers=tuple(layers))


def _held(graph: IntegerGraph, part: _Part) -> Quantisation:
    """How what a part reads is held."""
    source = graph.sources(part.layer)[part.whole]
    return graph.held[graph.holder(source)]


def _real(shown: Shown, part: _Part) -> Convolution:
    """A part as it is with its channels divided."""
    layer = shown.network.layer(part.layer)
    return (layer, *layer.terms)[part.term]


def _parts(graph: IntegerGraph, shown: Shown) -> Iterator[_Part]:
    """What is rounded: all but values that are added channel by channel, which are exact."""
    for k, (real, layer) in enumerate(zip(shown.graph.layers, graph.layers, strict=True)):
        if layer.factors is not None or layer.name in graph.recorded:
            continue
        theirs = [(n, x) for n, x in enumerate((real, *real.terms)) if not x.is_diagonal]
        ours = [(n, x) for n, x in enumerate((layer, *layer.terms)) if not x.is_diagonal]
        for (term, x), (whole, y) in zip(theirs, ours, strict=True):
            part = _Part(k, term, whole, x, y)
            if 1 < part.inputs <= _MOST_INPUTS and part.bytes <= _MOST_BYTES:
                yield part


def _portions(parts: Iterator[_Part]) -> Iterator[list[_Part]]:
    """Parts whose moments are held together: the images pass the network once for each portion."""
    portion: list[_Part] = []
    for part in parts:
        if portion and sum(x.bytes for x in portion) + part.bytes > _BYTES:
            yield portion
            portion = []
        portion.append(part)
    if portion:
        yield portion


def _moments(parts: Sequence[_Part], shown: Shown) -> list[torch.Tensor]:
    """Second moments of what each part's channels read, float64[groups, inputs, inputs]."""
    found = [torch.zeros(x.real.groups, x.inputs, x.inputs, dtype=torch.float64) for x in parts]
    of_layer: dict[int, list[int]] = {}
    for number, part in enumerate(parts):
        of_layer.setdefault(part.layer, []).append(number)
    done = 0
    for x, outputs in shown.batches():
        for k, (read, _) in enumerate(outputs):
            for number in of_layer.get(k, ()):
                part = parts[number]
                rows = _read(part.real, read()[part.term], shown.count, done)
                found[number] += rows.mT @ rows
        done += len(x)
    return found


def _read(part: Convolution, x: torch.Tensor, images: int, done: int) -> torch.Tensor:
    """What a channel reads at some positions of each map [N, C, H, W], those from number `done` of
    so many images, spread evenly and other ones in each: float32[groups, positions, inputs]."""
    _, height, width = part.conv_shape
    inputs, pixels = part.weight[0].size, height * width
    wanted = min(-(-max(_POSITIONS, _POSITIONS_OF_INPUT * inputs) // images), pixels)
    shift = (torch.arange(done, done + len(x), dtype=torch.float64) * _GOLDEN) % 1
    at = ((torch.arange(wanted) + shift[:, None]) * (pixels / wanted)).long().clamp(max=pixels - 1)
    found = x.new_empty(len(x), wanted, x.shape[1], inputs // part.weight.shape[1])
    for some, *seen in zip(found, x, at // width, at % width, strict=True):
        some.copy_(_at(part, *seen))
    split = found.reshape(len(x) * wanted, part.groups, inputs)
    return split.permute(1, 0, 2)


def _at(part: Convolution, x: torch.Tensor, row: torch.Tensor,
        column: torch.Tensor) -> torch.Tensor:
    """What it reads of one map [C, H, W] at some positions: [positions, C, taps]."""
    x = padded(part, x[None])[0]
    y, z = row * part.stride[0], column * part.stride[1]
    return torch.stack([x[:, y + down * part.dilation[0], z + right * part.dilation[1]].T
                        for down in range(part.kernel[0]) for right in range(part.kernel[1])], 2)


def _rounded(part: _Part, weight: np.ndarray, steps: np.ndarray,
             moments: torch.Tensor) -> np.ndarray:
    """The part's weights in whole steps float64[out], int8, by moments of what it reads."""
    nearest = torch.from_numpy(part.integer.weight).double()
    alive = torch.from_numpy(steps > 0)
    real = torch.from_numpy(weight).double() / torch.from_numpy(
        np.where(steps > 0, steps, 1.0)).reshape(-1, 1, 1, 1)
    real, nearest = (x.reshape(part.real.groups, -1, part.inputs) for x in (real, nearest))
    pieces = [_better(*some) for some in zip(
        *(x.split(max(1, _AT_A_TIME // part.inputs ** 2)) for x in (real, nearest, moments)),
        strict=True)]
    found = torch.where(alive.reshape(real.shape[:2])[..., None], torch.cat(pieces), nearest)
    return found.reshape(weight.shape).numpy().astype(np.int8)


def _better(real: torch.Tensor, nearest: torch.Tensor, moments: torch.Tensor) -> torch.Tensor:
    """Weights [groups, out, inputs] rounded in turn, or to the nearest where these are no
    better."""
    moments = _damped(moments)
    found = _in_turn(real, moments)

    def error(whole: torch.Tensor) -> torch.Tensor:
        off = whole - real
        return ((off @ moments) * off).sum(2)

    # sums stay as small as `weight_steps` reckons with
    small = found.abs().sum(2) <= real.abs().sum(2) + real.shape[2] / 2
    return torch.where(((error(found) < error(nearest)) & small)[..., None], found, nearest)


def _damped(moments: torch.Tensor) -> torch.Tensor:
    mean = moments.diagonal(dim1=1, dim2=2).mean(1)
    extra = torch.where(mean > 0, _DAMPING * mean, 1.0)
    return moments + extra[:, None, None] * torch.eye(moments.shape[1], dtype=moments.dtype)


def _in_turn(real: torch.Tensor, moments: torch.Tensor) -> torch.Tensor:
    """Whole numbers near `real` [groups, out, inputs], those of the largest moments first."""
    order = moments.diagonal(dim1=1, dim2=2).argsort(1, descending=True)
    moments = moments.gather(1, order[:, :, None].expand_as(moments)).gather(
        2, order[:, None, :].expand_as(moments))
    columns = order[:, None, :].expand_as(real)
    left = real.gather(2, columns)
    zero = left == 0
    factor = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(moments)),
                                   upper=True)
    whole = torch.zeros_like(left)
    for start in range(0, left.shape[2], _BLOCK):
        end = min(start + _BLOCK, left.shape[2])
        off = torch.zeros_like(left[:, :, start:end])
        for j in range(start, end):
            near = left[:, :, j].round().clamp(-_STEPS, _STEPS)
            whole[:, :, j] = torch.where(zero[:, :, j], 0.0, near)
            off[:, :, j - start] = (left[:, :, j] - whole[:, :, j]) / factor[:, j, j][:, None]
            left[:, :, j + 1:end] -= (off[:, :, j - start, None]
                                      * factor[:, None, j, j + 1:end])
        left[:, :, end:] -= off @ factor[:, start:end, end:]
    return torch.zeros_like(whole).scatter(2, columns, whole)


def _with_weights(layer: Layer, part: _Part, weight: np.ndarray, zero: int) -> Layer:
    """The layer with a part's weights; what its inputs' zero point adds stays in the bias."""
    fewer = weight_sums(part.integer.weight) - weight_sums(weight)
    bias = (layer.bias + zero * fewer).astype(np.int32)
    if part.whole == 0:
        return replace(layer, weight=weight, bias=bias)
    terms = list(layer.terms)
    terms[part.whole - 1] = replace(terms[part.whole - 1], weight=weight)
    return replace(layer, terms=tuple(terms), bias=bias)
