"""Step sizes belong to values: which of them must be the same, or in a ratio of small integers.

The parts of a join, and a value with its copy, have one step size: the largest that any of them
needs. Where a layer adds two values and computes nothing else, their step sizes are moved, by less
than half a percent, to a ratio of two int8, and so the sum is exact. Factors are held around 0.
"""

from collections.abc import Sequence

import numpy as np

from sw.graph.classes import Classes
from sw.graph.edges import INPUT
from sw.graph.floating import FloatLayer
from sw.graph.quantisation import Quantisation

from .scaled import Scaled
from .sums import ratio

__all__ = ["is_copy", "tied"]

#: The zero point of what is never below 0.
_LOWEST = -128


def tied(network: Scaled, scales: Sequence[float], wanted: Sequence[Quantisation],
         ) -> list[Quantisation]:
    """Return how the input and each layer's output are held, changed as the graph asks.

    Parameters
    ----------
    network : Scaled
    scales : their step sizes around 0
    wanted : how they would be held by themselves
    """
    graph = network.graph
    names = [INPUT, *(layer.name for layer in graph.layers)]
    classes = Classes(names)
    for join in graph.joins:
        classes.join(*join.sources)
    for k, layer in enumerate(graph.layers):
        if _may_be_copy(layer) and is_copy(network.layer(k)):
            classes.join(layer.name, *graph.parts(graph.source(k)))
    members: dict[str, list[int]] = {}
    for n, name in enumerate(names):
        members.setdefault(classes.of(name), []).append(n)
    factors = {classes.of(graph.holder(graph.source(graph.numbers[name])))
               for name in graph.recorded}
    steps, zeros = {}, {}
    for name, of in members.items():
        alike = {wanted[n].zero_point for n in of}
        several = len(alike) > 1 or (len(of) > 1 and alike != {_LOWEST}) or name in factors
        steps[name] = max(scales[n] if several else wanted[n].scale for n in of)
        zeros[name] = 0 if several else alike.pop()
    _relate(network, classes, steps)
    return [Quantisation(steps[of], zeros[of]) for of in map(classes.of, names)]


def is_copy(layer: FloatLayer) -> bool:
    """Whether each output is one of the inputs as it is, or the largest of some."""
    flat = layer.weight.reshape(len(layer.weight), -1)
    return _may_be_copy(layer) and bool(
        ((flat == 0) | (flat == 1)).all() and (flat.sum(1) == 1).all())


def _may_be_copy(layer: FloatLayer) -> bool:
    """Whether it may be, by all but its weights."""
    return not layer.terms and layer.kernel == (1, 1) and not layer.bias.any() \
        and (layer.low, layer.high, layer.function) == (None, None, None)


def _relate(network: Scaled, classes: Classes, steps: dict[str, float]) -> None:
    """Bring the operands of plain sums to ratios of integers, each class of values once."""
    graph, fixed = network.graph, set[str]()
    for k, layer in enumerate(graph.layers):
        if len(layer.terms) != 1 or not (layer.is_diagonal and layer.terms[0].is_diagonal):
            continue
        layer = network.layer(k)
        first, second = (classes.of(graph.holder(value)) for value in graph.sources(k))
        factors = np.abs(layer.weight[:, 0, 0, 0]), np.abs(layer.terms[0].weight[:, 0, 0, 0])
        if any(f.min() == 0 for f in factors) or first == second or \
                np.ptp(factors[0] / factors[1]) != 0:
            continue
        a, b = steps[first] * float(factors[0][0]), steps[second] * float(factors[1][0])
        p, q = ratio(a, b)
        if second not in fixed:
            steps[second] *= a * q / (p * b)
        elif first not in fixed:
            steps[first] *= b * p / (q * a)
        fixed |= {first, second}
