"""Networks' layers before there are images for them: what can be told of their shapes."""

from functools import cache

import numpy as np

from sw.graph.floating import FloatGraph
from sw.graph.integer import IntegerGraph, Layer
from sw.prune.apply import apply_plan
from sw.prune.layers import prunable_layers, select_layers
from sw.prune.partition import partition
from sw.prune.plan import PartitionError, PartitionPlan
from sw.quantise.post_training import quantise

from .names import cut_of
from .naming import Origin, origin_of
from .opening import opened
from .seeded import seeded_images

__all__ = ["NOT_THERE", "captured", "check_cut", "require_cut", "shape_graph"]

#: Of the images that a user's network is calibrated on for its shapes.
_SEED, _IMAGES = 1, 2
#: What a network lacks of which nothing can be pruned.
NOT_THERE = {"fc": "no linear layer but the classifier",
             "all": "no layer between the first and the classifier that is dense"}


def captured(network: str | Origin) -> FloatGraph:
    """A network's float layers; of one that comes with it without weights."""
    return opened(origin_of(network) if isinstance(network, str) else network).graph


def check_cut(graph: FloatGraph, prune: str, partitions: int) -> list[str]:
    """Names of the layers that are pruned, none of one partition.

    Raises
    ------
    PartitionError
        If they cannot be cut into so many.
    """
    names = prunable_layers(graph, prune) if partitions > 1 else []
    if names:
        select_layers(graph, names, partitions)
    return names


def require_cut(graph: FloatGraph, prune: str, partitions: int) -> list[str]:
    """As `check_cut`, where somebody asks for so many: raises PartitionError if there are none,
    too."""
    names = check_cut(graph, prune, partitions)
    if partitions > 1 and not names:
        others = prune == "fc" and prunable_layers(graph, "all")
        raise PartitionError(f"nothing of {graph.name} can be cut: it has {NOT_THERE[prune]}; "
                             "leave --partitions out" + (", or cut its convolutions, with --prune "
                                                         "all of sw.compare" if others else ""))
    return names


def check_stored(name: str, partitions: int, prune: str) -> None:
    """Refuse another pruned form of a network than it comes with; raises PartitionError."""
    stored, what = cut_of(name, partitions, prune)
    if (stored, what) != (partitions, prune):
        raise PartitionError(f"{name} was trained with --partitions {stored} --prune {what}; "
                             f"asked for {partitions} and {prune}: train another with sw.train")


def shape_graph(network: str | Origin, prune: str, partitions: int,
                plan: PartitionPlan | None = None) -> IntegerGraph:
    """A network's layers: of one that comes with it without weights (all zero, in no memory), of a
    user's quantised on seeded images, and pruned by a `plan` if there is one.

    Raises
    ------
    PartitionError
        If it cannot be cut into so many, or comes trained in another number.
    """
    if isinstance(network, str) and partitions > 1:
        check_stored(network, partitions, prune)
    graph = captured(network)
    if plan is not None and isinstance(network, Origin):
        return _quantised(network, (), plan.partitions, plan)
    names = check_cut(graph, prune, partitions)
    if isinstance(network, Origin) and not network.ours:
        return _quantised(network, tuple(names), partitions, None)
    chosen = set(select_layers(graph, names, partitions)) if names else set()
    layers = []
    for k, x in enumerate(graph.layers):
        groups = partitions if k in chosen else x.groups
        out, inputs, height, width = x.weight.shape
        shape = (out, inputs * x.groups // groups, height, width)

        def zeros(dtype, shape=(out,)):
            return np.broadcast_to(np.zeros((), dtype), shape)

        layers.append(Layer(
            x.name, zeros(np.int8, shape), zeros(np.int32), zeros(np.uint16), zeros(np.uint8),
            0 if x.low == 0 else -128, 127, x.stride, x.padding, groups, x.in_shape, x.conv_shape,
            x.out_shape, x.pool, pruned=k in chosen, dilation=x.dilation))
    return IntegerGraph(graph.name, tuple(layers), 1.0, 1.0)


@cache
def _quantised(origin: Origin, names: tuple[str, ...], partitions: int,
               plan: PartitionPlan | None) -> IntegerGraph:
    """A user's network pruned by a plan, or else with these layers cut."""
    graph = opened(origin).graph
    images = seeded_images(_IMAGES, graph.in_shape, _SEED)
    if plan or names:
        graph = apply_plan(graph, plan or partition(graph, names, partitions, "identity"))
    return quantise(graph, images, equal=False)
