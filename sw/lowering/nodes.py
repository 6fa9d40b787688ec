"""Pass 0: what each layer reads, its values by number and the convolutions that they go through.

A layer's accumulators are the sum of its reads: its own convolution and those of its terms. A read
of a join takes its parts side by side: each begins on a word of its own, and no weight meets what
fills a part's last word. A join that interleaves is so once it is loaded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sw.graph.convolution import Convolution
from sw.graph.integer import INPUT, IntegerGraph, Layer

__all__ = ["Node", "Read", "nodes_of", "readers_of"]


@dataclass(frozen=True, eq=False)
class Read:
    """One of the convolutions whose sums a layer adds.

    Members: `conv`, which is the layer itself or one of its terms; the `values` that it reads, 0
    for the network's input and k + 1 for layer k's output, and how many `channels` each has; `by`
    how many rows and columns of a join their pixels are in turn, or are `tiled`, which then is of
    the channels of one.
    """

    conv: Convolution
    values: tuple[int, ...]
    channels: tuple[int, ...]
    by: tuple[int, int] = (1, 1)
    tiled: bool = False

    @property
    def value(self) -> int | None:
        """The value, if it is one and not a join."""
        return self.values[0] if len(self.values) == 1 else None

    @property
    def apart(self) -> bool:
        """Whether neighbours in a row come from different places."""
        return self.by[1] > 1 and not self.tiled

    @property
    def taps(self) -> int:
        """Taps of its kernel: tiles of an input block for each output block."""
        return self.conv.kernel[0] * self.conv.kernel[1]

    @property
    def way(self) -> tuple:
        """Equal for reads that take the same input in the same way, with other weights."""
        conv = self.conv
        return (self.values, self.by, self.tiled, conv.kernel, tuple(conv.stride),
                tuple(conv.dilation), tuple(conv.padding), conv.pad_value, conv.groups)

    def words(self, word: int) -> int:
        """Words of `word` channels that a pixel has."""
        return sum(-(-count // word) for count in self.channels)

    def span(self, first: int, past: int, word: int) -> tuple[int, int]:
        """Word blocks, first and past, that hold channels first..past-1."""
        return self._word(first, word), self._word(past - 1, word) + 1

    def _word(self, channel: int, word: int) -> int:
        words = 0
        for count in self.channels:
            if channel < count:
                break
            channel -= count
            words += -(-count // word)
        return words + channel // word

    def places(self, word: int) -> np.ndarray:
        """int64[channels]: where each channel lies among those of all words."""
        starts = np.cumsum([0, *(-(-count // word) * word for count in self.channels[:-1])])
        return np.concatenate([start + np.arange(count) for start, count in
                               zip(starts, self.channels, strict=True)])

    def parts(self, span: tuple[int, int], word: int) -> Iterator[tuple[int, int, int, int]]:
        """What a span of word blocks is made of, of a join of channels: a value, the first and past
        of its own word blocks, and the first of them as the read counts."""
        at = 0
        for value, count in zip(self.values, self.channels, strict=True):
            size = -(-count // word)
            first, past = max(span[0], at), min(span[1], at + size)
            if first < past:
                yield value, first - at, past - at, first
            at += size


@dataclass(frozen=True, eq=False)
class Node:
    """A layer, as it runs, and its reads: first its own, then its terms'. Its `number` is that of
    the value before it, too; the network gives what it gives if it is an `end`. `factors` is the
    value that holds its requantisation parameters, which is none of its reads: it is stored in its
    weight stream."""

    number: int
    layer: Layer
    reads: tuple[Read, ...]
    factors: int | None = None
    end: bool = False

    @property
    def follows(self) -> bool:
        """Whether it reads what lies before it and nothing else, as in a chain."""
        return self.factors is None and len(self.reads) == 1 \
            and self.reads[0].value == self.number

    @property
    def takes_rows(self) -> bool:
        """Whether it takes whole rows, where it is not cut: no padding below 0 crops any read. They
        are summed, so where one is cropped all are no larger than is needed."""
        return all(read.conv.padding[1] >= 0 for read in self.reads)

    def reads_of(self, value: int) -> list[int]:
        """Numbers of the reads that take this value and no join, in whole rows."""
        return [r for r, read in enumerate(self.reads) if read.value == value and self.takes_rows]

    def running(self, layer: Layer) -> "Node":
        """The same with its own convolution changed, whose input is one value."""
        own = replace(self.reads[0], conv=layer, channels=(layer.in_shape[0],))
        return replace(self, layer=layer, reads=(own, *self.reads[1:]))

    @cached_property
    def sources(self) -> tuple[int, ...]:
        """For each read the first that takes the same input in the same way: what is loaded for it
        is there for the others, too."""
        ways = [read.way for read in self.reads]
        return tuple(ways.index(way) for way in ways)

    @cached_property
    def spans(self) -> dict[tuple[int, int, int], tuple]:
        """What ranges of its output rows or columns take, as far as that has been asked for."""
        return {}

    @cached_property
    def values(self) -> frozenset[int]:
        """All values that it reads."""
        return frozenset(value for read in self.reads for value in read.values)


def nodes_of(graph: IntegerGraph) -> tuple[Node, ...]:
    """Number a network's values."""
    numbers = {INPUT: 0} | {layer.name: k for k, layer in enumerate(graph.layers, 1)}
    nodes = []
    for k, layer in enumerate(graph.layers):
        reads = []
        for conv, source in zip((layer, *layer.terms), graph.sources(k), strict=True):
            parts, by = graph.parts(source), graph.by(source)
            reads.append(Read(conv, tuple(numbers[part] for part in parts), tuple(
                graph.value_shape(part)[0] for part in (parts if by == (1, 1) else parts[:1])),
                by, graph.tiled(source)))
        nodes.append(Node(k, layer, tuple(reads),
                          None if layer.factors is None else numbers[layer.factors],
                          layer.name in graph.ends))
    return tuple(nodes)


def readers_of(nodes: Sequence[Node]) -> list[list[int]]:
    """Of each value the layers that read it, in turn."""
    readers: list[list[int]] = [[] for _ in range(len(nodes) + 1)]
    for k, node in enumerate(nodes):
        for value in node.values:
            readers[value].append(k)
    return readers
