"""Post-training quantisation of a float graph to the integer specification."""

from collections.abc import Sequence

import numpy as np
import torch

from sw.graph.floating import FloatGraph, FloatLayer
from sw.graph.flow import expect
from sw.graph.integer import IntegerGraph, Layer
from sw.reference.floating import run_float_layer

from .scales import Observed, round_weights, weight_steps

__all__ = ["QuantiseError", "calibrate", "quantise", "quantise_with"]

_BATCH_BYTES = 256 << 20  # of maps at a time, while calibrating


class QuantiseError(ValueError):
    """A layer whose values the integer format cannot hold; the message names it."""


def multiplier(real: float) -> tuple[int, int]:
    """Return (mult, shift) with mult / 2^shift nearest to a real number, mult below 2^16.

    Raises
    ------
    ValueError
        If the number is 65536 or more, or negative.
    """
    if not 0 <= real < 65535.5:
        raise ValueError(f"a requantisation factor of {real:g} is not from 0 to 65535")
    if real == 0:
        return 0, 0
    _mantissa, exponent = np.frexp(real)
    shift = 16 - int(exponent)
    if shift < 0:
        return round(real), 0
    shift = min(shift, 47)
    mult = round(real * (1 << shift))
    if mult == 1 << 16:
        mult, shift = mult >> 1, shift - 1
    return mult, shift


def calibrate(graph: FloatGraph, images: np.ndarray | torch.Tensor | Sequence[np.ndarray],
              ) -> list[float]:
    """Choose the step size of the input and of every layer's output on images.

    Images go through the network in batches of as many as a quarter of a gigabyte of maps allows.

    Parameters
    ----------
    graph : FloatGraph
    images : float[N, C, H, W]
        As the network gets them.

    Raises
    ------
    FlowError
        If the graph is not one that `capture` made.
    QuantiseError
        Naming the layer, or what is wrong with the images.
    """
    expect(graph, FloatGraph, "calibrate")
    pixels = _as_images(graph, images)
    _require_finite(graph)
    first, count = graph.layers[0], len(pixels)
    seen = [Observed(count, int(np.prod(shape)))
            for shape in (first.in_shape, *(x.out_shape for x in graph.layers))]
    batch = _batch(graph)
    for start in range(0, count, batch):
        x = _batch_of(graph, pixels[start:start + batch])
        seen[0].add(x)
        for layer, observed in zip(graph.layers, seen[1:], strict=True):
            with torch.no_grad():
                x = run_float_layer(layer, x)
            if not bool(torch.isfinite(x).all()):
                raise QuantiseError(f"layer {layer.name}: its output overflows on the calibration "
                                    "images")
            observed.add(x)
    if not seen[0].peaks.any():
        raise QuantiseError(f"the {count} calibration images of {graph.name} are all zero; give "
                            "some of those that the network will run on")
    return [observed.scale() for observed in seen]


def _as_images(graph: FloatGraph, images: np.ndarray | torch.Tensor | Sequence[np.ndarray],
               ) -> np.ndarray:
    """Images as one array of numbers [N, C, H, W], N above 0."""
    takes = f"{graph.name} takes [N, {', '.join(map(str, graph.layers[0].in_shape))}]"
    try:
        whole = isinstance(images, torch.Tensor | np.ndarray)
        pixels = np.asarray(_as_array(images) if whole else [_as_array(x) for x in images])
    except (TypeError, ValueError, RuntimeError) as error:
        raise QuantiseError(f"calibration images are no array of numbers ({error}); "
                            f"{takes}") from None
    if pixels.ndim != 4 or pixels.shape[1:] != tuple(graph.layers[0].in_shape):
        raise QuantiseError(f"calibration images are {list(pixels.shape)}; {takes}")
    if pixels.dtype.kind not in "fiub":
        raise QuantiseError(f"calibration images are {pixels.dtype}; they must be real numbers")
    if not len(pixels):
        raise QuantiseError(f"there are no calibration images; {takes}, with N of 1 or more")
    return pixels


