"""Which layers of a network can be partitioned, and which are meant."""

import math
from collections.abc import Sequence

import numpy as np

from sw.graph.floating import FloatGraph, FloatLayer
from sw.graph.flow import expect

from .plan import PartitionError

__all__ = ["prunable_layers", "select_layers"]


def prunable_layers(graph: FloatGraph, prune: str = "fc") -> list[str]:
    """Names of the neighbouring layers that "fc" (linear ones but the classifier) or "all" (all
    but the first and the classifier) prunes.

    Grouped layers are left out, and those whose channels have no divisor in common with their
    neighbours'. Of several runs it is the one with the most weights; none is an empty list.
    """
    expect(graph, FloatGraph, "prunable_layers")
    graph.require_chain("prunable_layers")
    if prune not in ("fc", "all"):
        raise PartitionError(f"prune is {prune!r}; it must be 'fc' or 'all'")
    most: list[FloatLayer] = []
    run: list[FloatLayer] = []
    for k, layer in enumerate(graph.layers[:-1]):
        chosen = k > 0 if prune == "all" else layer.gives_vector
        run = [*run, layer] if chosen and layer.groups == 1 else []
        while run and _common_divisor(run) == 1:
            run = run[1:]
        if _weights(run) > _weights(most):
            most = run
    return [layer.name for layer in most]


def _common_divisor(run: list[FloatLayer]) -> int:
    """The most partitions that a run of neighbours can be cut into."""
    return math.gcd(run[0].in_shape[0], *(layer.weight.shape[0] for layer in run))


def _weights(run: list[FloatLayer]) -> int:
    return sum(layer.weight.size for layer in run)


def select_layers(graph: FloatGraph, names: Sequence[str], partitions: int) -> list[int]:
    """Check that the layers are neighbours and divisible; return their indices.

    Raises
    ------
    PartitionError
        Naming the layer and the reason.
    BranchError
        Of a graph that is no chain, naming the first layer with a branch.
    """
    expect(graph, FloatGraph, "partition")
    graph.require_chain("partition")
    if not isinstance(partitions, int | np.integer) or partitions < 1:
        raise PartitionError(f"partitions is {partitions!r}; it must be 1 or more")
    if isinstance(names, str):
        raise PartitionError(f"layers are {names!r}; give a list of names")
    if not names:
        raise PartitionError(f"{graph.name} has no layer that can be pruned")
    indices = [graph.layers.index(graph.layer(n)) for n in names]
    if indices != list(range(indices[0], indices[0] + len(indices))):
        raise PartitionError(f"layers {', '.join(names)} are not neighbours in order")
    for index in indices:
        layer = graph.layers[index]
        if layer.groups != 1:
            raise PartitionError(f"layer {layer.name}: has {layer.groups} groups already")
        for what, count in (("input", layer.in_shape[0]), ("output", layer.weight.shape[0])):
            if count % partitions:
                divisors = [d for d in range(1, 33) if count % d == 0]
                raise PartitionError(
                    f"layer {layer.name}: {count} {what} channels are not divisible by "
                    f"{partitions} partitions; possible: {', '.join(map(str, divisors))}")
    return indices
