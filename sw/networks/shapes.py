"""Networks' layers before there are images for them: what can be told of their shapes."""

from functools import cache

import numpy as np

from sw.graph.floating import FloatGraph
from sw.graph.integer import IntegerGraph, Layer
from sw.prune.apply import apply_plan
from sw.prune.layers import prunable_layers, select_layers
from sw.prune.partition import partition
from sw.quantise.post_training import quantise

from .naming import Origin, origin_of
from .opening import opened
from .seeded import seeded_images

__all__ = ["captured", "check_cut", "shape_graph"]

#: Of the images that a user's network is calibrated on for its shapes.
_SEED, _IMAGES = 1, 2


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


def shape_graph(network: str | Origin, prune: str, partitions: int) -> IntegerGraph:
    """A network's layers: of one that comes with it without weights (all zero, in no memory), of a
    user's quantised on seeded images.

    Raises
    ------
    PartitionError
        If it cannot be cut into so many.
    """
    graph = captured(network)
    names = check_cut(graph, prune, partitions)
    if isinstance(network, Origin) and not network.ours:
        return _quantised(network, tuple(names), partitions)
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
def _quantised(origin: Origin, names: tuple[str, ...], partitions: int) -> IntegerGraph:
    """A user's network with these layers cut."""
    graph = opened(origin).graph
    images = seeded_images(_IMAGES, graph.in_shape, _SEED)
    if names:
        graph = apply_plan(graph, partition(graph, names, partitions, "identity"))
    return quantise(graph, images, equal=False)
