"""Pass 0: pack the kernel's taps of a first layer with few channels into idle array rows.

The host writes the input as one channel for each (channel, kernel row, kernel column), which
makes the layer a 1x1 convolution: 3 channels of 3x3 become 27, 4 blocks of 8 rows where plain
channels take 9 blocks that are 3/8 full.
"""

from dataclasses import dataclass, replace

import numpy as np

from hw.config import Config
from sw.graph.integer import Layer

from .geometry import ceil_div
from .nodes import Node, readers_of

__all__ = ["Taps", "pack_input"]


@dataclass(frozen=True)
class Taps:
    """How an input [C, H, W] becomes [C * kernel rows * kernel columns, out H, out W].

    Members: `kernel`, `stride`, `dilation` and `out` (rows, columns), `padding` (top, left), and
    `pad_value`, which that holds.
    """

    kernel: tuple[int, int]
    padding: tuple[int, int]
    stride: tuple[int, int]
    out: tuple[int, int]
    dilation: tuple[int, int] = (1, 1)
    pad_value: int = 0

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Return int8[C * kh * kw, out rows, out columns] of an image int8[C, H, W]."""
        (kh, kw), (sy, sx), (dy, dx) = self.kernel, self.stride, self.dilation
        (top, left), (rows, columns) = self.padding, self.out
        channels, height, width = image.shape
        padded = np.full((channels, max(height + top, (rows - 1) * sy + (kh - 1) * dy + 1),
                          max(width + left, (columns - 1) * sx + (kw - 1) * dx + 1)),
                         self.pad_value, np.int8)
        padded[:, top:top + height, left:left + width] = image
        taps = [padded[:, y:y + (rows - 1) * sy + 1:sy, x:x + (columns - 1) * sx + 1:sx]
                for y in range(0, kh * dy, dy) for x in range(0, kw * dx, dx)]
        return np.stack(taps, 1).reshape(channels * kh * kw, rows, columns)


def pack_input(nodes: tuple[Node, ...], config: Config) -> tuple[tuple[Node, ...], Taps | None]:
    """Return the layers as they run, and how the input is packed if that takes fewer cycles.

    Only an input that one layer reads by itself can be packed.
    """
    readers = readers_of(nodes)[0]
    if not nodes[0].follows or readers != [0] or min(nodes[0].layer.padding) < 0:
        return nodes, None
    first, taps = _pack_taps(nodes[0].layer, config)
    return (nodes[0].running(first), *nodes[1:]), taps


def _pack_taps(layer: Layer, config: Config) -> tuple[Layer, Taps | None]:
    """Return the first layer as it runs, and how its input is packed.

    A tap costs a plane of input to load, so the port may be the reason not to; weights cross it,
    too.
    """
    taps = layer.kernel[0] * layer.kernel[1]
    if layer.groups != 1 or taps == 1:
        return layer, None
    channels = layer.in_shape[0] * taps
    blocks = ceil_div(layer.in_shape[0], config.array.rows)
    packed_blocks = ceil_div(channels, config.array.rows)
    pixels = layer.conv_shape[1] * layer.conv_shape[2]
    outputs = ceil_div(layer.conv_shape[0], config.array.cols)
    tile_bytes = config.tile_chunks * config.chunk_bytes

    def cycles(tiles: int, words: int) -> float:
        moved = words * config.word_pitch_bytes + tiles * outputs * tile_bytes / config.ports
        return max(tiles * ceil_div(outputs, config.instances) * max(pixels, config.tile_chunks),
                   words, moved / config.port.bytes)

    plain = cycles(blocks * taps, blocks * layer.in_shape[1] * layer.in_shape[2])
    if cycles(packed_blocks, packed_blocks * pixels) >= plain:
        return layer, None
    packed = replace(layer, weight=layer.weight.reshape(layer.conv_shape[0], channels, 1, 1),
                     stride=(1, 1), dilation=(1, 1), padding=(0, 0),
                     in_shape=(channels, *layer.conv_shape[1:]))
    return packed, Taps(layer.kernel, layer.padding, layer.stride,
                        (layer.conv_shape[1], layer.conv_shape[2]), layer.dilation,
                        layer.pad_value)
