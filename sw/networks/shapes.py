"""Networks without weights: their layers by name and width, in no time and in no memory."""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import nn

from sw.frontend.torch import capture
from sw.graph.floating import FloatGraph
from sw.graph.integer import IntegerGraph, Layer
from sw.prune.layers import prunable_layers, select_layers

from .architectures import DIGITS_SHAPE, TINYVGG16_SHAPE, slim_digits, tinyvgg16

__all__ = ["bare_graph", "captured", "shape_graph"]

#: Network -> what makes its module, and the shape of its input.
SHAPES: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int]]] = {
    "tinyvgg16": (tinyvgg16, TINYVGG16_SHAPE),
    "tinyvgg16-slim": (lambda: tinyvgg16(width=0.125, classes=20, batch_norm=True),
                       TINYVGG16_SHAPE),
    "digits": (slim_digits, DIGITS_SHAPE),
}


def bare_graph(make: Callable[[], nn.Module], in_shape: tuple[int, int, int],
               name: str) -> FloatGraph:
    """Capture a network whose weights are all zero, without drawing random ones first."""
    with torch.device("meta"):
        net = make()
    net = net.to_empty(device="cpu")
    for tensor in (*net.parameters(), *net.buffers()):
        tensor.data.zero_()
    return capture(net, in_shape, name)


@cache
def captured(network: str) -> FloatGraph:
    """One of `SHAPES`, without weights."""
    return bare_graph(*SHAPES[network], network)


def shape_graph(network: str, prune: str, partitions: int) -> IntegerGraph:
    """A network's layers without weights (all zero, in no memory).

    Raises
    ------
    PartitionError
        If it cannot be cut into so many.
    """
    graph = captured(network)
    graph.require_chain("shape_graph")
    names = prunable_layers(graph, prune) if partitions > 1 else []
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
