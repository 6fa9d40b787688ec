"""What rounding weights and inputs adds to a layer's sums on average, taken from its biases."""

from dataclasses import replace

import numpy as np
import torch

from sw.graph.convolution import weight_sums
from sw.graph.integer import IntegerGraph, Layer
from sw.graph.quantisation import Quantisation
from sw.reference.batched import sums
from sw.reference.floating import run_float_layer

from .requantise import unit_of
from .shown import Shown

__all__ = ["correct_biases"]

_MOST_BIAS = (1 << 31) - 1


def correct_biases(graph: IntegerGraph, shown: Shown) -> IntegerGraph:
    """Return the integers with each channel's mean sum on the images that of the float network.

    Each layer is given what the float network gives it, rounded, so that none mends what another
    has lost.
    """
    off = [np.zeros(len(layer.bias)) for layer in graph.layers]
    for _, outputs in shown.batches():
        for k, (read, _) in enumerate(outputs):
            if graph.layers[k].factors is not None or graph.layers[k].name in graph.recorded:
                continue  # exact, but for what is rounded by the result alone
            off[k] += _excess(graph, k, shown, read()) / shown.count
    layers = tuple(_corrected(layer, mean, unit_of(graph, layer))
                   for layer, mean in zip(graph.layers, off, strict=True))
    return replace(graph, layers=layers)


def _excess(graph: IntegerGraph, k: int, shown: Shown,
            inputs: tuple[torch.Tensor, ...]) -> np.ndarray:
    """By how much the integers' sums are larger, in real numbers: the mean over pixels, summed over
    images, by channel."""
    layer = graph.layers[k]
    plain = replace(shown.network.layer(k).sums, low=None, high=None)
    exact = run_float_layer(plain, inputs[0], others=inputs[1:])
    values = dict(zip(shown.graph.sources(k), inputs, strict=True))
    codes = [_codes(values[source], graph.held[graph.holder(source)])
             for source in graph.sources(k)]
    found = sums(layer, codes).double() * torch.from_numpy(
        unit_of(graph, layer))[:, None, None]
    return (found - exact.double()).mean((2, 3)).sum(0).numpy()


def _codes(x: torch.Tensor, held: Quantisation) -> torch.Tensor:
    whole = torch.floor(x.double() / held.scale + 0.5) + held.zero_point
    return whole.clamp(held.low, held.high)


def _corrected(layer: Layer, mean: np.ndarray, unit: np.ndarray) -> Layer:
    steps = np.divide(mean, unit, out=np.zeros_like(mean), where=unit > 0)
    reach = sum(128 * weight_sums(part.weight, magnitudes=True) for part in (layer, *layer.terms))
    bias = np.clip(layer.bias - np.round(steps), reach - _MOST_BIAS, _MOST_BIAS - reach)
    return replace(layer, bias=bias.astype(np.int32))
