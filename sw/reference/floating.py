"""The float network's layers, as captured: what quantising is measured against."""

from collections.abc import Sequence

import torch

from sw.graph.floating import FloatLayer
from sw.graph.records import FACTOR, RECORD

from .functions import apply
from .operators import convolve, max_pool

__all__ = ["run_float_layer"]


def run_float_layer(layer: FloatLayer, x: torch.Tensor, weight: torch.Tensor | None = None,
                    bias: torch.Tensor | None = None,
                    others: Sequence[torch.Tensor] = ()) -> torch.Tensor:
    """Return one layer's float output [N, C, H, W], with a `weight` and `bias` in place of the
    layer's own where given; `others` are what its terms read, and its factors."""
    if weight is None:
        weight = torch.from_numpy(layer.weight)
    if bias is None:
        bias = torch.from_numpy(layer.bias).to(weight)
    y = convolve(layer, x, weight, bias)
    for term, value in zip(layer.terms, others[:len(layer.terms)], strict=True):
        y = y + convolve(term, value, torch.from_numpy(term.weight).to(value))
    if layer.factors is not None:
        y = y * others[-1][:, FACTOR::RECORD]
    if layer.low is not None or layer.high is not None:
        y.clamp_(layer.low, layer.high)  # nobody else has it, and maps may be large
    if layer.function is not None:
        y = apply(layer.function, y)
    return max_pool(layer.pool, y, float("-inf"))
