"""Post-training quantisation of a float graph to the integer specification."""

from collections.abc import Sequence

import numpy as np
import torch

from sw.graph.floating import FloatGraph, FloatLayer
from sw.graph.flow import expect
from sw.graph.integer import INPUT, IntegerGraph
from sw.graph.quantisation import Quantisation
from sw.reference.floating import run_float_layer
from sw.reference.walk import walk

from .given import quantise_given
from .requantise import QuantiseError, alone, requantised
from .scales import Observed
from .sums import sum_terms
from .ties import tied

__all__ = ["QuantiseError", "calibrate", "quantise", "quantise_with"]

_BATCH_BYTES = 256 << 20  # of maps at a time, while calibrating


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
    graph.require_real("calibrate")
    pixels = _as_images(graph, images)
    _require_finite(graph)
    first, count = graph.layers[0], len(pixels)
    seen = [Observed(count, int(np.prod(shape)))
            for shape in (first.in_shape, *(x.out_shape for x in graph.layers))]
    batch = _batch(graph)
    for start in range(0, count, batch):
        x = _batch_of(graph, pixels[start:start + batch])
        seen[0].add(x)
        for observed, y in zip(seen[1:], walk(graph, x, _run), strict=True):
            observed.add(y)
    if not seen[0].peaks.any():
        raise QuantiseError(f"the {count} calibration images of {graph.name} are all zero; give "
                            "some of those that the network will run on")
    return tied(graph, [observed.scale() for observed in seen])


def _run(layer: FloatLayer, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        y = run_float_layer(layer, inputs[0], others=inputs[1:])
    if not bool(torch.isfinite(y).all()):
        raise QuantiseError(f"layer {layer.name}: its output overflows on the calibration images")
    return y


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
    """Images whose maps, those that are still to be read when any one layer is done, fit
    `_BATCH_BYTES`."""
    held: dict[str, int] = {INPUT: int(np.prod(graph.in_shape))}
    largest = 0
    for k, x in enumerate(graph.layers):
        own = sum(int(np.prod(shape)) for shape in (x.conv_shape, x.out_shape))
        largest = max(largest, sum(held.values()) + own)
        held[x.name] = int(np.prod(x.out_shape))
        held = {v: size for v, size in held.items() if graph.is_read_after(v, k)}
    return max(1, _BATCH_BYTES // (4 * largest))


def _require_finite(graph: FloatGraph) -> None:
    for layer in graph.layers:
        for what, values in (("weights", layer.weight), ("biases", layer.bias),
                             *(("weights", term.weight) for term in layer.terms)):
            if not np.isfinite(values).all():
                raise QuantiseError(f"layer {layer.name}: its {what} hold NaN or infinity")


def _batch_of(graph: FloatGraph, pixels: np.ndarray) -> torch.Tensor:
    with np.errstate(over="ignore"):
        x = torch.from_numpy(np.array(pixels, np.float32))
    if not bool(torch.isfinite(x).all()):
        raise QuantiseError(f"calibration images of {graph.name} hold NaN or infinity")
    return x


def quantise(graph: FloatGraph,
             images: np.ndarray | torch.Tensor | Sequence[np.ndarray] | None = None,
             ) -> IntegerGraph:
    """Quantise weights per channel and activations per layer, calibrated on images; `calibrate`
    and `quantise_with` in one.

    A model that is quantised already keeps its scales and its integers, and needs no images: none
    are looked at.

    Raises
    ------
    FlowError
        If the graph is not one that `capture` made.
    QuantiseError
        Naming the layer, or what is wrong with the images.
    """
    expect(graph, FloatGraph, "quantise")
    if graph.given is not None:
        return quantise_given(graph)
    if images is None:
        raise QuantiseError(f"{graph.name} is in real numbers: give images to calibrate it on, "
                            f"[N, {', '.join(map(str, graph.in_shape))}]")
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
    graph.require_real("quantise_with")
    if len(scales) != len(graph.layers) + 1:
        raise QuantiseError(f"{graph.name} needs {len(graph.layers) + 1} step sizes, one for the "
                            f"input and one for each layer; there are {len(scales)}")
    for k, scale in enumerate(scales):
        if not 0 < scale < float("inf"):
            what = f"layer {graph.layers[k - 1].name}" if k else f"the input of {graph.name}"
            raise QuantiseError(f"{what}: its step size is {scale}; it must be a number above 0")
    _require_finite(graph)
    steps = dict(zip([INPUT, *(x.name for x in graph.layers)], scales, strict=True))
    for join in graph.joins:
        if len({steps[part] for part in join.sources}) != 1:
            raise QuantiseError(f"join {join.name}: its parts have different step sizes; "
                                "`calibrate` gives them one")
    layers = []
    for k, layer in enumerate(graph.layers):
        in_scales = [steps[graph.parts(value)[0]] for value in graph.sources(k)]
        summed = sum_terms(layer, in_scales, steps[layer.name], graph.sources(k)) \
            if layer.terms else alone(layer, in_scales[0])
        layers.append(requantised(layer, summed, Quantisation(steps[layer.name])))
    held = {name: Quantisation(step) for name, step in steps.items()}
    result = IntegerGraph(graph.name, tuple(layers), scales[0], scales[-1], graph.joins, held=held)
    result.validate()
    return result
