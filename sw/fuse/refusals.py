"""What no layer can do, by the node's name, with what would run instead."""

from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from sw.ir.errors import UnsupportedLayer
from sw.ir.graph import Node
from sw.ir.operators import AvgPool, Conv, MaxPool, Shape

__all__ = ["check_conv", "check_pool", "check_window", "one_stride", "refuse"]

#: What an instruction can hold.
_MOST_STRIDE, _MOST_PADDING, _MOST_KERNEL, _MOST_POOL = 15, 127, 255, 15


def refuse(node: Node, why: str) -> NoReturn:
    """Raise UnsupportedLayer with the node's name."""
    raise UnsupportedLayer(f"layer {node.name}: {why}")


def one_stride(node: Node, stride: Sequence[int], shape: Shape) -> int:
    """The stride of both axes; where an axis has one place only, it is the other's."""
    moving = {step for step, places in zip(stride, shape[1:], strict=True) if places > 1} or {1}
    if len(moving) > 1 or not 1 <= max(moving) <= _MOST_STRIDE:
        refuse(node, f"stride is {list(stride)}; it must be the same both ways, 1 to 15")
    return max(moving)


def check_conv(node: Node, op: Conv) -> None:
    """Raise UnsupportedLayer unless the convolution's dilation and sizes can be had."""
    kernel = op.weight.shape[2:]
    dilation = [d for d, k in zip(op.dilation, kernel, strict=True) if k > 1]
    if any(d != 1 for d in dilation):
        refuse(node, f"dilation is {list(op.dilation)}; only 1 is supported: insert zeros between "
                     "the weights of its kernel")
    _check_sizes(node, op.padding[:2], kernel)


def _check_sizes(node: Node, padding: Sequence[int], kernel: Sequence[int]) -> None:
    if max(padding) > _MOST_PADDING or max(kernel) > _MOST_KERNEL:
        refuse(node, f"padding {list(padding)} or kernel {list(kernel)} is larger than an "
                     "instruction can hold (127 and 255)")


def check_pool(node: Node, op: MaxPool, shape: Shape) -> int:
    """The stride of a max pool; raise UnsupportedLayer where it cannot run."""
    moving = {step for step, places in zip(op.stride, shape[1:], strict=True) if places > 1}
    stride = max(moving or {1})
    if len(moving) > 1 or max(*op.kernel, stride) > _MOST_POOL:
        refuse(node, f"pooling window {list(op.kernel)} with stride {list(op.stride)}; the stride "
                     "must be the same both ways, and both at most 15")
    return stride


def check_window(node: Node, op: AvgPool, source: Shape) -> int:
    """How many values each window of an average pool has; raise UnsupportedLayer where that
    differs."""
    _check_sizes(node, op.padding[:2], op.kernel)
    counts = np.unique(op.counts(source))
    if len(counts) > 1:
        remedy = "take ceil_mode=False, or pad the map" if op.count_padding else \
            "take count_include_pad=True, or no padding"
        refuse(node, f"averages windows of {counts[0]} to {counts[-1]} values; all must have as "
                     f"many: {remedy}")
    return int(counts[0])
