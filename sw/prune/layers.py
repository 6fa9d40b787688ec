"""Which layers of a network can be partitioned, and which are meant."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from sw.graph.edges import INPUT
from sw.graph.floating import FloatGraph, FloatLayer
from sw.graph.flow import expect

from .boundaries import boundaries_of
from .plan import PartitionError

__all__ = ["prunable_layers", "select_layers"]


def prunable_layers(graph: FloatGraph, prune: str = "fc") -> list[str]:
    """Names of the neighbouring layers that "fc" (linear ones but the classifier) or "all" (all
    but the first and the classifier) prunes.

    Grouped layers are left out, those behind which only depthwise ones come, whose order is the
    output's, and those whose channels have no divisor in common with their neighbours'. Of several
    runs it is the one with the most weights; none is an empty list. Of a graph with branches it is
    all such layers, if they sum no other convolution.
    """
    expect(graph, FloatGraph, "prunable_layers")
    graph.require_real("prunable_layers")
    if prune not in ("fc", "all"):
        raise PartitionError(f"prune is {prune!r}; it must be 'fc' or 'all'")
    of = boundaries_of(graph).of
    inner = [x for x in graph.layers if of[x.name] != of[graph.output]]
    if not graph.is_chain:
        return [x.name for x in inner
                if x.groups == 1 and _sums_nothing_else(x) and x.source != INPUT and x
                is not graph.layers[0] and (prune == "all" or x.gives_vector)
                and math.gcd(x.in_shape[0], len(x.weight)) > 1]
    most: list[FloatLayer] = []
    run: list[FloatLayer] = []
    for k, layer in enumerate(inner):
        chosen = k > 0 if prune == "all" else layer.gives_vector
        run = [*run, layer] if chosen and layer.groups == 1 else []
        while run and _common_divisor(run) == 1:
            run = run[1:]
        if _weights(run) > _weights(most):
            most = run
    return [layer.name for layer in most]


def _sums_nothing_else(layer: FloatLayer) -> bool:
    """Whether what is added to its sums, if anything, is a value as it is."""
    return all(term.is_diagonal for term in layer.terms)


def _common_divisor(run: list[FloatLayer]) -> int:
    """The most partitions that a run of neighbours can be cut into."""
    return math.gcd(run[0].in_shape[0], *(layer.weight.shape[0] for layer in run))


def _weights(run: list[FloatLayer]) -> int:
    return sum(layer.weight.size for layer in run)


def select_layers(graph: FloatGraph, names: Sequence[str], partitions: int) -> list[int]:
    """Check that the layers are divisible, of a chain neighbours; return their indices, in order.

    Raises
    ------
    PartitionError
        Naming the layer and the reason.
    """
    expect(graph, FloatGraph, "partition")
    graph.require_real("partition")
    if not isinstance(partitions, int | np.integer) or partitions < 1:
        raise PartitionError(f"partitions is {partitions!r}; it must be a whole number of 1 or "
                             "more")
    if isinstance(names, str):
        raise PartitionError(f"layers are {names!r}; give a list of names")
    if not names:
        raise PartitionError(f"{graph.name} has no layer that can be pruned")
    indices = [graph.layers.index(graph.layer(n)) for n in names]
    if not graph.is_chain:
        for before, after in pairwise(indices):
            if before >= after:
                raise PartitionError(f"layers {', '.join(names)} are not in order")
    elif indices != list(range(indices[0], indices[0] + len(indices))):
        raise PartitionError(f"layers {', '.join(names)} are not neighbours in order")
    for index in indices:
        layer = graph.layers[index]
        if layer.groups != 1:
            raise PartitionError(f"layer {layer.name}: has {layer.groups} groups already")
        if not _sums_nothing_else(layer):
            others = " and ".join(x.source for x in layer.terms if not x.is_diagonal)
            raise PartitionError(f"layer {layer.name}: also sums a convolution of {others}, which "
                                 "stays dense, so it cannot be cut")
        for what, count in (("input", layer.in_shape[0]), ("output", layer.weight.shape[0])):
            if count % partitions:
                divisors = [d for d in range(1, 33) if count % d == 0]
                raise PartitionError(
                    f"layer {layer.name}: {count} {what} channels are not divisible by "
                    f"{partitions} partitions; possible: {', '.join(map(str, divisors))}")
    return indices
