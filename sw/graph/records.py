"""Requantisation parameters that a network computes: a layer's factors as the bytes of its stream.

A layer that multiplies its sums by a value of [C, 1, 1] (squeeze and excite) names another one as
its `factors`, which gives [8 C, 1, 1]: for each channel the 8 bytes that requantise it, as they lie
in the weight stream.

    byte 0..3   bias, int32, little-endian
    byte 4..5   mult, uint16: the factor
    byte 6      shift
    byte 7      0
"""

from typing import Any, NamedTuple

import numpy as np

__all__ = ["FACTOR", "RECORD", "Parameters", "at_rest", "parameters_in", "records_of",
           "wrong_records"]

#: Bytes of a channel's record, and which of them the factor is, as a number of 0 to 127.
RECORD, FACTOR = 8, 4
_SHIFT = 6


class Parameters(NamedTuple):
    """What requantises each channel: int32[C], uint16[C], uint8[C]."""

    bias: np.ndarray
    mult: np.ndarray
    shift: np.ndarray


def parameters_in(value: np.ndarray) -> Parameters:
    """Return what the bytes int8[8 C, 1, 1] of a value mean."""
    records = np.ascontiguousarray(value, np.int8).reshape(-1, RECORD)
    return Parameters(records[:, :FACTOR].copy().view("<i4")[:, 0],
                      records[:, FACTOR:_SHIFT].copy().view("<u2")[:, 0],
                      records[:, _SHIFT].view(np.uint8))


def records_of(bias: np.ndarray, factor: int, shift: np.ndarray | int) -> np.ndarray:
    """Return the bytes int32[8 C] of channels with a bias, a shift and a `factor` below 128: what a
    layer adds to the factors that it copies."""
    found = np.zeros((len(bias), RECORD), np.int32)
    found[:, :FACTOR] = bias.astype("<i4").view(np.int8).reshape(-1, FACTOR)
    found[:, FACTOR], found[:, _SHIFT] = factor, shift
    return found.reshape(-1)


def at_rest(layer: Any) -> np.ndarray:
    """Return the outputs int8[out] of an integer layer whose products are all zero."""
    shift = layer.shift.astype(np.int64)
    half = np.where(shift > 0, 1 << np.maximum(shift - 1, 0), 0)
    rounded = (layer.bias.astype(np.int64) * layer.mult + half) >> shift
    return np.clip(rounded + layer.offset, layer.low, layer.high).astype(np.int8)


def wrong_records(layer: Any) -> str | None:
    """Why an integer layer cannot give another's factors, or None."""
    fixed = ~layer.weight.reshape(-1, RECORD, layer.weight[0].size).any(2)
    fixed[:, FACTOR:_SHIFT] = True
    if not fixed.all() or layer.terms or layer.table is not None or layer.pool is not None \
            or layer.factors is not None:
        return "of which nothing but mult may depend on its input"
    if (most := int(parameters_in(at_rest(layer)).shift.max())) > 47:
        return f"which shift by {most}; it must be at most 47"
    return None
