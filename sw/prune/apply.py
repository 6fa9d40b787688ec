"""Applies a partition plan: masks for training, and dense blocks for the hardware.

Permutations cost nothing: channels are reordered so that each partition's are neighbours. What
gives a value gives its channels in that order, and what reads it takes them so, since
act(P x) = P act(x); values that are added have one order.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np

from sw.graph.edges import Term
from sw.graph.floating import FloatGraph, FloatLayer
from sw.graph.flow import expect

from .boundaries import boundaries_of
from .layers import select_layers
from .plan import PartitionError, PartitionPlan

__all__ = ["apply_plan"]

#: Boundary -> its channels in their new order, where that is another one.
_Orders = Mapping[str, np.ndarray]
_Part = TypeVar("_Part", FloatLayer, Term)


def apply_plan(graph: FloatGraph, plan: PartitionPlan) -> FloatGraph:
    """Return the pruned network: the plan's layers as grouped ones, permutations folded away.

    The function is that of the masked network, and its outputs keep their order.

    Raises
    ------
    PartitionError
        If a permutation cannot be folded into a neighbour, naming it.
    """
    expect(graph, FloatGraph, "apply_plan")
    graph.require_real("apply_plan")
    expect(plan, PartitionPlan, "apply_plan")
    indices = select_layers(graph, plan.layers, plan.partitions)
    orders = _orders(graph, plan, indices)
    of = boundaries_of(graph).of
    _check_sizes(graph, plan, indices)
    layers = []
    for k, layer in enumerate(graph.layers):
        after = orders.get(of[layer.name])
        if k in indices:
            layer = _blocks(layer, plan, indices.index(k))
        else:
            layer = _reordered(layer, orders.get(of[graph.source(k)]), after)
        if after is not None:
            layer = replace(layer, bias=layer.bias[after], function=layer.function
                            and layer.function.chosen(after.tolist()))
        layers.append(replace(layer, terms=tuple(
            _reordered(term, orders.get(of[term.source]), after) for term in layer.terms)))
    return graph.with_layers(layers, f"{graph.name}-p{plan.partitions}")


def _check_sizes(graph: FloatGraph, plan: PartitionPlan, indices: list[int]) -> None:
    """Refuse a plan of another network, which has other channels, or whose values that have one map
    have two; raises PartitionError."""
    of, seen = boundaries_of(graph).of, dict[str, np.ndarray]()
    for k, index in enumerate(indices):
        layer = graph.layers[index]
        for value, number, what, channels in zip(
                (graph.source(index), layer.name), plan.ends_of(k), ("input", "output"),
                (layer.in_shape[0], len(layer.weight)), strict=True):
            parts = plan.boundaries[number]
            if len(parts) != channels:
                raise PartitionError(f"layer {layer.name}: has {channels} {what} channels; the "
                                     f"plan has {len(parts)}: it is of another network")
            if not np.array_equal(seen.setdefault(of[value], parts), parts):
                raise PartitionError(f"layer {layer.name}: its {what} channels have two maps in "
                                     "the plan; what is added to each other has one")


def _orders(graph: FloatGraph, plan: PartitionPlan, indices: list[int]) -> _Orders:
    """The plan's permutations, if nothing forbids them."""
    known = boundaries_of(graph)
    orders: dict[str, np.ndarray] = {}
    for k, index in enumerate(indices):
        values = graph.source(index), graph.layers[index].name
        for value, number in zip(values, plan.ends_of(k), strict=True):
            order = plan.permutation(number)
            if not np.array_equal(order, np.arange(len(order))):
                orders[known.of[value]] = order
    last = graph.layers[-1].name
    for boundary in orders:
        if boundary in known.fixed:
            raise PartitionError(known.fixed[boundary])
        if boundary == known.of[last]:
            raise PartitionError(f"layer {last}: is the last, so its outputs cannot be reordered; "
                                 "keep the classifier dense")
    return orders


def _reordered(part: _Part, before: np.ndarray | None, after: np.ndarray | None) -> _Part:
    """A convolution whose input k is the given one's `before[k]`, and output k its `after[k]`."""
    weight = part.weight
    if after is not None:
        weight = weight[after]
    if before is not None and part.groups == 1:  # else depthwise: inputs follow the outputs
        weight = weight[:, before]
    return replace(part, weight=weight)


def _blocks(layer: FloatLayer, plan: PartitionPlan, k: int) -> FloatLayer:
    """The layer's diagonal blocks as groups, channels in partition order."""
    before, after = plan.ends_of(k)
    rows, columns = plan.permutation(after), plan.permutation(before)
    out, into = len(rows) // plan.partitions, len(columns) // plan.partitions
    weight = np.empty((len(rows), into, *layer.weight.shape[2:]), np.float32)
    for p in range(plan.partitions):
        mine = rows[p * out:(p + 1) * out]
        theirs = columns[p * into:(p + 1) * into]
        weight[p * out:(p + 1) * out] = layer.weight[np.ix_(mine, theirs)]
    return replace(layer, weight=weight, groups=plan.partitions, pruned=True,
                   dense_macs=layer.macs)
