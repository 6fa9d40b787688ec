"""What an operation asks of its unit, in numbers: derived once, before time starts."""

import itertools
import math

from hw.config import Config
from hw.isa import Opcode
from sw.lowering.batch import Run
from sw.lowering.layout import BANKS, PAGE_BYTES
from sw.lowering.ops import Op, Region, Unit

__all__ = ["READS_APART", "Block", "Work", "Worker", "meet"]


READS_APART = 4  # cycles from a reader's burst to its next; one more if it may meet others
_WRITE = 16  # from a burst's last word, as it is read, to its first beat at the memory
_WRITES_APART = 7  # from an instance's last written beat of a burst to the next one's first


class Block:
    """One output block of a COMPUTE: `tiles` of `pixels`, and what comes before its tiles.

    Members: `params`, chunks of tables and parameters before its tiles; whether it is the `first`
    or `last` to add to its accumulators, and whether the COMPUTE `ends` with it.
    """

    __slots__ = ("ends", "first", "last", "params", "pixels", "tiles", "work")

    def __init__(self, work: "Work", tiles: int, pixels: int, params: int, first: bool,
                 last: bool, ends: bool):
        self.work, self.tiles, self.pixels, self.params = work, tiles, pixels, params
        self.first, self.last, self.ends = first, last, ends


class Work:
    """An operation's numbers.

    Members
    -------
    unit, run, wait, signal, mark : as of `Op`
    mask : of the instances that take part in a transfer or barrier, 0 for this one alone
    pages : the first that a transfer reads or writes, and the last `BANKS` of the others, in turn
    beats, burst : of a transfer, and the mean length of its bursts
    speed : beats per cycle that the unit can transfer, a LOAD's into its FIFO; words per cycle
        that a POST writes
    words : of a LOAD or STORE
    asking, asks : cycles in which a LOAD's unit asks for all runs but the last, and for all
    lag, tail : of a STORE, cycles by which its last word is written later than a word per cycle
        would be read, if nobody else writes; and its last burst's beats
    opens : whether that burst opens a page that the STORE has not used before
    low : share of what a COMPUTE or STORE reads, or a LOAD or POST writes, that lies in the lower
        bank of activation memory
    misses : pages that a LOAD or WEIGHTS opens after its first, for each beat
    blocks : of a COMPUTE, in order
    count, cycles : output blocks of a POST, and what each takes
    barrier, fence : whether it is one; a fence is of no unit
    """

    __slots__ = ("asking", "asks", "barrier", "beats", "blocks", "burst", "count", "cycles",
                 "fence", "lag", "low", "mark", "mask", "misses", "opens", "pages", "run",
                 "signal", "speed", "tail", "unit", "wait", "words")

    def __init__(self, op: Op):
        self.fence = op.opcode == Opcode.FENCE
        self.unit = -1 if self.fence else int(op.unit)
        self.run: Run = op.run
        self.wait, self.signal, self.mark = tuple(op.wait), tuple(op.signal), op.mark
        self.mask = op.fields.get("mask", 0)
        self.words = self.count = self.cycles = self.tail = 0
        self.opens = False
        self.pages: list[int] = []
        self.beats = self.burst = self.speed = self.misses = self.low = 0.0
        self.asking = self.asks = self.lag = 0.0
        self.blocks: list[Block] = []
        self.barrier = op.opcode == Opcode.BARRIER


