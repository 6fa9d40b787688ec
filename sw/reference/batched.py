"""Accuracy of networks on a held-out set, in floating point and in the integers of the hardware."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from sw.graph.flow import expect
from sw.graph.integer import IntegerGraph, Layer

__all__ = ["Accuracy", "accuracy", "run_integer"]


@dataclass(frozen=True)
class Accuracy:
    """Shares of images whose label is the first guess, and among the first five."""

    top1: float
    top5: float


def accuracy(run: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor,
             labels: torch.Tensor, *, batch: int = 250,
             progress: Callable[[int, int], None] = lambda done, count: None) -> Accuracy:
    """Measure a classifier.

    Of equal outputs the lowest class goes first, as an argmax in software would have it.

    Parameters
    ----------
    run : images [n, ...] -> outputs [n, classes]
    images, labels : [N, ...], int64[N]

    Raises
    ------
    ValueError
        If there are no images, or not as many labels.
    """
    if not len(images) or labels.shape != (len(images),):
        raise ValueError(f"{len(images)} images and labels {list(labels.shape)}; there must be "
                         "one label for each image, and 1 image or more")
    first = five = 0
    with torch.no_grad():
        for k in range(0, len(images), batch):
            outputs = run(images[k:k + batch]).flatten(1)
            guesses = torch.sort(outputs, dim=1, descending=True, stable=True).indices[:, :5]
            hits = guesses == labels[k:k + batch, None]
            first += int(hits[:, 0].sum())
            five += int(hits.sum())
            progress(min(k + batch, len(images)), len(images))
    return Accuracy(first / len(images), five / len(images))


def run_integer(graph: IntegerGraph, x: torch.Tensor) -> torch.Tensor:
    """Return the last layer's outputs for a batch, equal to the golden model's.

    Sums are exact in float64, whose integers reach 2^53; requantisation is in int64.

    Parameters
    ----------
    graph : IntegerGraph
    x : float[N, C, H, W]
        As the float network gets it; quantised here.

    Returns
    -------
    int64[N, C, H, W]

    Raises
    ------
    FlowError
        If the graph is not one that `quantise` made.
    ValueError
        If the images have another shape, or hold what is no number.
    """
    expect(graph, IntegerGraph, "run_integer")
    x = torch.as_tensor(x)
    if x.ndim != 4 or tuple(x.shape[1:]) != tuple(graph.in_shape):
        raise ValueError(f"images are {list(x.shape)}; {graph.name} takes "
                         f"[N, {', '.join(map(str, graph.in_shape))}]")
    if not bool(torch.isfinite(x).all()):
        raise ValueError(f"images of {graph.name} hold NaN or infinity")
    y = torch.clamp(torch.floor(x.double() / graph.input_scale + 0.5), -128, 127)
    for layer in graph.layers:
        y = _run_layer(layer, y)
    return y.long()


def _run_layer(layer: Layer, x: torch.Tensor) -> torch.Tensor:
    def column(array) -> torch.Tensor:
        return torch.from_numpy(array.astype("int64")).to(x.device)[:, None, None]

    weight = torch.from_numpy(layer.weight).to(x.device).double()
    _, rows, columns = layer.conv_shape
    (top, left), s = layer.padding, layer.stride
    bottom = (rows - 1) * s + weight.shape[2] - top - x.shape[2]
    right = (columns - 1) * s + weight.shape[3] - left - x.shape[3]
    if weight.shape[2:] == x.shape[2:] and (rows, columns) == (1, 1) and layer.groups == 1:
        acc = functional.linear(x.flatten(1), weight.flatten(1))[..., None, None]
    else:
        x = functional.pad(x, (left, right, top, bottom))
        acc = functional.conv2d(x, weight, stride=s, groups=layer.groups)
    shift = column(layer.shift)
    half = torch.where(shift > 0, 1 << torch.clamp(shift - 1, min=0), 0)
    # a library may convolve by transforms, whose error is far below one half
    y = ((acc.round().long() + column(layer.bias)) * column(layer.mult) + half) >> shift
    y = torch.clamp(y, layer.low, layer.high).double()
    if layer.pool is not None:
        p = layer.pool
        below = (p.out[0] - 1) * p.stride[0] + p.kernel[0] - p.padding[0] - y.shape[2]
        beside = (p.out[1] - 1) * p.stride[1] + p.kernel[1] - p.padding[1] - y.shape[3]
        y = functional.pad(y, (p.padding[1], beside, p.padding[0], below), value=-128.0)
        y = functional.max_pool2d(y, p.kernel, p.stride)
    return y
