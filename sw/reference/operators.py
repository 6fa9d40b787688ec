"""Convolution and pooling of a batch in torch, of floats or of integers held as such."""

import torch
from torch.nn import functional

from sw.graph.convolution import Convolution
from sw.graph.integer import Pool

__all__ = ["convolve", "is_depthwise", "max_pool", "padded"]


def convolve(layer: Convolution, x: torch.Tensor, weight: torch.Tensor,
             bias: torch.Tensor | None = None) -> torch.Tensor:
    """Return a layer's convolution [N, C, H, W], with a `weight` and `bias` of its shape."""
    if layer.is_linear and layer.groups == 1:
        return functional.linear(x.flatten(1), weight.flatten(1), bias)[..., None, None]
    x = padded(layer, x)
    if is_depthwise(layer):  # several times as fast with the channels last
        x = x.contiguous(memory_format=torch.channels_last)
    return functional.conv2d(x, weight, bias, stride=layer.stride, dilation=layer.dilation,
                             groups=layer.groups).contiguous()


def padded(layer: Convolution, x: torch.Tensor) -> torch.Tensor:
    """Return maps [N, C, H, W] with a layer's padding, and without what it does not reach."""
    _, rows, columns = layer.conv_shape
    (top, left), (height, width), stride = layer.padding, layer.reach, layer.stride
    bottom = (rows - 1) * stride[0] + height - top - x.shape[2]
    right = (columns - 1) * stride[1] + width - left - x.shape[3]
    if not any((left, right, top, bottom)):
        return x
    return functional.pad(x, (left, right, top, bottom), value=layer.pad_value)


def is_depthwise(layer: Convolution) -> bool:
    """Whether each of several groups reads one channel."""
    return layer.groups > 1 and layer.weight.shape[1] == 1


def max_pool(pool: Pool | None, x: torch.Tensor, lowest: float) -> torch.Tensor:
    """Return the maximum of each window; positions outside the map count as `lowest`."""
    if pool is None:
        return x
    top, left = pool.padding
    bottom = (pool.out[0] - 1) * pool.stride[0] + pool.kernel[0] - top - x.shape[2]
    right = (pool.out[1] - 1) * pool.stride[1] + pool.kernel[1] - left - x.shape[3]
    if any((left, right, top, bottom)):
        x = functional.pad(x, (left, right, top, bottom), value=lowest)
    return functional.max_pool2d(x, pool.kernel, pool.stride)
