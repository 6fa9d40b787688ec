"""How a layer can be cut: which instance computes which output channels and rows of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from hw.config import Config
from sw.graph.integer import Layer

from .geometry import ceil_div, output_blocks, output_words, parts, window

__all__ = ["Item", "Option", "Split", "is_local", "is_resident", "make_item", "promising",
           "resident_pairs", "work_of"]

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
class Item:
    """One instance's part of a layer.

    Members: `blocks` of `cols` output channels, `words` of `rows` output channels, `rows` of
    the output after pooling, `inputs` (the hull of the segments' input word blocks), each
    (first, past); `segments` in order of their blocks.
    """

    blocks: tuple[int, int]
    words: tuple[int, int]
    rows: tuple[int, int]
    inputs: tuple[int, int]
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Split:
    """A layer's items, one or None for each instance, and how they were chosen."""

    kind: str
    items: tuple[Item | None, ...]


@dataclass(frozen=True)
class Option:
    """A split over at most `count` instances with its estimated cycles, its input `resident` or
    `moved` there."""

    split: Split
    count: int
    moved: float
    resident: float


def promising(layer: Layer, config: Config, count: int) -> list[Option]:
    """Splits over `count` instances that are worth combining: those that are cheapest if their
    input is moved, and those by channels alone."""
    options = []
    for split in _candidates(layer, config, count):
        work = work_of(layer, config, split)
        options.append(Option(split, count, _estimate(work, config, False),
                              _estimate(work, config, True)))
    order = sorted(range(len(options)), key=lambda k: (options[k].moved, k))
    chosen = {*order[:_CANDIDATES], *(k for k, x in enumerate(options)
                                      if x.split.kind in ("one", "channels", "groups"))}
    return [options[k] for k in sorted(chosen)]


def is_resident(layer: Layer, before: Split, split: Split) -> bool:
    """Whether each instance made all of the input that its item of `layer` reads."""
    return bool(resident_pairs(layer, [before], [split])[0, 0])


def resident_pairs(layer: Layer, before: Sequence[Split], splits: Sequence[Split]) -> np.ndarray:
    """bool[before, splits]: `is_resident` of each pair."""
    rows = {i.rows: window(layer, *i.rows).rows for s in splits for i in s.items if i is not None}
    made = np.array([[_NOTHING if i is None else (*i.words, *i.rows) for i in s.items]
                     for s in before])[:, None]
    read = np.array([[_NOTHING if i is None else (*i.inputs, *rows[i.rows]) for i in s.items]
                     for s in splits])
    inside = (made[..., ::2] <= read[..., ::2]) & (read[..., 1::2] <= made[..., 1::2])
    return np.all(inside, axis=(-2, -1))


def is_local(layer: Layer, source: Layer, before: Split, split: Split) -> bool:
    """As `is_resident`, or it made all of it image by image before the layer takes a batch."""
    if layer.images == source.images:
        return is_resident(layer, before, split)
    whole = (0, source.out_shape[1])
    return all(item is None or (made is not None and _inside(item.inputs, made.words)
                                and made.rows == whole)
               for made, item in zip(before.items, split.items, strict=True))


def _inside(inner: tuple[int, int], outer: tuple[int, int]) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _candidates(layer: Layer, config: Config, n: int) -> Iterator[Split]:
    seen = set()
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
                     for item in (make_item(layer, config, channels, rows[0])
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


def make_item(layer: Layer, config: Config, units: tuple[int, int], rows: tuple[int, int],
              ) -> Item | None:
    """Part of a layer: units of `unit_channels` output channels, and rows after pooling, each
    (first, past); None if there is nothing in it."""
    cols, word = config.array.cols, config.array.rows
    per_blocks, per_words = config.unit_channels // cols, config.unit_channels // word
    blocks = units[0] * per_blocks, min(units[1] * per_blocks, output_blocks(layer, config))
    words = units[0] * per_words, min(units[1] * per_words, output_words(layer, config))
    if blocks[0] >= blocks[1] or rows[0] >= rows[1]:
        return None
    out, per_out = layer.conv_shape[0], layer.conv_shape[0] // layer.groups
    per_in = layer.in_shape[0] // layer.groups
    segments: list[Segment] = []
    for block in range(*blocks) if layer.groups > 1 else ():
        first = block * cols // per_out
        last = (min((block + 1) * cols, out) - 1) // per_out
        inputs = first * per_in // word, ceil_div((last + 1) * per_in, word)
        if segments and segments[-1].inputs == inputs:
            segments[-1] = Segment((segments[-1].blocks[0], block + 1), inputs)
        else:
            segments.append(Segment((block, block + 1), inputs))
    if layer.groups == 1:
        segments.append(Segment(blocks, (0, ceil_div(per_in, word))))
    hull = min(s.inputs[0] for s in segments), max(s.inputs[1] for s in segments)
    return Item(blocks, words, rows, hull, tuple(segments))


@dataclass(frozen=True)
class Work:
    """What a split asks of the hardware at least.

    Members: cycles of each instance's array (`arrays`), words that the busiest load and store
    units move, and each port's bytes of weights, of inputs and of outputs.
    """

    arrays: tuple[int, ...]
    load_words: int
    store_words: int
    ports: tuple[tuple[int, int, int], ...]

    def port_cycles(self, config: Config, *, loads: bool, stores: bool) -> list[float]:
        """Cycles of each port; whether inputs and outputs cross it."""
        return [(weights + loads * inputs + stores * outputs) / config.port.bytes
                for weights, inputs, outputs in self.ports]


def work_of(layer: Layer, config: Config, split: Split) -> Work:
    """Count a split's work."""
    taps = layer.kernel[0] * layer.kernel[1]
    tile = config.tile_chunks * config.chunk_bytes
    params = config.param_chunks * config.chunk_bytes
    pitch = config.word_pitch_bytes
    arrays, load_words, store_words = [], 0, 0
    moved: tuple[dict[tuple, int], ...] = ({}, {}, {})
    ports: list[tuple[int, int, int]] = []
    windows = {rows: window(layer, *rows) for rows in {i.rows for i in split.items if i}}
    for item in split.items:
        if item is None:
            arrays.append(0)
            ports.append((0, 0, 0))
            continue
        w = windows[item.rows]
        pixels = (w.conv[1] - w.conv[0]) * layer.conv_shape[2]
        stripes = ceil_div(pixels, config.buffers.acc_depth)
        tiles = sum((s.blocks[1] - s.blocks[0]) * (s.inputs[1] - s.inputs[0])
                    for s in item.segments) * taps
        arrays.append(tiles * max(pixels, stripes * config.tile_chunks))
        weights = stripes * (tiles * tile + (item.blocks[1] - item.blocks[0]) * params)
        loads = (item.inputs[1] - item.inputs[0]) * (w.rows[1] - w.rows[0]) * layer.in_shape[2]
        stores = ((item.words[1] - item.words[0]) * (item.rows[1] - item.rows[0])
                  * layer.out_shape[2])
        load_words, store_words = max(load_words, loads), max(store_words, stores)
        ports.append((weights, pitch * loads, pitch * stores))
        keys = item.blocks, (item.inputs, w.rows), (item.blocks, item.rows)
        for shared, key, size in zip(moved, keys, ports[-1], strict=True):
            shared[key] = max(size, shared.get(key, 0))  # what several read crosses once
    if config.port.memory == "shared":
        weights, loads, stores = (sum(shared.values()) for shared in moved)
        ports = [(weights, loads, stores)]
    return Work(tuple(arrays), load_words, store_words, tuple(ports))


def _estimate(work: Work, config: Config, resident: bool) -> float:
    """Cycles: the slowest array, load or store unit or the busiest port, and the boundary
    before a layer whose input is not resident."""
    slowest = max(*work.arrays, 0 if resident else work.load_words, work.store_words)
    port = max(work.port_cycles(config, loads=not resident, stores=True))
    boundary = 0 if resident else _BOUNDARY_CYCLES
    return max(slowest, port) + 0.01 * (slowest + port) + boundary
