"""What no layer can do, by the node's name, with what would run instead."""

import math
from collections.abc import Mapping, Sequence
from typing import NoReturn

from sw.graph.floating import FloatGraph
from sw.ir.errors import UnsupportedLayer
from sw.ir.graph import Node
from sw.ir.operators import AvgPool, Conv, MaxPool, Pad, Shape

__all__ = ["check_conv", "check_given", "check_pad", "check_pool", "check_steps", "check_window",
           "factored", "refuse", "refuse_product", "steps_of"]

#: What an instruction can hold.
_MOST_STRIDE, _MOST_PADDING, _MOST_KERNEL, _MOST_POOL, _MOST_DILATION = 15, 127, 255, 15, 127


def refuse(node: Node, why: str) -> NoReturn:
    """Raise UnsupportedLayer with the node's name."""
    raise UnsupportedLayer(f"layer {node.name}: {why}")


def steps_of(node: Node, stride: Sequence[int], shape: Shape) -> tuple[int, int]:
    """The stride (rows, columns), 1 where an axis has one place only."""
    rows, columns = (step if places > 1 else 1
                     for step, places in zip(stride, shape[1:], strict=True))
    if not 1 <= min(rows, columns) <= max(rows, columns) <= _MOST_STRIDE:
        refuse(node, f"stride is {list(stride)}; it must be from 1 to {_MOST_STRIDE}")
    return rows, columns


def check_conv(node: Node, op: Conv) -> tuple[int, int]:
    """The dilation (rows, columns), 1 where the kernel has one tap only; raise UnsupportedLayer
    unless it and the sizes can be had."""
    kernel = op.weight.shape[2:]
    rows, columns = (d if k > 1 else 1 for d, k in zip(op.dilation, kernel, strict=True))
    if not 1 <= min(rows, columns) <= max(rows, columns) <= _MOST_DILATION:
        refuse(node, f"dilation is {list(op.dilation)}; it must be from 1 to {_MOST_DILATION}")
    _check_sizes(node, op.padding[:2], kernel)
    return rows, columns


def _check_sizes(node: Node, padding: Sequence[int], kernel: Sequence[int]) -> None:
    if max(padding) > _MOST_PADDING or max(kernel) > _MOST_KERNEL:
        refuse(node, f"padding {list(padding)} or kernel {list(kernel)} is larger than an "
                     "instruction can hold (127 and 255)")


def check_pad(node: Node, op: Pad) -> None:
    """Raise UnsupportedLayer for a border of what is no number."""
    _check_sizes(node, op.border[:2], (1, 1))
    if not math.isfinite(op.value):
        refuse(node, f"pads with {op.value:g}; only numbers run, and -inf before max pooling")


def check_pool(node: Node, op: MaxPool, shape: Shape) -> tuple[int, int]:
    """The stride of a max pool; raise UnsupportedLayer where it cannot run."""
    if max(op.kernel) > _MOST_POOL:
        refuse(node, f"pooling window is {list(op.kernel)}; it must be at most {_MOST_POOL}")
    return steps_of(node, op.stride, shape)


def check_window(node: Node, op: AvgPool) -> None:
    """Raise UnsupportedLayer unless the sizes of an average pool can be had."""
    _check_sizes(node, op.padding[:2], op.kernel)


def factored(node: Node, shapes: Mapping[str, Shape]) -> list[tuple[str, str]]:
    """Of a product's operands the map and the one number for each of its channels, either way where
    it may be."""
    x, y = node.inputs
    ways = [(a, by) for a, by in ((x, y), (y, x)) if shapes[by][1:] == (1, 1)]
    return ways or refuse_product(node)


def refuse_product(node: Node) -> NoReturn:
    """Raise UnsupportedLayer for a product of two values that no layer can do."""
    refuse(node, "multiplies two values of the network; one number for each channel runs, stored "
                 "or computed (of a model that is not quantised yet), and functions of one value, "
                 "such as x * sigmoid(x)")


_WHOLE = "quantise the whole model, the results of all its nodes, or nothing"


def check_steps(node: Node, op: Conv, quantised: bool) -> None:
    """Raise UnsupportedLayer for real weights in a quantised model, or the other way round."""
    if quantised and op.steps is None:
        refuse(node, f"its weights are real numbers in a quantised model; {_WHOLE}")
    if not quantised and op.steps is not None:
        refuse(node, f"its weights are quantised, and nothing else of the model is; {_WHOLE}")


def check_given(graph: FloatGraph) -> None:
    """Raise UnsupportedLayer unless all of a quantised model's values are held as int8."""
    if graph.given is None:
        raise UnsupportedLayer(f"network {graph.name}: its input is not quantised; {_WHOLE}")
    for layer in graph.layers:
        if layer.given is None:
            raise UnsupportedLayer(f"layer {layer.name}: what it gives is not quantised; {_WHOLE}")
    for join in graph.joins:
        if len({graph.layer(part).given for part in join.sources}) > 1:
            raise UnsupportedLayer(f"layer {join.name}: what it joins has different scales; "
                                   "quantise its output, too")
