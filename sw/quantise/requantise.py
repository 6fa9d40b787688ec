"""A layer's integers, and the multiplier and shift that make int8 of its sums."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from sw.graph.convolution import weight_sums
from sw.graph.edges import Output
from sw.graph.floating import FloatLayer
from sw.graph.integer import IntegerGraph, Layer
from sw.graph.quantisation import Quantisation

from .errors import QuantiseError
from .scales import round_weights, weight_steps
from .sums import Summed

__all__ = ["alone", "clamp", "from_zero", "meant", "multiplier", "requantised",
           "unit_of"]


def multiplier(real: float) -> tuple[int, int]:
    """Return (mult, shift) with mult / 2^shift nearest to a real number, mult below 2^16.

    Raises
    ------
    ValueError
        If the number is 65536 or more, or negative.
    """
    if not 0 <= real < 65535.5:
        raise ValueError(f"a requantisation factor of {real:g} is not from 0 to 65535")
    if real == 0:
        return 0, 0
    _mantissa, exponent = np.frexp(real)
    shift = 16 - int(exponent)
    if shift < 0:
        return round(real), 0
    shift = min(shift, 47)
    mult = round(real * (1 << shift))
    if mult == 1 << 16:
        mult, shift = mult >> 1, shift - 1
    return mult, shift


def clamp(layer: FloatLayer, to: Quantisation) -> tuple[int, int]:
    """A layer's clamp in integers of its output."""
    low, high = (default if limit is None else to.nearest(limit)
                 for limit, default in ((layer.low, to.low), (layer.high, to.high)))
    return low, high


def requantised(layer: FloatLayer, summed: Summed, to: Quantisation) -> Layer:
    """A layer of its integers' sums, requantised to how its output is held."""
    try:
        pairs = [multiplier(unit / to.scale) for unit in summed.unit.tolist()]
    except ValueError as error:
        raise QuantiseError(f"layer {layer.name}: {error}: its outputs on the calibration images "
                            "are too small for its weights; give images like those that the "
                            "network will run on") from None
    whole = np.round(layer.bias.astype(np.float64) / summed.unit).astype(np.int32)
    low, high = clamp(layer, to)
    return Layer(
        layer.name, summed.weight, whole,
        np.array([p[0] for p in pairs], np.uint16), np.array([p[1] for p in pairs], np.uint8),
        low, high, layer.stride, layer.padding, layer.groups, layer.in_shape, layer.conv_shape,
        layer.out_shape, layer.pool, layer.pruned, layer.dense_macs, source=layer.source,
        terms=summed.terms, dilation=layer.dilation, offset=to.zero_point)


def from_zero(layer: Layer, pad: float, own: Quantisation, read: Mapping[str, Quantisation], *,
              exactly: bool = False) -> Layer:
    """The layer, reading values whose zero points are others: what they add to the sums goes into
    the bias, and padding reads as integers of theirs.

    Parameters
    ----------
    layer : whose terms' padding is in real numbers still
    pad : what its own convolution's padding reads as, likewise
    own : how what that reads is held
    read : how what its terms read is held, by name
    exactly : whether what padding reads as must be a whole number of steps
    """
    def whole(real: float, held: Quantisation) -> int:
        near = held.nearest(real)
        if not held.limits[0] - held.scale / 2 <= real <= held.limits[1] + held.scale / 2 or (
                exactly and not held.holds(real)):
            nearest = (near - held.zero_point) * held.scale
            raise QuantiseError(f"layer {layer.name}: pads with {real:g}, which no int8 of its "
                                f"input means; the nearest that one does is {nearest:g}")
        return near

    terms = tuple(replace(term, pad_value=whole(term.pad_value, read[term.source]))
                  for term in layer.terms)
    bias = layer.bias.astype(np.int64)
    for part, held in ((layer, own), *((term, read[term.source]) for term in terms)):
        bias = bias - held.zero_point * weight_sums(part.weight)
    if np.abs(bias).max(initial=0) >= 1 << 31:
        raise QuantiseError(f"layer {layer.name}: its bias with the zero points of its inputs is "
                            "no int32; quantise activations symmetrically")
    return replace(layer, bias=bias.astype(np.int32), pad_value=whole(pad, own), terms=terms)


def meant(outputs: Sequence[Output], held: Mapping[str, Quantisation]) -> tuple[Output, ...]:
    """A network's outputs with what their integers mean."""
    return tuple(replace(x, scale=held[x.layer].scale, zero_point=held[x.layer].zero_point)
                 for x in outputs)


def alone(layer: FloatLayer, pieces: Iterable[tuple[np.ndarray, np.ndarray]],
          in_scale: float) -> Summed:
    """The integers of a layer without terms, by its weights and biases, some output channels at a
    time: a layer may have 10^8 weights."""
    whole, done = np.empty(layer.weight.shape, np.int8), 0
    steps = []
    for weight, bias in pieces:
        real = torch.from_numpy(weight)
        steps.append(weight_steps(real, torch.from_numpy(bias), in_scale))
        whole[done:done + len(bias)] = round_weights(real, steps[-1]).numpy()
        done += len(bias)
    return Summed(in_scale * torch.cat(steps).numpy(), whole, ())


def unit_of(graph: IntegerGraph, layer: Layer) -> np.ndarray:
    """The real value of one step of each of a layer's sums, float64[out]; 0 where its channel
    gives its bias alone."""
    held = graph.taken.get(layer.name, graph.held[layer.name])
    return layer.mult * np.exp2(-layer.shift.astype(np.float64)) * held.scale
