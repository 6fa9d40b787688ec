"""A multiplication by a value of the network: factors of 0 to 127, and what else requantises.

    y = clamp(((x - zero) * weight * factor + 2^(shift - 1) >> shift) + offset)

weight / 2^shift is what one step of x times one of the factors is in steps of y, to 7 bits.
"""

import math

import numpy as np

from sw.graph.floating import FloatLayer
from sw.graph.integer import Layer
from sw.graph.quantisation import Quantisation
from sw.graph.records import records_of

from .errors import QuantiseError
from .requantise import clamp

__all__ = ["multiplying", "recording", "require_factors"]

_MOST, _MOST_SHIFT = 127, 47
#: A multiplier of 1: mult / 2^shift.
_ONE = 1 << 14, 14


def _weights(layer: FloatLayer, x: Quantisation, by: Quantisation, to: Quantisation,
             ) -> tuple[np.ndarray, np.ndarray]:
    """Weight and shift of each channel: int64[out] each."""
    weights, shifts = [], []
    for factor in (layer.weight[:, 0, 0, 0].astype(np.float64)
                   * x.scale * by.scale / to.scale).tolist():
        shift = min(_MOST_SHIFT, math.floor(math.log2(_MOST / factor))) if factor else 0
        if shift < 0:
            raise QuantiseError(f"layer {layer.name}: its outputs on the calibration images are "
                                "too small for what it multiplies; give images like those that "
                                "the network will run on")
        weights.append(round(factor * (1 << shift)))
        shifts.append(shift)
    return np.array(weights), np.array(shifts)


def require_factors(layer: Layer, reader: str) -> None:
    """Raise QuantiseError where an integer layer may give what is below 0."""
    least = layer.low if layer.table is None else int(layer.table.min())
    if least < 0:
        raise QuantiseError(f"layer {reader}: multiplies by what {layer.name} gives, which is held "
                            f"as {least} steps at least; factors must be 0 or more")


def multiplying(layer: FloatLayer, x: Quantisation, by: Quantisation, to: Quantisation) -> Layer:
    """The integers of a layer with factors.

    Parameters
    ----------
    layer : FloatLayer
    x, by : how what it reads and its factors are held
    to : how its output is, or what its function takes
    """
    weights, _ = _weights(layer, x, by, to)
    none = np.zeros(len(weights), np.int32)
    low, high = clamp(layer, to)
    return Layer(
        layer.name, weights.astype(np.int8).reshape(-1, 1, 1, 1), none, none.astype(np.uint16),
        none.astype(np.uint8), low, high, layer.stride, layer.padding, layer.groups,
        layer.in_shape, layer.conv_shape, layer.out_shape, layer.pool, layer.pruned,
        layer.dense_macs, source=layer.source, dilation=layer.dilation, offset=to.zero_point,
        pad_value=x.zero_point, factors=layer.factors)


def recording(layer: FloatLayer, multiplied: FloatLayer, x: Quantisation, by: Quantisation,
              to: Quantisation) -> Layer:
    """The integers of the layer that gives another's factors; parameters as of `multiplying`, of
    which that other is the layer."""
    weights, shifts = _weights(multiplied, x, by, to)
    constants = records_of(-x.zero_point * weights, -by.zero_point, shifts)
    flat = len(constants)
    return Layer(
        layer.name, layer.weight.astype(np.int8), constants,
        np.full(flat, _ONE[0], np.uint16), np.full(flat, _ONE[1], np.uint8), -128, 127,
        layer.stride, layer.padding, layer.groups, layer.in_shape, layer.conv_shape,
        layer.out_shape, source=layer.source)
