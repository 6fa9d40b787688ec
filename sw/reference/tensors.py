"""A layer's convolution and pooling in torch, of float layers and of integer ones alike."""

import torch
from torch.nn import functional

from sw.graph.floating import FloatLayer
from sw.graph.integer import Layer

__all__ = ["convolve", "max_pool"]


def convolve(layer: FloatLayer | Layer, x: torch.Tensor, weight: torch.Tensor,
             bias: torch.Tensor | None = None) -> torch.Tensor:
    """Return the sums [N, out, rows, columns] of maps [N, C, H, W] and a layer's weight."""
    _, rows, columns = layer.conv_shape
    if (rows, columns) == (1, 1) and layer.groups == 1 and weight.shape[2:] == x.shape[2:]:
        return functional.linear(x.flatten(1), weight.flatten(1), bias)[..., None, None]
    (top, left), s = layer.padding, layer.stride
    bottom = (rows - 1) * s + weight.shape[2] - top - x.shape[2]
    right = (columns - 1) * s + weight.shape[3] - left - x.shape[3]
    x = functional.pad(x, (left, right, top, bottom))
    return functional.conv2d(x, weight, bias, stride=s, groups=layer.groups)


def max_pool(layer: FloatLayer | Layer, x: torch.Tensor, outside: float) -> torch.Tensor:
    """Return the maxima of a layer's windows, if it pools; positions off the map are `outside`."""
    p = layer.pool
    if p is None:
        return x
    bottom = (p.out[0] - 1) * p.stride[0] + p.kernel[0] - p.padding[0] - x.shape[2]
    right = (p.out[1] - 1) * p.stride[1] + p.kernel[1] - p.padding[1] - x.shape[3]
    x = functional.pad(x, (p.padding[1], right, p.padding[0], bottom), value=outside)
    return functional.max_pool2d(x, p.kernel, p.stride)
