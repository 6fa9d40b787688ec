"""How a layer can be cut: which instance computes which output channels and rows of it."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from hw.config import Config
from sw.graph.integer import Layer

from .geometry import ceil_div, output_blocks, output_words, parts, span, stripe
from .nodes import Node, Read

__all__ = ["Item", "Option", "Reading", "Split", "is_local", "is_resident", "make_item",
           "promising", "resident_pairs", "work_of"]

#: Cycles that a barrier with the store before it and the load after it are taken to cost.
_BOUNDARY_CYCLES = 300
#: Words and rows, first and past, that any others hold and that hold no others.
_NOTHING = 1 << 30, -1, 1 << 30, -1
_CANDIDATES = 6  # splits of a layer that are combined with those of its neighbours


@dataclass(frozen=True)
class Segment:
    """Neighbouring output blocks that read the same input word blocks; (first, past)."""

    blocks: tuple[int, int]
    inputs: tuple[int, int]


@dataclass(frozen=True)
class Reading:
    """What an item takes of one of its layer's reads.

    Members: `inputs`, the hull (first, past) of the segments' input word blocks; `segments` in
    order of their blocks.
    """

    inputs: tuple[int, int]
    segments: tuple[Segment, ...]

    def of_block(self, block: int) -> tuple[int, int]:
        """Input word blocks that an output block reads."""
        return next(s.inputs for s in self.segments if s.blocks[0] <= block < s.blocks[1])

    @property
    def pairs(self) -> int:
        """Pairs of an output block and an input word block that it reads."""
        return sum((s.blocks[1] - s.blocks[0]) * (s.inputs[1] - s.inputs[0])
                   for s in self.segments)


@dataclass(frozen=True)
class Item:
    """One instance's part of a layer.

    Members: `blocks` of `cols` output channels, `words` of `rows` output channels, `rows` of
    the output after pooling, each (first, past); what it takes of each of the layer's `reads`.
    """

    blocks: tuple[int, int]
    words: tuple[int, int]
    rows: tuple[int, int]
    reads: tuple[Reading, ...]


@dataclass(frozen=True)
class Split:
    """A layer's items, one or None for each instance, and how they were chosen."""

    kind: str
    items: tuple[Item | None, ...]


@dataclass(frozen=True)
class Option:
    """A split over at most `count` instances with its estimated cycles, what it reads of the layer
    before `resident` or `moved` there."""

    split: Split
    count: int
    moved: float
    resident: float


def promising(node: Node, config: Config, count: int) -> list[Option]:
    """Splits over `count` instances that are worth combining: those that are cheapest if their
    input is moved, and those by channels alone."""
    options, kept = [], frozenset(node.reads_of(node.number))
    for split in _candidates(node, config, count):
        work = work_of(node, config, split)
        options.append(Option(split, count, _estimate(work, config, frozenset()),
                              _estimate(work, config, kept)))
    order = sorted(range(len(options)), key=lambda k: (options[k].moved, k))
    chosen = {*order[:_CANDIDATES], *(k for k, x in enumerate(options)
                                      if x.split.kind in ("one", "channels", "groups"))}
    return [options[k] for k in sorted(chosen)]


def is_resident(node: Node, number: int, before: Split, split: Split) -> bool:
    """Whether each instance made all of the value that its item's read of this number takes."""
    return bool(resident_pairs(node, number, [before], [split])[0, 0])


def resident_pairs(node: Node, number: int, before: Sequence[Split], splits: Sequence[Split],
                   ) -> np.ndarray:
    """bool[before, splits]: `is_resident` of each pair."""
    conv, pool = node.reads[number].conv, node.layer.pool
    rows = {i.rows: span(conv, pool, 0, *i.rows).read
            for s in splits for i in s.items if i is not None}
    made = np.array([[_NOTHING if i is None else (*i.words, *i.rows) for i in s.items]
                     for s in before])[:, None]
    read = np.array([[_NOTHING if i is None else (*i.reads[number].inputs, *rows[i.rows])
                      for i in s.items] for s in splits])
    inside = (made[..., ::2] <= read[..., ::2]) & (read[..., 1::2] <= made[..., 1::2])
    return np.all(inside, axis=(-2, -1))


