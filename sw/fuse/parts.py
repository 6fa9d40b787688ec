"""What is done to a layer that has been begun: factors, choices of channels, as another's term."""

import math
from dataclasses import replace

import numpy as np
import torch

from sw.graph.edges import Term
from sw.graph.floating import FloatLayer
from sw.graph.function import Function
from sw.reference.functions import apply

__all__ = ["as_term", "clamped", "diagonals", "followed", "gathered", "never_negative", "scaled",
           "with_affine"]


def as_term(layer: FloatLayer, source: str | None) -> Term:
    assert source is not None  # of layers that have not been shortened yet
    return Term(source, layer.weight, layer.stride, layer.padding, layer.groups, layer.in_shape,
                layer.conv_shape, layer.dilation, layer.pad_value)


def clamped(layer: FloatLayer, low: float, high: float) -> FloatLayer:
    """The layer with a further clamp, whose limits may be infinite."""
    before = (-math.inf if layer.low is None else layer.low,
              math.inf if layer.high is None else layer.high)
    found = [min(max(limit, low), high) for limit in before]
    return replace(layer, low=None if found[0] == -math.inf else found[0],
                   high=None if found[1] == math.inf else found[1])


def followed(layer: FloatLayer, function: Function) -> FloatLayer:
    """The layer with a further function behind its own."""
    return replace(layer, function=function if layer.function is None
                   else function.after(layer.function))


def never_negative(layer: FloatLayer) -> bool:
    """Whether a layer gives nothing below 0."""
    if layer.function is None:
        return layer.low is not None and layer.low >= 0
    taken = torch.cat([torch.linspace(-20, 20, 4001), torch.tensor([-1e4, 1e4])])
    taken = taken.clamp(layer.low, layer.high) if layer.low is not None or layer.high is not None \
        else taken
    given = apply(layer.function, taken.expand(1, len(layer.weight), -1))
    return bool((given >= 0).all())


def diagonals(layer: FloatLayer) -> int:
    """How many of a layer's terms are values that are added channel by channel."""
    return sum(x.is_diagonal for x in layer.terms)


def scaled(layer: FloatLayer, factor: float) -> FloatLayer:
    """The layer's sums times a factor."""
    if factor == 1:
        return layer
    by = np.float32(factor)
    return replace(layer, weight=layer.weight * by, bias=layer.bias * by,
                   terms=tuple(replace(t, weight=t.weight * by) for t in layer.terms))


def with_affine(layer: FloatLayer, scale: np.ndarray, offset: np.ndarray) -> FloatLayer:
    """The layer's sums times a factor for each channel, and an offset; what steps of given
    weights are keeps their integers."""
    column = scale.reshape(-1, 1, 1, 1)
    steps = layer.steps
    return replace(
        layer, weight=(layer.weight * column).astype(np.float32),
        bias=(layer.bias * scale + offset).astype(layer.bias.dtype),
        steps=None if steps is None else np.where(scale == 0, steps, steps * np.abs(scale)),
        terms=tuple(replace(t, weight=(t.weight * column).astype(np.float32))
                    for t in layer.terms))


def gathered(layer: FloatLayer, chosen: list[int]) -> FloatLayer:
    """The layer with some of its channels."""
    return replace(layer, weight=layer.weight[chosen], bias=layer.bias[chosen],
                   steps=None if layer.steps is None else layer.steps[chosen],
                   function=None if layer.function is None else layer.function.chosen(chosen),
                   conv_shape=(len(chosen), *layer.conv_shape[1:]),
                   out_shape=(len(chosen), *layer.out_shape[1:]))
