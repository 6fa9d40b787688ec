"""Accuracy of networks on a held-out set, in floating point and in the integers of the hardware."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from sw.graph.convolution import Convolution
from sw.graph.flow import expect
from sw.graph.integer import IntegerGraph, Layer
from sw.graph.records import parameters_in

from .operators import convolve, is_depthwise, max_pool, padded
from .walk import walk

__all__ = ["Accuracy", "accuracy", "run_integer", "run_layers", "sums"]

#: Products of int8 whose sum float32 holds exactly, whatever they are.
_FEW = 1023
#: What convolutions in float64 read at a time.
_READ_BYTES = 32 << 20


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

    Sums are exact: in float64, whose integers reach 2^53, or in float32 where they stay below 2^24;
    requantisation is in int64.

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
    y = x
    for found in run_layers(graph, x):
        y = found
    return y.long()


def run_layers(graph: IntegerGraph, x: torch.Tensor) -> Iterator[torch.Tensor]:
    """Give each layer's integers, as float64, in turn; parameters as of `run_integer`."""
    y = torch.clamp(torch.floor(x.double() / graph.input_scale + 0.5) + graph.input_zero,
                    -128, 127)
    return walk(graph, y, _run_layer)


def _column(array: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(array.astype("int64")).to(like.device)[:, None, None]


def sums(layer: Layer, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return a layer's accumulators int64[N, C, H, W], its bias included, for integers that it and
    its terms read."""
    device = inputs[0].device
    acc = _column(layer.bias, inputs[0])
    for part, x in zip((layer, *layer.terms), inputs, strict=True):
        if part is layer and layer.epsilon:
            x = torch.where(x.abs() <= layer.epsilon, 0.0, x)
        if part.is_linear and part.groups == 1:
            acc = acc + _product(part, x)
            continue
        if part.kernel == (1, 1) or is_depthwise(part):
            kind = _exact(int(np.prod(part.weight.shape[1:])), device)
            weight = torch.from_numpy(part.weight).to(device, kind)
            acc = acc + convolve(part, x.to(kind), weight).round().long()
        else:
            acc = acc + _convolved(part, x)
    return acc


def _exact(products: int, device: torch.device) -> torch.dtype:
    """The faster type that holds every partial sum of so many products exactly: float32, which is
    many times as fast where each channel is by itself, for what no library sums by transforms or
    rounds before."""
    return torch.float32 if products <= _FEW and device.type == "cpu" else torch.float64


def _product(part: Convolution, x: torch.Tensor) -> torch.Tensor:
    """The sums int64[N, C, 1, 1] of a matrix, which may have 10^8 weights: by some of its columns
    at a time."""
    kind, weight = _exact(_FEW, x.device), torch.from_numpy(part.weight).flatten(1)
    found = torch.zeros(len(x), len(weight), dtype=torch.int64, device=x.device)
    for inputs, columns in zip(x.flatten(1).split(_FEW, 1), weight.split(_FEW, 1), strict=True):
        found += (inputs.to(kind) @ columns.to(x.device, kind).T).long()
    return found[..., None, None]


def _convolved(part: Convolution, x: torch.Tensor) -> torch.Tensor:
    """The sums int64[N, C, H, W] of a convolution, by some of their rows at a time, as a library
    may lay out all that they read. Where it convolves by transforms its error is far below 1/2."""
    x, weight = padded(part, x.double()), torch.from_numpy(part.weight).to(x.device).double()
    of_a_row = 8 * len(x) * part.conv_shape[2] * part.in_shape[0] * weight[0, 0].numel()
    count = max(1, _READ_BYTES // of_a_row)
    found = torch.empty(len(x), *part.conv_shape, dtype=torch.int64, device=x.device)
    for some in found.split(count, 2):
        end = (some.shape[2] - 1) * part.stride[0] + part.reach[0]
        some.copy_(functional.conv2d(x[:, :, :end], weight, stride=part.stride,
                                     dilation=part.dilation, groups=part.groups).round())
        x = x[:, :, count * part.stride[0]:]
    return found


def _run_layer(layer: Layer, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
    if layer.factors is None:
        acc = sums(layer, inputs)
        mult, shift = _column(layer.mult, acc), _column(layer.shift, acc)
    else:
        *inputs, records = inputs
        acc = sums(layer, inputs)
        bias, mult, shift = _recorded(records)
        acc = acc + bias
    half = torch.where(shift > 0, 1 << torch.clamp(shift - 1, min=0), 0)
    y = ((acc * mult + half) >> shift) + layer.offset
    y = torch.clamp(y, layer.low, layer.high)
    if layer.table is not None:
        table = torch.from_numpy(layer.table.astype("int64")).to(y.device)
        first = torch.arange(len(table), device=y.device)[:, None, None] * table.shape[1]
        y = table.flatten()[y + 128 + first]
    return max_pool(layer.pool, y.double(), -128.0)


def _recorded(records: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Bias, mult and shift int64[N, C, 1, 1] that a value holds."""
    found = [parameters_in(image) for image in records.to("cpu", torch.int8).numpy()]
    return tuple(torch.from_numpy(np.stack([getattr(x, name) for x in found]).astype("int64"))
                 .to(records.device)[:, :, None, None] for name in ("bias", "mult", "shift"))
