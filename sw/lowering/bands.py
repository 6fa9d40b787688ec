"""Pass 0: kernels that see more of a map than activation memory holds, as bands of their rows.

A layer that gives one pixel, such as the mean of a map, is one tile, which cannot be cut. Its
kernel can: each band of rows is a read of its own, summed into the same accumulators.
"""

from collections.abc import Iterator
from dataclasses import replace

from hw.config import Config
from sw.graph.integer import Term

from .nodes import Node, Read

__all__ = ["in_bands"]

_BUFFERS = 3  # that a band's block should leave room for


def in_bands(nodes: tuple[Node, ...], config: Config) -> tuple[Node, ...]:
    """Return the layers with kernels in bands where they fit in no other way."""
    found = []
    for node in nodes:
        if node.layer.gives_vector and node.layer.images == 1 and not node.layer.epsilon:
            reads = tuple(band for read in node.reads for band in _bands(read, config))
            node = node if len(reads) == len(node.reads) else replace(node, reads=reads)
        found.append(node)
    return tuple(found)


def _bands(read: Read, config: Config) -> Iterator[Read]:
    conv, unit = read.conv, config.unit_channels // config.array.rows
    room = config.buffers.act_words - unit
    (top, left), step, (_, high, width) = conv.padding, conv.dilation[0], conv.in_shape
    rows = min(high, conv.reach[0])
    if rows * width <= room:
        yield read
        return
    taps = max(1, room // _BUFFERS // width // step)
    for k in range(0, conv.kernel[0], taps):
        weight = conv.weight[:, :, k:k + taps]
        yield replace(read, conv=Term(
            "", weight, conv.stride, (top - k * step, left), conv.groups, conv.in_shape,
            conv.conv_shape, conv.dilation, conv.pad_value))
