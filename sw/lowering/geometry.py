"""Which conv rows and input rows a range of output rows needs, and other layer arithmetic."""

from dataclasses import dataclass

from hw.config import Config
from sw.graph.convolution import Convolution
from sw.graph.integer import Layer, Pool

from .nodes import Node

__all__ = [
    "Stripe",
    "Window",
    "ceil_div",
    "cut",
    "output_blocks",
    "output_words",
    "parts",
    "stripe",
    "window",
]


def ceil_div(a: int, b: int) -> int:
    """Quotient of non-negative integers, rounded up."""
    return -(-a // b)


def parts(start: int, stop: int, count: int) -> list[tuple[int, int]]:
    """Cut a range into `count` parts of nearly equal length; some are empty if it is short."""
    length = stop - start
    return [(start + k * length // count, start + (k + 1) * length // count)
            for k in range(count)]


@dataclass(frozen=True)
class Window:
    """What one range of output rows takes of one of the values that its layer reads.

    Members: `out` output rows (after pooling), `conv` rows before pooling, `rows` of the input,
    each (first, past the last); `pad_top` rows of padding above input row `rows[0]` where conv row
    `conv[0]` starts; `pool_top` pooling rows above conv row `conv[0]`.
    """

    out: tuple[int, int]
    conv: tuple[int, int]
    rows: tuple[int, int]
    pad_top: int
    pool_top: int


#: A range of output rows: what it takes of each of the layer's reads.
Stripe = tuple[Window, ...]


def cut(node: Node, rows: tuple[int, int], count: int) -> tuple[Stripe, ...]:
    """Cut output rows into `count` stripes, or as many as there are rows."""
    return tuple(stripe(node, a, b) for a, b in parts(*rows, count) if a < b)


def stripe(node: Node, first: int, past: int) -> Stripe:
    """Return what output rows first..past-1 need."""
    if (found := node.stripes.get((first, past))) is not None:
        return found
    windows: list[Window] = []
    for r, source in enumerate(node.sources):
        windows.append(window(node.reads[r].conv, node.layer.pool, first, past) if r == source
                       else windows[source])
    found = node.stripes[first, past] = tuple(windows)
    return found


def window(of: Convolution, pool: Pool | None, first: int, past: int) -> Window:
    """Return what output rows first..past-1 need of a convolution's input."""
    conv_rows, in_rows = of.conv_shape[1], of.in_shape[1]
    if pool is None:
        conv, pool_top = (first, past), 0
    else:
        stride, top, size = pool.stride[0], pool.padding[0], pool.kernel[0]
        conv = max(0, first * stride - top), min(conv_rows, (past - 1) * stride - top + size)
        pool_top = top - first * stride + conv[0]
    pad, step = of.padding[0], of.stride[0]
    low = min(max(0, conv[0] * step - pad), in_rows - 1)
    high = min(in_rows, max(low + 1, (conv[1] - 1) * step - pad + of.reach[0]))
    # Below the map all is padding, however far.
    above = max(pad - conv[0] * step + low, low - high)
    return Window((first, past), conv, (low, high), above, pool_top)


def output_blocks(layer: Layer, config: Config) -> int:
    """Blocks of `cols` output channels."""
    return ceil_div(layer.conv_shape[0], config.array.cols)


def output_words(layer: Layer, config: Config) -> int:
    """Word blocks of `rows` output channels."""
    return ceil_div(layer.conv_shape[0], config.array.rows)