def _as_array(values: object) -> object:
    """A tensor as an array, whatever its device, gradient and precision; else what is given."""
    if not isinstance(values, torch.Tensor):
        return values
    values = values.detach().cpu()
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def _batch(graph: FloatGraph) -> int:
    """Images whose maps before and after any one layer fit `_BATCH_BYTES`."""
    largest = max(4 * sum(int(np.prod(shape)) for shape in (x.in_shape, x.conv_shape, x.out_shape))
                  for x in graph.layers)
    return max(1, _BATCH_BYTES // largest)


def _require_finite(graph: FloatGraph) -> None:
    for layer in graph.layers:
        for what, values in (("weights", layer.weight), ("biases", layer.bias)):
            if not np.isfinite(values).all():
                raise QuantiseError(f"layer {layer.name}: its {what} hold NaN or infinity")


def _batch_of(graph: FloatGraph, pixels: np.ndarray) -> torch.Tensor:
    with np.errstate(over="ignore"):
        x = torch.from_numpy(np.array(pixels, np.float32))
    if not bool(torch.isfinite(x).all()):
        raise QuantiseError(f"calibration images of {graph.name} hold NaN or infinity")
    return x


def quantise(graph: FloatGraph, images: np.ndarray | torch.Tensor | Sequence[np.ndarray],
             ) -> IntegerGraph:
    """Quantise weights per channel and activations per layer, calibrated on images; `calibrate`
    and `quantise_with` in one."""
    expect(graph, FloatGraph, "quantise")
    return quantise_with(graph, calibrate(graph, images))


def quantise_with(graph: FloatGraph, scales: Sequence[float]) -> IntegerGraph:
    """Quantise with given step sizes, one for the input and one for each layer's output.

    Raises
    ------
    FlowError
        If the graph is not one that `capture` made.
    QuantiseError
        Naming the layer.
    """
    expect(graph, FloatGraph, "quantise_with")
    if len(scales) != len(graph.layers) + 1:
        raise QuantiseError(f"{graph.name} needs {len(graph.layers) + 1} step sizes, one for the "
                            f"input and one for each layer; there are {len(scales)}")
    for k, scale in enumerate(scales):
        if not 0 < scale < float("inf"):
            what = f"layer {graph.layers[k - 1].name}" if k else f"the input of {graph.name}"
            raise QuantiseError(f"{what}: its step size is {scale}; it must be a number above 0")
    _require_finite(graph)
    layers = tuple(_quantise_layer(layer, before, after) for layer, before, after in
                   zip(graph.layers, scales, scales[1:], strict=False))
    result = IntegerGraph(graph.name, layers, scales[0], scales[-1])
    result.validate()
    return result


def _quantise_layer(layer: FloatLayer, in_scale: float, out_scale: float) -> Layer:
    out = layer.weight.shape[0]
    real, bias = torch.from_numpy(layer.weight), torch.from_numpy(layer.bias)
    steps = weight_steps(real, bias, in_scale)
    weight = np.empty(layer.weight.shape, np.int8)
    for k in range(0, out, 256):  # in pieces: a layer may have 10^8 weights
        weight[k:k + 256] = round_weights(real[k:k + 256], steps[k:k + 256]).numpy()
    try:
        pairs = [multiplier(in_scale * s / out_scale) for s in steps.tolist()]
    except ValueError as error:
        raise QuantiseError(f"layer {layer.name}: {error}: its outputs on the calibration images "
                            "are too small for its weights; give images like those that the "
                            "network will run on") from None
    whole = torch.round(bias.double() / (in_scale * steps)).numpy().astype(np.int32)
    high = 127 if layer.high is None else round(min(127.0, layer.high / out_scale))
    return Layer(
        layer.name, weight, whole,
        np.array([p[0] for p in pairs], np.uint16), np.array([p[1] for p in pairs], np.uint8),
        0 if layer.low == 0 else -128, high, layer.stride, layer.padding, layer.groups,
        layer.in_shape, layer.conv_shape, layer.out_shape, layer.pool, layer.pruned,
        layer.dense_macs)
