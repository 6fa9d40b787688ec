"""Activation memory that a layer needs in so many stripes, and the plans that there is room for."""

from collections.abc import Mapping

from hw.config import Config

from .encoding import skips_zeros
from .geometry import ceil_div, cut, largest, size
from .memory import LayerPlan, ReadPlan, Room
from .nodes import Node
from .split import Split
from .switches import switches

__all__ = ["FIRST_WORDS", "Space"]

#: Least words of the first load that a stripe's computation starts on.
FIRST_WORDS = 64
_LATENCY_CYCLES = 80  # from a load's start to its first vector in the array
_APART_CYCLES = 4  # of each word where neighbours come from different places
_STRIPE_CYCLES = 10  # what a stripe costs besides
_PIECES = 3  # input buffers where a stripe's input is held in part, where they fit
_SLOTS = 3  # of the output ring, where they fit


class Space:
    """Sizes for one number of stripes of so many tiles side by side, and the plans that they
    allow.

    Parameters are as of `plan_layer`.
    """

    def __init__(self, node: Node, split: Split, config: Config, room: Room,
                 residents: Mapping[int, int], keep: bool, count: int, columns: int = 1):
        self._node, self._config, self._room = node, config, room
        self._residents, self._keep, self.count = residents, keep, count * columns
        self._loaded = [r for r, source in enumerate(node.sources)
                        if r not in residents and r == source]
        self._items = items = [i for i in split.items if i is not None]
        of_rows = {rows: cut(node, 0, rows, count) for rows in {i.rows for i in items}}
        width = node.layer.out_shape[2]
        wide = cut(node, 1, (0, width), columns)
        self._rows = tuple(() if i is None else of_rows[i.rows] for i in split.items)
        self._columns = wide
        #: Of each read its words of an input block and of a tile's whole input, at most.
        self._planes, self._words = [], []
        for r in range(len(node.reads)):
            across = largest(wide, "read", r)
            most = {rows: across * largest(high, "read", r) for rows, high in of_rows.items()}
            self._planes.append(max(most.values()))
            self._words.append(max(size(i.reads[r].inputs) * most[i.rows] for i in items))
        cols, word = config.array.cols, config.array.rows
        #: Words of a tile's output of `unit_channels`, most such units, words of all output.
        self._unit = largest([high for of in of_rows.values() for high in of], "out") \
            * largest(wide, "out") * (config.unit_channels // word)
        self._units = max(ceil_div(i.blocks[1] - i.blocks[0], config.unit_channels // cols)
                          for i in items)
        self._whole_output = max(
            ceil_div((i.blocks[1] - i.blocks[0]) * cols, word)
            * (i.rows[1] - i.rows[0]) for i in items) * width

    @property
    def single(self) -> bool:
        """Whether there is no tile to load while another is computed."""
        return not self._loaded or self.count == 1 or not switches().two_buffers

    @property
    def pixels(self) -> tuple[int, int]:
        """Rows and columns of the largest tile's convolution."""
        return max(largest(of, "conv") for of in self._rows if of), largest(self._columns, "conv")

    @property
    def least(self) -> int:
        """Words without which no plan works."""
        return (max((self._planes[r] for r in self._loaded), default=0)
                + (self._whole_output if self._keep else self._unit))

    def _loads(self, buffers: int, pieces: Mapping[int, int]) -> dict[int, float]:
        """Words that are loaded for each read in a stripe: in pieces those of each output block
        that are not there from the one before."""
        words: dict[int, float] = {r: self._words[r] for r in self._loaded}
        if not any(pieces.values()):
            return words
        item = max(self._items, key=lambda i: i.blocks[1] - i.blocks[0])
        blocks = item.blocks[1] - item.blocks[0]
        used = sum(item.reads[r].pairs / blocks / pieces[r] for r in self._loaded)
        anew = max(0.0, 1 - buffers / used)
        return {r: least + anew * max(0.0, item.reads[r].pairs * self._planes[r] - least)
                for r, least in words.items()}

    def _cost(self, buffers: int, pieces: Mapping[int, int]) -> float:
        """Estimated cycles: the array or the port, and loads that nothing overlaps.

        With one buffer each stripe waits for its first load, with two only the first does.
        """
        config, node = self._config, self._node
        words_per_cycle = min(1.0, config.port.bytes / config.word_pitch_bytes)
        tiles = max(sum(reading.pairs * read.taps for reading, read in
                        zip(i.reads, node.reads, strict=True)) for i in self._items)
        each = {r: size * (_APART_CYCLES if node.reads[r].apart else 1)
                for r, size in self._loads(buffers, pieces).items()}
        words = self.count * sum(each.values())
        weights = self.count * tiles * config.tile_chunks * config.chunk_bytes / config.port.bytes
        loads = words * config.word_pitch_bytes / config.port.bytes
        if config.port.memory == "shared":
            weights *= len({i.blocks for i in self._items})
            loads = self.count * config.word_pitch_bytes / config.port.bytes * sum(
                each[r] * len({(i.reads[r].inputs, i.rows) for i in self._items})
                for r in self._loaded)
        pixels = sum(size(wide[0].conv) for wide in self._columns) * max(
            sum(size(high[0].conv) for high in of) for of in {*self._rows} if of)
        compute = tiles * max(pixels, self.count * config.tile_chunks)
        plane = max((self._planes[r] for r in self._loaded), default=0)
        first = _LATENCY_CYCLES + max(plane, FIRST_WORDS) / words_per_cycle if self._loaded else 0
        waits = first * (self.count if buffers == 1 else 1) + _STRIPE_CYCLES * self.count
        port = weights + loads
        return max(compute, words, port) + 0.01 * port + waits

    def whole(self, buffers: int) -> LayerPlan | None:
        """A plan that holds a stripe's whole input, or None."""
        each = sum(self._words[r] for r in self._loaded)
        return self._place(buffers * each, [each] * buffers, dict.fromkeys(self._loaded, 0))

    def pieces(self) -> LayerPlan | None:
        """A plan that loads a few input blocks at a time, or None."""
        room = self._room.words - (self._whole_output if self._keep else self._unit)
        for buffers in range(_PIECES, 0, -1):
            pieces = {r: min(self._blocks(r), room // buffers // self._planes[r])
                      for r in self._loaded}
            if min(pieces.values()) >= 1:
                words = max(count * self._planes[r] for r, count in pieces.items())
                return self._place(buffers * words, [words] * buffers, pieces)
        return None

    def _blocks(self, r: int) -> int:
        return max(i.reads[r].inputs[1] - i.reads[r].inputs[0] for i in self._items)

    def _place(self, held: int, buffers: list[int], pieces: Mapping[int, int],
               ) -> LayerPlan | None:
        """The plan with input buffers of so many words, `held` in all: of whole inputs one after
        the other in each, or of pieces of any."""
        here = self._room
        room = here.words - held
        live = self._config.live_blocks if skips_zeros(self._node, self._config) else 0
        if self._keep:
            group, slots, size = self._units, 1, self._whole_output
        else:
            slots = min(_SLOTS, room // self._unit if self._unit else 0)
            if slots < 1:
                return None
            group = max(1, min(max(ceil_div(self._units, 4), live), room // (slots * self._unit)))
            if live > group:  # whole beats, if it can be
                per_beat = self._config.port.bytes // self._config.array.cols
                live = max(group // per_beat * per_beat, min(group, per_beat))
            size = group * self._unit
        if slots * size > room:
            return None
        base = here.past - slots * size if here.high else here.first
        at = here.first if here.high else here.past - held
        reads: list[ReadPlan] = []
        for r, source in enumerate(self._node.sources):
            if r in self._residents:
                reads.append(ReadPlan(True, (self._residents[r],)))
            elif r != source:
                reads.append(reads[source])
            else:
                bases = tuple(at + k * step for k, step in enumerate(buffers))
                reads.append(ReadPlan(False, bases, pieces[r]))
                at += 0 if pieces[r] else self._words[r]
        return LayerPlan(self._rows, self._columns, tuple(reads), self._keep,
                         tuple(base + k * size for k in range(slots)), slots * size, group, live,
                         self._cost(len(buffers), pieces))
