"""Layers of several terms: one unit for their accumulators, and the terms' integers in it.

A value that is added channel by channel is a term of weight k = its step / the accumulator's unit.
The unit is the layer's own to choose, one for each channel, so it is chosen such that k is whole:
the sum is then exact, and the weights' steps are at most 1 / k coarser than int8 alone would have
them. Where k is more than int8 holds, it is spread over several taps, which are summed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sw.graph.convolution import Convolution
from sw.graph.edges import Term
from sw.graph.floating import FloatLayer

from .errors import QuantiseError
from .scales import round_weights, weight_steps

__all__ = ["Summed", "ratio", "sum_terms", "taps"]

_MOST = 127
_MOST_TAPS = 8
#: Noise that fewer taps may add, as a share of what there is.
_NOISE = 0.05
#: Mean square of an input, in steps, where only its step is known.
_USUAL_SQUARE = 400.0
#: Relative error of a ratio that counts as none.
_EXACT = 1e-9
#: Relative error of a ratio that no more taps are spent on, where step sizes cannot be moved.
_CLOSE = 3e-6


@dataclass(frozen=True, eq=False)
class Summed:
    """A layer's integers: `unit` float64[out], the real value of one step of its accumulators,
    `weight` int8 of its own convolution, and its `terms`."""

    unit: np.ndarray
    weight: np.ndarray
    terms: tuple[Term, ...]


def ratio(a: float, b: float, most: int = _MOST) -> tuple[int, int]:
    """Return p and q up to int8's largest, or `most`, with p / q nearest to a / b, the smallest
    such; each at least 1."""
    p = np.arange(1, most + 1)
    q = np.clip(np.round(p * (b / a)), 1, most)
    error = np.abs(np.log(q * a / (p * b)))
    best = int(np.flatnonzero(error <= error.min() + _EXACT)[0])
    return int(p[best]), int(q[best])


def sum_terms(layer: FloatLayer, in_scales: Sequence[float], out_scale: float,
              sources: Sequence[str], *, fixed: bool = False) -> Summed:
    """Choose the unit and the integers of a layer with terms.

    Parameters
    ----------
    layer : FloatLayer
    in_scales : step sizes of what its own convolution and each term reads
    out_scale : step size of its output
    sources : names of what they read
    fixed : the step sizes are not such that two values' factors are in a ratio of int8
    """
    parts: list[Convolution] = [layer, *layer.terms]
    added = [k for k, part in enumerate(parts) if part.is_diagonal]
    if len(added) == len(parts):
        factors = [part.weight[:, 0, 0, 0].astype(np.float64) * scale
                   for part, scale in zip(parts, in_scales, strict=True)]
        try:
            unit = _common_unit(factors, _MOST_TAPS if fixed else 1)
        except ValueError as error:
            raise QuantiseError(f"layer {layer.name}: {error}; quantise both in steps of like "
                                "size") from None
    else:
        unit = _free_unit(layer, parts, in_scales, added)
        factors = [parts[k].weight[:, 0, 0, 0].astype(np.float64) * in_scales[k] for k in added]
        if added:
            unit = _whole(np.abs(factors[0]), unit, out_scale, layer.weight[0].size)
    terms: list[Term] = []
    for k, (part, scale, source) in enumerate(zip(parts, in_scales, sources, strict=True)):
        if k in added:
            whole = np.round(factors[added.index(k)] / unit)
            weights = [w.astype(np.int8).reshape(-1, 1, 1, 1) for w in taps(whole)]
        else:
            real = torch.from_numpy(part.weight)
            weights = [round_weights(real, torch.from_numpy(unit / scale)).numpy().astype(np.int8)]
        terms += [Term(source, w, part.stride, part.padding, part.groups, part.in_shape,
                       part.conv_shape, part.dilation, part.pad_value) for w in weights]
    return Summed(unit, terms[0].weight, tuple(terms[1:]))


def _free_unit(layer: FloatLayer, parts: Sequence[Convolution], in_scales: Sequence[float],
               added: Sequence[int]) -> np.ndarray:
    """The finest unit with which the weights of all convolutions are int8."""
    flat = [torch.from_numpy(part.weight).flatten(1) * in_scales[k]
            for k, part in enumerate(parts) if k not in added]
    return weight_steps(torch.cat(flat, 1), torch.from_numpy(layer.bias), 1.0).numpy()


def _whole(added: np.ndarray, unit: np.ndarray, out_scale: float, fan_in: int) -> np.ndarray:
    """The least coarser unit in which what is added is whole, over as few taps as do."""
    square = _USUAL_SQUARE * fan_in

    def noise(candidate: np.ndarray) -> float:
        """Of the rounded weights and of the output."""
        return float((candidate ** 2 * square + out_scale ** 2).sum())

    def within(most: float) -> np.ndarray:
        count = np.clip(np.floor(added / unit * (1 + _EXACT)), 1, most)
        # what adds less than one unit is nearly nothing: it is rounded
        return np.where(added >= unit * (1 - _EXACT), added / count, unit)

    best = noise(within(_MOST_TAPS * _MOST))
    for taps in range(1, _MOST_TAPS):
        if noise(found := within(taps * _MOST)) <= best * (1 + _NOISE):
            return found
    return within(_MOST_TAPS * _MOST)


def _common_unit(factors: Sequence[np.ndarray], most_taps: int) -> np.ndarray:
    """The unit in which two values' factors are whole, or nearly, over as few taps as do."""
    first, second = (np.abs(x) for x in factors)
    units = np.ones(len(first))
    known: dict[tuple[float, float], float] = {}
    for k, (a, b) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        if (a, b) not in known:
            known[a, b] = max(a, b, 1e-30) if 0 in (a, b) else _unit(a, b, most_taps)
        units[k] = known[a, b]
    return units


def _unit(a: float, b: float, most_taps: int) -> float:
    """The unit of two factors; raises ValueError where steps that cannot be moved have none."""
    if most_taps > 1 and max(a, b) > most_taps * _MOST * min(a, b):
        raise ValueError(f"one of the values that it adds has steps {max(a, b) / min(a, b):,.0f} "
                         f"times the other's; at most {most_taps * _MOST:,} can be had")
    for taps in range(1, most_taps + 1):
        p, q = ratio(a, b, taps * _MOST)
        if abs(np.log(q * a / (p * b))) < _CLOSE:
            break
    return a / p if most_taps == 1 else (a / p + b / q) / 2


def taps(whole: np.ndarray) -> list[np.ndarray]:
    """Integers as sums of as few int8 as hold the largest."""
    count = max(1, int(np.ceil(np.abs(whole).max(initial=0) / _MOST)))
    found, left = [], np.abs(whole)
    for k in range(count, 0, -1):
        part = np.ceil(left / k)
        found.append(part * np.sign(whole))
        left = left - part
    return found
