"""Applies a partition plan: masks for training, and dense blocks for the hardware.

Permutations cost nothing: channels are reordered so that each partition's are neighbours, the
layer before gives its outputs and the layer after takes its inputs in that order, and
act(P x) = P act(x).
"""

from dataclasses import replace

import numpy as np

from sw.graph.floating import FloatGraph, FloatLayer
from sw.graph.flow import expect

from .layers import select_layers
from .plan import PartitionError, PartitionPlan

__all__ = ["apply_plan"]


def permute_outputs(layer: FloatLayer, order: np.ndarray) -> FloatLayer:
    """Return a layer whose output channel k is the given one's `order[k]`.

    Raises
    ------
    PartitionError
        If the layer is grouped and the order would move channels between groups unevenly.
    """
    if layer.groups != 1:
        raise PartitionError(f"layer {layer.name}: has {layer.groups} groups, so the outputs "
                             "cannot be reordered for the layer after it")
    return replace(layer, weight=layer.weight[order], bias=layer.bias[order])


def permute_inputs(layer: FloatLayer, order: np.ndarray) -> FloatLayer:
    """Return a layer that takes `order[k]` of the original inputs as its input k."""
    if layer.groups != 1:
        raise PartitionError(f"layer {layer.name}: has {layer.groups} groups, so its inputs "
                             "cannot be reordered")
    return replace(layer, weight=layer.weight[:, order])


def _blocks(layer: FloatLayer, plan: PartitionPlan, k: int) -> FloatLayer:
    """The layer's diagonal blocks as groups, channels in partition order."""
    rows, columns = plan.permutation(k + 1), plan.permutation(k)
    out, into = len(rows) // plan.partitions, len(columns) // plan.partitions
    weight = np.empty((len(rows), into, *layer.weight.shape[2:]), np.float32)
    for p in range(plan.partitions):
        mine = rows[p * out:(p + 1) * out]
        theirs = columns[p * into:(p + 1) * into]
        weight[p * out:(p + 1) * out] = layer.weight[np.ix_(mine, theirs)]
    return replace(layer, weight=weight, bias=layer.bias[rows], groups=plan.partitions,
                   pruned=True, dense_macs=layer.macs)


def apply_plan(graph: FloatGraph, plan: PartitionPlan) -> FloatGraph:
    """Return the pruned network: the plan's layers as grouped ones, permutations folded away.

    The function is that of the masked network, and its outputs keep their order.

    Raises
    ------
    PartitionError
        If a permutation cannot be folded into a neighbour, naming it.
    """
    expect(graph, FloatGraph, "apply_plan")
    expect(plan, PartitionPlan, "apply_plan")
    indices = select_layers(graph, plan.layers, plan.partitions)
    layers = list(graph.layers)
    first, last = indices[0], indices[-1]
    order_in, order_out = plan.permutation(0), plan.permutation(len(indices))
    if not np.array_equal(order_in, np.arange(len(order_in))):
        if first == 0:
            raise PartitionError(f"layer {layers[0].name}: is the first, so its inputs cannot be "
                                 "reordered")
        layers[first - 1] = permute_outputs(layers[first - 1], order_in)
    if not np.array_equal(order_out, np.arange(len(order_out))):
        if last + 1 == len(layers):
            raise PartitionError(f"layer {layers[last].name}: is the last, so its outputs cannot "
                                 "be reordered; keep the classifier dense")
        layers[last + 1] = permute_inputs(layers[last + 1], order_out)
    for k, index in enumerate(indices):
        layers[index] = _blocks(layers[index], plan, k)
    return graph.with_layers(layers, f"{graph.name}-p{plan.partitions}")