def is_local(node: Node, number: int, source: Layer, before: Split, split: Split) -> bool:
    """As `is_resident`, or it made all of it image by image before the layer takes a batch."""
    if node.layer.images == source.images:
        return is_resident(node, number, before, split)
    whole = (0, source.out_shape[1])
    return all(item is None or (made is not None
                                and _inside(item.reads[number].inputs, made.words)
                                and made.rows == whole)
               for made, item in zip(before.items, split.items, strict=True))


def _inside(inner: tuple[int, int], outer: tuple[int, int]) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _candidates(node: Node, config: Config, n: int) -> Iterator[Split]:
    seen, layer = set(), node.layer
    # Rows of different images on different instances would take each weight to all of them.
    most_parts = min(n, layer.out_shape[1]) if layer.images == 1 else 1
    for row_parts in range(1, most_parts + 1):
        channel_parts = n // row_parts
        rows = parts(0, layer.out_shape[1], row_parts)
        for kind, bounds in _channel_bounds(layer, config, channel_parts):
            key = (row_parts, tuple(bounds))
            if key in seen:
                continue
            seen.add(key)
            items = [None if item is None else replace(item, rows=r)
                     for item in (make_item(node, config, channels, rows[0])
                                  for channels in bounds) for r in rows]
            name = kind if row_parts == 1 else "rows" if len(bounds) == 1 else f"{kind} x rows"
            yield Split("one" if n == 1 else name,
                        tuple(items + [None] * (config.instances - len(items))))


