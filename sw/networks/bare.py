"""Networks that come with the product without their weights: all zero, in no time."""

from collections.abc import Callable

import torch
from torch import nn

from sw.frontend.torch import capture
from sw.graph.floating import FloatGraph

from .architectures import DIGITS_SHAPE, TINYVGG16_SHAPE, slim_digits, tinyvgg16

__all__ = ["bare_graph", "bare_network"]

#: Network -> what makes its module, and the shape of its input.
SHAPES: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int]]] = {
    "tinyvgg16": (tinyvgg16, TINYVGG16_SHAPE),
    "tinyvgg16-slim": (lambda: tinyvgg16(width=0.25, classes=200, batch_norm=True),
                       TINYVGG16_SHAPE),
    "digits": (slim_digits, DIGITS_SHAPE),
}


def bare_network(name: str) -> tuple[nn.Module, tuple[int, int, int]]:
    """One of `SHAPES`, and the shape of its input."""
    make, in_shape = SHAPES[name]
    return _bare(make), in_shape


def bare_graph(make: Callable[[], nn.Module], in_shape: tuple[int, int, int],
               name: str) -> FloatGraph:
    """Capture a network whose weights are all zero, without drawing random ones first."""
    return capture(_bare(make), in_shape, name)


def _bare(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        net = make()
    net = net.to_empty(device="cpu")
    for tensor in (*net.parameters(), *net.buffers()):
        tensor.data.zero_()
    return net