class Worker:
    """Makes `Work` of operations."""

    def __init__(self, config: Config):
        self.config = config
        self.subs = config.array.cols // config.array.post_lanes
        self.beat_chunks = config.beat_chunks
        self.param_chunks, self.table_chunks = config.param_chunks, config.table_chunks
        self.pitch = config.word_pitch_bytes
        self.longest = config.port.bytes * config.port.burst_beats  # bytes of a burst
        self.apart = READS_APART + (config.instances > config.ports)
        self.transfers: dict[tuple[int, ...], tuple[int, float, float]] = {}

    def work(self, op: Op) -> Work:
        work, f = Work(op), op.fields
        if work.fence:
            return work
        if self.config.port.memory == "private" and not work.barrier:
            work.mask = 0  # over its own port
        half = self.config.bank_words
        if work.unit in (Unit.COMPUTE, Unit.STORE):
            work.low = _low(op.reads[0], half)
        elif op.writes and work.unit in (Unit.LOAD, Unit.POST):
            work.low = _low(op.writes[0], half)
        if work.unit == Unit.COMPUTE:
            work.blocks = self._blocks(work, f)
        elif work.unit == Unit.POST:
            work.count = f["out_blocks"]
            each = max(f["pool_h"] * f["pool_w"], self.subs)
            work.cycles, work.speed = f["out_w"] * f["out_h"] * each, self.subs / each
        elif work.unit == Unit.WEIGHTS:
            # What is left of a last beat is dropped, and no place in the FIFO is taken for it.
            work.beats = f["chunks"] / self.beat_chunks
            work.pages = _ends(_pages(
                [f["ext_addr"]], math.ceil(work.beats) * self.config.port.bytes))
            work.burst = f.get("row_beats") or work.beats / _bursts(
                f["ext_addr"], math.ceil(work.beats) * self.config.port.bytes, self.longest)
            work.speed, work.misses = 1.0, self.config.port.bytes / PAGE_BYTES
        elif not work.barrier:
            work.words = f["runs"] * f["run_words"]
            key = (work.unit, f["ext_addr"] % self.longest, f["run_words"], f["runs"],
                   f["ext_stride"])
            if key not in self.transfers:
                self.transfers[key] = self._transfer(*key)
            work.beats, work.speed, work.burst = self.transfers[key]
            pages = _pages([f["ext_addr"] + k * f["ext_stride"] for k in range(f["runs"])],
                           f["run_words"] * self.pitch)
            work.pages = _ends(pages)
            if work.unit == Unit.LOAD:
                work.misses = (len(pages) - 1) / work.beats
                work.asks = self.apart * work.beats / work.burst
                work.asking = work.asks * (1 - 1 / f["runs"])
            else:
                self._write(work, f)
        return work

    def _transfer(self, unit: int, first: int, words: int, runs: int, stride: int,
                  ) -> tuple[int, float, float]:
        """Beats of a LOAD or STORE, beats per cycle, and mean burst: a LOAD's bursts are apart, a
        STORE reads one word per cycle."""
        beat, size = self.config.port.bytes, words * self.pitch
        beats = bursts = 0
        for start in range(first, first + runs * stride, stride) if runs > 1 else (first,):
            past = start + size
            beats += -(-past // beat) - start // beat
            bursts += _bursts(start, size, self.longest)
        cycles = max(beats, self.apart * bursts if unit == Unit.LOAD else words * runs)
        return beats, beats / cycles, beats / bursts

    def _write(self, work: Work, f: dict[str, int]) -> None:
        """How a STORE ends: its last burst is written after the one before it."""
        beat, size = self.config.port.bytes, f["run_words"] * self.pitch
        run = f["ext_addr"] + (f["runs"] - 1) * f["ext_stride"]
        start = max(run // beat * beat, (run + size - 1) // self.longest * self.longest)
        work.tail = -(-(run + size - start) // beat)
        work.opens = start % PAGE_BYTES == 0 or work.beats == work.tail
        before = min(work.beats - work.tail, self.config.port.burst_beats)
        apart = before + _WRITES_APART - work.tail / work.speed if before else 0.0
        work.lag = _WRITE + work.tail + max(0.0, apart)

    def _blocks(self, work: Work, f: dict[str, int]) -> list[Block]:
        first, last = bool(f["first"]), bool(f["last"])
        port, cols = self.config.port, self.config.array.cols
        live = f.get("live_blocks", 0)
        if live:  # as if no input were zero
            row_bytes = -(-live * cols // port.bytes) * port.bytes
            return [Block(work, f["tiles"] * row_bytes // cols, 1,
                          live * self.param_chunks if last else 0, first, last, True)]
        count = f["out_blocks"]
        tabled = 0 if not f.get("tables") else count if f["every_table"] else min(2, count)
        shape = f["tiles"], f["out_w"] * f["out_h"]
        params = self.param_chunks * last

        def block(number: int) -> Block:
            return Block(work, *shape, params + self.table_chunks * (number < tabled), first, last,
                         number == count - 1)
        inner = block(tabled)
        return [*(block(k) for k in range(min(tabled, count - 1))),
                *[inner] * (count - 1 - tabled), block(count - 1)]


def meet(a: Work, b: Work) -> float:
    """Share of two operations' accesses that go to one bank, if their times have nothing to do
    with each other."""
    return a.low * b.low + (1 - a.low) * (1 - b.low)


def _bursts(start: int, size: int, longest: int) -> int:
    """Bursts of a run of so many bytes, which end at multiples of the longest."""
    return -(-(start + size) // longest) - start // longest


def _low(region: Region, half: int) -> float:
    """Share of a region that lies in the lower half of a memory."""
    length = (region.planes - 1) * region.stride + region.length
    return min(max(half - region.base, 0), length) / length


def _pages(starts: list[int], size: int) -> list[int]:
    """Pages of pieces of so many bytes, in turn."""
    pages = [page for a in starts for page in
             range(a // PAGE_BYTES, (a + size - 1) // PAGE_BYTES + 1)]
    return [page for page, _ in itertools.groupby(pages)]


def _ends(pages: list[int]) -> list[int]:
    """The first page, and the last `BANKS` of the others, as `Work.pages`."""
    return [*pages[:1], *pages[1:][-BANKS:]]
