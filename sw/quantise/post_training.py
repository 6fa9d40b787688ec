"""Post-training quantisation of a float graph to the integer specification."""

from collections.abc import Mapping, Sequence

import numpy as np

from sw.graph.floating import FloatGraph
from sw.graph.flow import expect
from sw.graph.integer import INPUT, IntegerGraph, Layer
from sw.graph.quantisation import Quantisation
from sw.reference.floating import run_float_layer

from .bias import correct_biases
from .equalise import channel_factors
from .errors import QuantiseError
from .factors import multiplying, recording, require_factors
from .functions import Taken, with_table
from .given import quantise_given
from .requantise import alone, from_zero, meant, requantised
from .rounding import round_in_turn
from .scaled import Factors, Scaled
from .scales import Observed
from .shown import Images, Shown, require_finite
from .sums import sum_terms
from .ties import is_copy, tied

__all__ = ["QuantiseError", "calibrate", "equalise", "quantise", "quantise_shown",
           "quantise_with"]


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
    graph.require_no_tables("calibrate")
    return [held.scale for held in _observe(Shown(graph, images), symmetric=True)[0]]


def _observe(shown: Shown, *, symmetric: bool,
             ) -> tuple[list[Quantisation], dict[str, Quantisation]]:
    """How the input and every layer's output are best held, and, by layer, what functions take."""
    graph, network = shown.graph, shown.network
    seen = [Observed(shown.count, int(np.prod(shape)))
            for shape in (graph.in_shape, *(x.out_shape for x in graph.layers))]
    taken = {x.name: Taken(x.function, shown.count, x.conv_shape)
             for x in map(network.outline, range(len(graph.layers))) if x.function is not None}
    for x, outputs in shown.batches():
        seen[0].add(x)
        for k, (observed, (read, y)) in enumerate(zip(seen[1:], outputs, strict=True)):
            observed.add(y)
            if (name := graph.layers[k].name) in taken:
                own, *others = read()
                taken[name].add(run_float_layer(network.layer(k).sums, own, others=others))
    shown.require_some(seen[0].peaks)
    scales = [observed.scale() for observed in seen]
    held = tied(network, scales, [Quantisation(scale) for scale in scales] if symmetric else
                [observed.quantisation() for observed in seen])
    return held, {name: values.quantisation() for name, values in taken.items()}


def equalise(graph: FloatGraph, images: Images) -> FloatGraph:
    """Return the same network with the channels between layers brought to like sizes, as they are
    on images, so that one step size suits them all; parameters and errors as of `quantise`."""
    expect(graph, FloatGraph, "equalise")
    graph.require_real("equalise")
    return Scaled(graph, channel_factors(graph, images)).whole()


def quantise(graph: FloatGraph, images: Images | None = None, *, symmetric: bool = True,
             equal: bool = True, correct: bool = False, nearest: bool = True) -> IntegerGraph:
    """Quantise weights per channel and activations per layer, calibrated on images.

    A model that is quantised already keeps its scales and its integers, and needs no images:
    neither these nor options are looked at.

    Parameters
    ----------
    graph : FloatGraph
    images : float[N, C, H, W]
        As the network gets them.
    symmetric : bool
        0 stands for 0. Else values have zero points, so that those after a ReLU have twice as many
        steps; zeros are then not skipped.
    equal : bool
        Bring channels to like sizes first, as `equalise` does: nothing happens where they are.
    correct : bool
        Take what rounding adds to sums on average from the biases.
    nearest : bool
        Round each weight to the nearest step. Else one after another, so that those after make up
        for what rounding one adds to the sums, on the images.

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
    factors = channel_factors(graph, images) if equal else Factors()
    return quantise_shown(Shown(Scaled(graph, factors), images), symmetric=symmetric,
                          correct=correct, nearest=nearest)


def quantise_shown(shown: Shown, *, symmetric: bool = True, correct: bool = False,
                   nearest: bool = True) -> IntegerGraph:
    """Quantise a network, with its channels as they are, on images that are looked at already;
    else as `quantise`."""
    found = _quantise_held(shown.network, *_observe(shown, symmetric=symmetric))
    if not nearest:
        found = round_in_turn(found, shown)
    if correct:
        found = correct_biases(found, shown)
    if correct or not nearest:
        found.validate()
    return found


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
    graph.require_no_tables("quantise_with")
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
    result = _quantise_held(Scaled(graph), [Quantisation(step) for step in scales], {})
    for k, (real, whole) in enumerate(zip(graph.layers, result.layers, strict=True)):
        read = steps[graph.holder(graph.source(k))]
        if real.weight.any() and not whole.weight.any():
            raise QuantiseError(f"layer {real.name}: with steps of {read:g} of its input all its "
                                "weights are 0, beside its bias; give a larger one, as `calibrate` "
                                "does")
        if real.weight.any() and not whole.mult.any() and whole.factors is None:
            raise QuantiseError(f"layer {real.name}: with steps of {steps[real.name]:g} all its "
                                "outputs are 0; give a smaller one, as `calibrate` does")
    return result


def _quantise_held(network: Scaled, values: Sequence[Quantisation],
                   taken: Mapping[str, Quantisation]) -> IntegerGraph:
    """Quantise with how the input and each layer's output are held, and what functions take: of a
    copy as what it copies, which loses nothing."""
    graph, before = network.graph, dict(taken)
    held = dict(zip([INPUT, *(x.name for x in graph.layers)], values, strict=True))
    layers: list[Layer] = []
    for k in range(len(graph.layers)):
        layer = network.outline(k)
        if layer.factors is not None or layer.name in graph.recorded:
            layers.append(_factored(network, k, held, before, layers))
            continue
        read = {source: held[graph.holder(source)] for source in graph.sources(k)}
        if layer.function is not None and is_copy(network.layer(k).sums):
            before[layer.name] = read[graph.source(k)]
        to, scales = held[layer.name], [read[source].scale for source in graph.sources(k)]
        to = before.get(layer.name, to)
        summed = sum_terms(network.layer(k), scales, to.scale, graph.sources(k)) if layer.terms \
            else alone(layer, network.pieces(k), scales[0])
        found = from_zero(requantised(layer, summed, to), layer.pad_value, read[graph.source(k)],
                          read)
        layers.append(found if layer.function is None else
                      with_table(found, layer.function, to, held[layer.name]))
    first, last = values[0], held[graph.output]
    result = IntegerGraph(graph.name, tuple(layers), first.scale, last.scale, graph.joins,
                          first.zero_point, last.zero_point, held, before,
                          meant(graph.outputs, held))
    result.validate()
    return result


def _factored(network: Scaled, k: int, held: dict[str, Quantisation],
              before: Mapping[str, Quantisation], done: Sequence[Layer]) -> Layer:
    """A layer with factors, or the one that gives them, which is held as they are; `done` are the
    layers before it."""
    graph, numbers = network.graph, network.graph.numbers
    layer = multiplied = network.layer(k)
    if layer.factors is None:
        multiplied = network.layer(next(n for n, x in enumerate(graph.layers)
                                        if x.factors == layer.name))
    assert multiplied.factors is not None
    name = multiplied.name
    x, by = (held[graph.holder(graph.source(numbers[of]))] for of in (name, multiplied.factors))
    to = before.get(name, held[name])
    if layer is not multiplied:
        held[layer.name] = by
        for part in graph.parts(graph.source(k)):
            require_factors(done[numbers[part]], name)
        return recording(layer, multiplied, x, by, to)
    found = multiplying(layer, x, by, to)
    return found if layer.function is None else with_table(found, layer.function, to, held[name])
