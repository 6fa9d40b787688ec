"""Post-training quantisation of a float graph to the integer specification."""

from collections.abc import Sequence

import numpy as np

from sw.graph.floating import FloatGraph
from sw.graph.flow import expect
from sw.graph.integer import INPUT, IntegerGraph
from sw.graph.quantisation import Quantisation

from .given import quantise_given
from .requantise import QuantiseError, alone, requantised
from .scales import Observed
from .shown import Images, Shown, require_finite
from .sums import sum_terms
from .ties import tied

__all__ = ["QuantiseError", "calibrate", "quantise", "quantise_with"]


def calibrate(graph: FloatGraph, images: Images) -> list[float]:
    """Choose the step size of the input and of every layer's output on images.

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
    shown = Shown(graph, images)
    seen = [Observed(shown.count, int(np.prod(shape)))
            for shape in (graph.in_shape, *(x.out_shape for x in graph.layers))]
    for x, outputs in shown.batches():
        seen[0].add(x)
        for observed, (_, y) in zip(seen[1:], outputs, strict=True):
            observed.add(y)
    shown.require_some(seen[0].peaks)
    return tied(graph, [observed.scale() for observed in seen])


def quantise(graph: FloatGraph, images: Images | None = None) -> IntegerGraph:
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
    require_finite(graph)
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
