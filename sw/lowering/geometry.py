"""Which of a convolution and of its input a tile of outputs needs, and other layer arithmetic."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hw.config import Config
from sw.graph.convolution import Convolution
from sw.graph.integer import Layer, Pool

from .nodes import Node

__all__ = ["Span", "Spans", "Stripe", "Window", "ceil_div", "cut", "largest", "output_blocks",
           "output_words", "parts", "size", "span", "spans", "stripe", "tiles"]


def ceil_div(a: int, b: int) -> int:
    """Quotient of non-negative integers, rounded up."""
    return -(-a // b)


def parts(start: int, stop: int, count: int) -> list[tuple[int, int]]:
    """Cut a range into `count` parts of nearly equal length; some are empty if it is short."""
    length = stop - start
    return [(start + k * length // count, start + (k + 1) * length // count)
            for k in range(count)]


@dataclass(frozen=True)
class Span:
    """What a range of outputs along one axis, rows or columns, takes of a value.

    Members: `out` outputs (after pooling), `conv` those before pooling, `read` of the input, each
    (first, past the last); `pad`, how much padding before input `read[0]` conv `conv[0]` starts
    at; `pool`, how much of pooling's padding lies before conv `conv[0]`.
    """

    out: tuple[int, int]
    conv: tuple[int, int]
    read: tuple[int, int]
    pad: int
    pool: int


@dataclass(frozen=True)
class Window:
    """What a tile of outputs takes of one of the values that its layer reads."""

    rows: Span
    columns: Span

    @property
    def pixels(self) -> int:
        """Of the convolution: accumulators."""
        return size(self.rows.conv) * size(self.columns.conv)

    @property
    def plane(self) -> int:
        """Words of an input block."""
        return size(self.rows.read) * size(self.columns.read)


#: A tile of outputs: what it takes of each of the layer's reads. Mostly its rows are whole ones.
Stripe = tuple[Window, ...]
#: The same along one axis.
Spans = tuple[Span, ...]


def size(of: tuple[int, int]) -> int:
    """Length of a range (first, past the last)."""
    return of[1] - of[0]


def largest(spans: Iterable[Spans], what: str, r: int = 0) -> int:
    """Most that any of them has of one of the members of `Span`, for read r."""
    return max(size(getattr(of[r], what)) for of in spans)


def cut(node: Node, axis: int, outputs: tuple[int, int], count: int) -> tuple[Spans, ...]:
    """Cut output rows (axis 0) or columns (1) into `count` parts, or as many as there are."""
    return tuple(spans(node, axis, a, b) for a, b in parts(*outputs, count) if a < b)


def tiles(rows: Iterable[Spans], columns: Sequence[Spans]) -> tuple[Stripe, ...]:
    """All tiles of some rows and columns, row by row."""
    return tuple(tuple(map(Window, high, wide)) for high in rows for wide in columns)


def stripe(node: Node, rows: tuple[int, int]) -> Stripe:
    """What whole output rows need."""
    return tiles(cut(node, 0, rows, 1), cut(node, 1, (0, node.layer.out_shape[2]), 1))[0]


def spans(node: Node, axis: int, first: int, past: int) -> Spans:
    """Return what output rows (axis 0) or columns (1) first..past-1 need of each of the reads."""
    if (found := node.spans.get((axis, first, past))) is not None:
        return found
    pool, of = node.layer.pool, list[Span]()
    whole = axis and (first, past) == (0, node.layer.out_shape[2]) and node.takes_rows
    for r, source in enumerate(node.sources):
        conv = node.reads[r].conv
        if r != source:
            of.append(of[source])
        elif whole:  # all that there is, needed or not
            of.append(Span((first, past), (0, conv.conv_shape[2]), (0, conv.in_shape[2]),
                           conv.padding[1], 0 if pool is None else pool.padding[1]))
        else:
            of.append(span(conv, pool, axis, first, past))
    found = node.spans[axis, first, past] = tuple(of)
    return found


def span(of: Convolution, pool: Pool | None, axis: int, first: int, past: int) -> Span:
    """Return what output rows (axis 0) or columns (1) first..past-1 need of a convolution's
    input."""
    outs, ins = of.conv_shape[1 + axis], of.in_shape[1 + axis]
    if pool is None:
        conv, pooled = (first, past), 0
    else:
        stride, before, size = pool.stride[axis], pool.padding[axis], pool.kernel[axis]
        conv = max(0, first * stride - before), min(outs, (past - 1) * stride - before + size)
        pooled = before - first * stride + conv[0]
    pad, step = of.padding[axis], of.stride[axis]
    low = min(max(0, conv[0] * step - pad), ins - 1)
    high = min(ins, max(low + 1, (conv[1] - 1) * step - pad + of.reach[axis]))
    # Beyond the map all is padding, however far.
    return Span((first, past), conv, (low, high), max(pad - conv[0] * step + low, low - high),
                pooled)


def output_blocks(layer: Layer, config: Config) -> int:
    """Blocks of `cols` output channels."""
    return ceil_div(layer.conv_shape[0], config.array.cols)


def output_words(layer: Layer, config: Config) -> int:
    """Word blocks of `rows` output channels."""
    return ceil_div(layer.conv_shape[0], config.array.rows)
