"""Post-training quantisation of a float graph to the integer specification."""

from collections.abc import Sequence

import numpy as np
import torch

from .floatgraph import FloatGraph, FloatLayer
from .graph import IntegerGraph, Layer

__all__ = ["QuantiseError", "best_scale", "calibrate", "multiplier", "quantise", "quantise_with",
           "run_float", "run_float_layer"]

_STEPS = 127
_CANDIDATES = np.linspace(0.3, 1.0, 15)  # clipping points tried, as shares of the maximum
_SAMPLES = 200_000
_BIAS_LIMIT = 1 << 30  # in steps of the accumulator; the other half is the products'


class QuantiseError(ValueError):
    """A layer whose values the integer format cannot hold; the message names it."""


def run_float(graph: FloatGraph, images: np.ndarray) -> list[torch.Tensor]:
    """Return every layer's float output [N, C, H, W] for images [N, C, H, W]."""
    outputs, x = [], torch.as_tensor(images, dtype=torch.float32)
    with torch.no_grad():
        for layer in graph.layers:
            x = run_float_layer(layer, x)
            outputs.append(x)
    return outputs


def run_float_layer(layer: FloatLayer, x: torch.Tensor, weight: torch.Tensor | None = None,
                    bias: torch.Tensor | None = None) -> torch.Tensor:
    """Return one layer's float output [N, C, H, W], with a `weight` and `bias` in place of the
    layer's own where given."""
    if weight is None:
        weight = torch.from_numpy(layer.weight)
    if bias is None:
        bias = torch.from_numpy(layer.bias)
    _, rows, columns = layer.conv_shape
    if (rows, columns) == (1, 1) and layer.groups == 1 and weight.shape[2:] == x.shape[2:]:
        x = torch.nn.functional.linear(x.flatten(1), weight.flatten(1), bias)[..., None, None]
    else:
        (top, left), s = layer.padding, layer.stride
        bottom = (rows - 1) * s + weight.shape[2] - top - x.shape[2]
        right = (columns - 1) * s + weight.shape[3] - left - x.shape[3]
        x = torch.nn.functional.pad(x, (left, right, top, bottom))
        x = torch.nn.functional.conv2d(x, weight, bias, stride=s, groups=layer.groups)
    if layer.low is not None or layer.high is not None:
        x = torch.clamp(x, layer.low, layer.high)
    if layer.pool is not None:
        p = layer.pool
        bottom = (p.out[0] - 1) * p.stride[0] + p.kernel[0] - p.padding[0] - x.shape[2]
        right = (p.out[1] - 1) * p.stride[1] + p.kernel[1] - p.padding[1] - x.shape[3]
        x = torch.nn.functional.pad(x, (p.padding[1], right, p.padding[0], bottom),
                                    value=float("-inf"))
        x = torch.nn.functional.max_pool2d(x, p.kernel, p.stride)
    return x


def best_scale(values: np.ndarray) -> float:
    """Return the step size whose int8 rounding and clipping of the values loses least (MSE)."""
    flat = np.abs(np.asarray(values, np.float32).reshape(-1))
    if flat.size > _SAMPLES:
        top = flat.max()
        flat = np.append(np.random.default_rng(0).choice(flat, _SAMPLES), top)
    peak = float(flat.max(initial=0))
    if peak == 0:
        return 1.0 / _STEPS

    def loss(scale: float) -> float:
        return float(np.mean((flat - np.minimum(np.round(flat / scale), _STEPS) * scale) ** 2))

    return min((peak * c / _STEPS for c in _CANDIDATES), key=loss)


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


def calibrate(graph: FloatGraph, images: np.ndarray | Sequence[np.ndarray]) -> list[float]:
    """Choose the step size of the input and of every layer's output on images.

    Parameters
    ----------
    graph : FloatGraph
    images : float[N, C, H, W]
        As the network gets them.

    Raises
    ------
    QuantiseError
        Naming the layer.
    """
    images = np.asarray(images, np.float32)
    if images.ndim != 4 or images.shape[1:] != tuple(graph.layers[0].in_shape):
        raise QuantiseError(f"calibration images are {list(images.shape)}; {graph.name} takes "
                            f"[N, {', '.join(map(str, graph.layers[0].in_shape))}]")
    if not np.isfinite(images).all():
        raise QuantiseError(f"calibration images of {graph.name} hold NaN or infinity")
    scales = [best_scale(images)]
    x = torch.as_tensor(images)
    for layer in graph.layers:
        for what, values in (("weights", layer.weight), ("biases", layer.bias)):
            if not np.isfinite(values).all():
                raise QuantiseError(f"layer {layer.name}: its {what} hold NaN or infinity")
        with torch.no_grad():
            x = run_float_layer(layer, x)
        if not bool(torch.isfinite(x).all()):
            raise QuantiseError(f"layer {layer.name}: its output overflows on the calibration "
                                "images")
        scales.append(best_scale(x.numpy()))
    return scales


def quantise(graph: FloatGraph, images: np.ndarray | Sequence[np.ndarray]) -> IntegerGraph:
    """Quantise weights per channel and activations per layer, calibrated on images; `calibrate`
    and `quantise_with` in one."""
    return quantise_with(graph, calibrate(graph, images))


def quantise_with(graph: FloatGraph, scales: Sequence[float]) -> IntegerGraph:
    """Quantise with given step sizes, one for the input and one for each layer's output.

    Raises
    ------
    QuantiseError
        Naming the layer.
    """
    layers = tuple(_quantise_layer(layer, before, after) for layer, before, after in
                   zip(graph.layers, scales, scales[1:], strict=False))
    result = IntegerGraph(graph.name, layers, scales[0], scales[-1])
    result.validate()
    return result


def _quantise_layer(layer: FloatLayer, in_scale: float, out_scale: float) -> Layer:
    out = layer.weight.shape[0]
    peak = np.abs(layer.weight.reshape(out, -1)).max(axis=1).astype(np.float64)
    steps = np.where(peak > 0, peak, _STEPS) / _STEPS
    # a channel that is all but dead may have a bias far beyond its weights: coarser steps hold it
    steps = np.maximum(steps, np.abs(layer.bias.astype(np.float64)) / (in_scale * _BIAS_LIMIT))
    weight = np.empty(layer.weight.shape, np.int8)
    for k in range(0, out, 256):  # in pieces: a layer may have 10^8 weights
        piece = layer.weight[k:k + 256] / steps[k:k + 256, None, None, None].astype(np.float32)
        weight[k:k + 256] = np.clip(np.round(piece), -_STEPS, _STEPS)
    bias = np.round(layer.bias.astype(np.float64) / (in_scale * steps))
    try:
        pairs = [multiplier(in_scale * s / out_scale) for s in steps]
    except ValueError as error:
        raise QuantiseError(f"layer {layer.name}: {error}") from None
    high = 127 if layer.high is None else min(127, round(layer.high / out_scale))
    return Layer(
        layer.name, weight, bias.astype(np.int32), np.array([p[0] for p in pairs], np.uint16),
        np.array([p[1] for p in pairs], np.uint8), 0 if layer.low == 0 else -128, high,
        layer.stride, layer.padding, layer.groups, layer.in_shape, layer.conv_shape,
        layer.out_shape, layer.pool, layer.pruned, layer.dense_macs)