def _channel_bounds(layer: Layer, config: Config, count: int,
                    ) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Ways to cut the units of `unit_channels` output channels into at most `count` ranges."""
    unit = config.unit_channels
    units = ceil_div(layer.conv_shape[0], unit)
    groups, per_group = layer.groups, layer.conv_shape[0] // layer.groups
    if groups > 1:
        cuts = []
        if groups >= count:
            cuts = [g * per_group for g, _ in parts(0, groups, count)]
        else:
            for g, (first, past) in enumerate(parts(0, count, groups)):
                cuts += [g * per_group + a for a, _ in parts(0, per_group, past - first)]
        marks = [min(units, (c + unit // 2) // unit) for c in cuts] + [units]
        yield "groups", list(pairwise(marks))
    yield "channels", parts(0, units, count)


def make_item(node: Node, config: Config, units: tuple[int, int], rows: tuple[int, int],
              ) -> Item | None:
    """Part of a layer: units of `unit_channels` output channels, and rows after pooling, each
    (first, past); None if there is nothing in it."""
    cols, word, layer = config.array.cols, config.array.rows, node.layer
    per_blocks, per_words = config.unit_channels // cols, config.unit_channels // word
    blocks = units[0] * per_blocks, min(units[1] * per_blocks, output_blocks(layer, config))
    words = units[0] * per_words, min(units[1] * per_words, output_words(layer, config))
    if blocks[0] >= blocks[1] or rows[0] >= rows[1]:
        return None
    return Item(blocks, words, rows, tuple(_reading(read, blocks, cols, word)
                                           for read in node.reads))


def _reading(read: Read, blocks: tuple[int, int], cols: int, word: int) -> Reading:
    conv = read.conv
    out, per_out = conv.conv_shape[0], conv.conv_shape[0] // conv.groups
    per_in = conv.in_shape[0] // conv.groups
    segments: list[Segment] = []
    for block in range(*blocks) if conv.groups > 1 else ():
        first = block * cols // per_out
        last = (min((block + 1) * cols, out) - 1) // per_out
        inputs = read.span(first * per_in, (last + 1) * per_in, word)
        if segments and segments[-1].inputs == inputs:
            segments[-1] = Segment((segments[-1].blocks[0], block + 1), inputs)
        else:
            segments.append(Segment((block, block + 1), inputs))
    if conv.groups == 1:
        segments.append(Segment(blocks, (0, read.words(word))))
    hull = min(s.inputs[0] for s in segments), max(s.inputs[1] for s in segments)
    return Reading(hull, tuple(segments))


@dataclass(frozen=True)
class Work:
    """What a split asks of the hardware at least.

    Members: cycles of each instance's array (`arrays`), words that each one's load unit moves of
    each read, those that the busiest store unit moves, and each port's bytes of weights, of
    outputs and of each read.
    """

    arrays: tuple[int, ...]
    load_words: tuple[tuple[int, ...], ...]
    store_words: int
    ports: tuple[tuple[int, ...], ...]

    def port_cycles(self, config: Config, *, resident: Collection[int], stores: bool,
                    ) -> list[float]:
        """Cycles of each port; of `resident` reads nothing crosses it, of outputs if they are
        stored."""
        return [(weights + stores * outputs
                 + sum(size for r, size in enumerate(reads) if r not in resident))
                / config.port.bytes for weights, outputs, *reads in self.ports]

    def loads(self, resident: Collection[int]) -> int:
        """Words that the busiest load unit moves."""
        return max(sum(size for r, size in enumerate(reads) if r not in resident)
                   for reads in self.load_words)


def work_of(node: Node, config: Config, split: Split) -> Work:
    """Count a split's work."""
    layer, pitch, count = node.layer, config.word_pitch_bytes, len(node.reads)
    tile = config.tile_chunks * config.chunk_bytes
    params = config.param_chunks * config.chunk_bytes
    tables = 0 if layer.table is None else config.table_chunks * config.chunk_bytes
    arrays, load_words, store_words = [], [], 0
    moved: list[dict[tuple, int]] = [{} for _ in range(2 + count)]
    ports: list[tuple[int, ...]] = []
    stripes_of = {rows: stripe(node, rows) for rows in {i.rows for i in split.items if i}}
    for item in split.items:
        if item is None:
            arrays.append(0)
            load_words.append((0,) * count)
            ports.append((0,) * (2 + count))
            continue
        windows = stripes_of[item.rows]
        pixels = windows[0].pixels
        stripes = ceil_div(pixels, config.buffers.acc_depth)
        tiles = sum(reading.pairs * read.taps
                    for reading, read in zip(item.reads, node.reads, strict=True))
        arrays.append(tiles * max(pixels, stripes * config.tile_chunks))
        blocks = item.blocks[1] - item.blocks[0]
        weights = stripes * (tiles * tile + blocks * params + tables * (
            blocks if layer.table is not None and len(layer.table) > 1 else min(2, blocks)))
        loads = tuple(
            (reading.inputs[1] - reading.inputs[0]) * w.plane * (r == source)
            for r, (reading, w, source) in enumerate(
                zip(item.reads, windows, node.sources, strict=True)))
        stores = ((item.words[1] - item.words[0]) * (item.rows[1] - item.rows[0])
                  * layer.out_shape[2])
        load_words.append(loads)
        store_words = max(store_words, stores)
        ports.append((weights, pitch * stores, *(pitch * size for size in loads)))
        keys = item.blocks, (item.blocks, item.rows), *(
            (reading.inputs, w.rows.read) for reading, w in zip(item.reads, windows, strict=True))
        for shared, key, size in zip(moved, keys, ports[-1], strict=True):
            shared[key] = max(size, shared.get(key, 0))  # what several read crosses once
    if config.port.memory == "shared":
        ports = [tuple(sum(shared.values()) for shared in moved)]
    return Work(tuple(arrays), tuple(load_words), store_words, tuple(ports))


def _estimate(work: Work, config: Config, resident: Collection[int]) -> float:
    """Cycles: the slowest array, load or store unit or the busiest port, and the boundary
    before a layer that does not find all that it reads."""
    slowest = max(*work.arrays, work.loads(resident), work.store_words)
    port = max(work.port_cycles(config, resident=resident, stores=True))
    boundary = 0 if len(resident) == len(work.load_words[0]) else _BOUNDARY_CYCLES
    return max(slowest, port) + 0.01 * (slowest + port) + boundary
