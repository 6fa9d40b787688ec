"""The float network's layers, as captured: what quantising is measured against."""

import torch

from sw.graph.floating import FloatLayer

from .operators import convolve, max_pool

__all__ = ["run_float_layer"]


def run_float_layer(layer: FloatLayer, x: torch.Tensor, weight: torch.Tensor | None = None,
                    bias: torch.Tensor | None = None) -> torch.Tensor:
    """Return one layer's float output [N, C, H, W], with a `weight` and `bias` in place of the
    layer's own where given."""
    if weight is None:
        weight = torch.from_numpy(layer.weight)
    if bias is None:
        bias = torch.from_numpy(layer.bias)
    x = convolve(layer, x, weight, bias)
    if layer.low is not None or layer.high is not None:
        x = torch.clamp(x, layer.low, layer.high)
    return max_pool(layer.pool, x, float("-inf"))
