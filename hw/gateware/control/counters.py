"""Cycle counters by cause, and the log of their values at the end of each layer."""

from dataclasses import dataclass

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.parts.arith import count_ones
from hw.gateware.signatures.ports import SLEPT_BITS
from hw.isa import Cause
from hw.registers import FINAL_WORDS, LOG_WORDS

from .marks import MarkQueue

__all__ = ["Counters"]


class Counters(wiring.Component):
    """Count every cycle once, and log on request.

    The counts lie in a small memory, of which one word changes in a cycle. A log entry is
    written word by word; what has been counted since the mark is taken off again, so an entry
    holds the counts of one moment.

    Members
    -------
    clear : pulse, start from zero
    slept : cycles, before this one, that count for what the last cycle seen did
    counting : 1, this cycle counts; when it falls, the counts are written to `FINAL_WORDS`
    cause : what for
    marks : [units] an instruction with a mark has completed; `layers` beside it
    log_* : for the control registers
    log_lost : 1, marks came that are not in the log, and not in its count
    busy : 1, something is to be written to the log
    logging : 1, and it is not just the final counts of a run that still goes on
    mark_valid, mark_layer : an entry is being logged

    Marks that come within the cycles in which one is written (one for each word) are logged
    after it, with the counters as they are then, up to as many as `MarkQueue` keeps.

    Timing
    ------
    A cycle is counted a cycle later. A mark is known `LATENCY` cycles after it came, where none is
    before it; its entry takes a cycle for each of `LOG_WORDS`. A word of the log is shown
    `READ_LATENCY` cycles after it was selected.

    Resources
    ---------
    Memories of 8 words, and of 16 for each entry of the log, 32 bits wide.
    """

    #: Cycles from a mark to `mark_valid`.
    LATENCY = MarkQueue.LATENCY
    #: Cycles from `log_select` to `log_data`.
    READ_LATENCY = 2

    clear: Signal
    counting: Signal
    cause: Signal
    slept: Signal
    marks: list[Signal]
    layers: list[Signal]
    log_select: Signal
    log_data: Signal
    log_count: Signal
    log_lost: Signal
    mark_valid: Signal
    mark_layer: Signal
    busy: Signal
    logging: Signal

    def __init__(self, config: Config, units: int):
        self._config = config
        self._units = units
        super().__init__({
            "clear": In(1), "counting": In(1), "cause": In(Cause), "slept": In(SLEPT_BITS),
            "marks": In(1).array(units), "layers": In(11).array(units),
            "log_select": In(ceil_log2(config.buffers.log_entries * 16)), "log_data": Out(32),
            "log_count": Out(12), "log_lost": Out(1), "mark_valid": Out(1), "mark_layer": Out(11),
            "busy": Out(1), "logging": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        # What is counted is decided late in a cycle: it is counted in the next.
        counting, cause = Signal(), Signal(Cause)
        m.d.sync += counting.eq(self.counting)
        with m.If(self.counting):
            m.d.sync += cause.eq(self.cause)
        counts = self._count(m, counting, cause)
        entry = self._choose_entry(m, counting)
        read, writes = self._copy(m, entry, counts, counting, cause)
        shows = self._show(m, read, writes[-1])
        m.d.comb += [
            self.logging.eq(Cat(entry.copying, *entry.waiting, *writes, *shows).any()),
            self.busy.eq(self.logging | counting | entry.counted)]
        return m

    def _count(self, m: Module, counting: Signal, cause: Signal) -> "_Counts":
        """Count a cycle, and those before it that count for the same."""
        total = Signal(32)
        m.submodules.counts = counts = memory.Memory(shape=32, depth=8, init=[])
        amount = Signal(SLEPT_BITS + 1)
        m.d.comb += amount.eq(self.slept + 1)
        update, old, shown = counts.write_port(), counts.read_port(domain="comb"), \
            counts.read_port(domain="comb")
        cleared = Signal(8)
        m.d.comb += [
            old.addr.eq(cause), update.addr.eq(cause), update.en.eq(counting),
            update.data.eq(Mux(cleared.bit_select(cause, 1), 0, old.data) + amount),
        ]
        with m.If(self.clear):
            m.d.sync += [total.eq(0), cleared.eq(~0)]
        with m.Elif(counting):
            m.d.sync += [total.eq(total + amount), cleared.bit_select(cause, 1).eq(0)]
        return _Counts(total, shown, cleared)

    def _choose_entry(self, m: Module, counting: Signal) -> "_Entry":
        """Begin an entry of the oldest mark, or of a run's end."""
        entries = self._config.buffers.log_entries
        logged = Signal.like(self.log_count)
        copying, final, ended, counted = Signal(), Signal(), Signal(), Signal()
        index, layer, slot, fits = Signal(4), Signal(11), Signal(ceil_log2(entries)), Signal()
        m.d.sync += counted.eq(counting)
        with m.If(counted & ~counting):
            m.d.sync += ended.eq(1)
        m.d.comb += self.log_count.eq(logged)
        m.submodules.marks = marks = MarkQueue(self._units)
        m.d.comb += [
            *(mine.eq(x) for mine, x in zip(marks.marks, self.marks, strict=True)),
            *(mine.eq(x) for mine, x in zip(marks.layers, self.layers, strict=True)),
            marks.clear.eq(self.clear), marks.o.ready.eq(~copying), self.log_lost.eq(marks.lost),
            self.mark_valid.eq(marks.o.valid & ~copying), self.mark_layer.eq(marks.o.payload)]
        begins = Signal()
        m.d.comb += begins.eq(self.mark_valid | (ended & ~copying))
        with m.If(copying):
            m.d.sync += [index.eq(index + 1), copying.eq(index != len(LOG_WORDS) - 1)]
        with m.If(begins):
            m.d.sync += [copying.eq(1), index.eq(0), layer.eq(self.mark_layer), slot.eq(logged),
                         fits.eq(logged < entries), final.eq(~self.mark_valid)]
            with m.If(~self.mark_valid):
                m.d.sync += ended.eq(0)
        with m.If(self.mark_valid):
            m.d.sync += logged.eq(logged + 1)
        with m.If(self.clear):
            m.d.sync += [logged.eq(0), copying.eq(0), ended.eq(0)]
        return _Entry(begins, copying, index, layer, slot, fits, final, counted,
                      [marks.any, ended, counted & ~counting])

    def _copy(self, m: Module, entry: "_Entry", counts: "_Counts", counting: Signal,
              cause: Signal) -> tuple[memory.ReadPort, list[Signal]]:
        """Write an entry, word by word: a word is read in one cycle, what came late is taken off
        in the next, and then it is written. Returns the log's read port, and what is 1 until it
        has been."""
        copying, index = entry.copying, entry.index
        wanted = Signal(3)
        since = self._since(m, entry, Cat(counting, cause))
        m.d.comb += [wanted.eq(index - 2), counts.shown.addr.eq(wanted)]
        is_total = index == LOG_WORDS.index("TOTAL")
        late = count_ones(
            m, "late", [e[0] & (is_total | (e[1:] == wanted)) for e in since])
        value, too_much = Signal(32), Signal.like(late)
        value_layer, is_layer = Signal(), index == LOG_WORDS.index("LAYER")
        with m.If(copying):
            m.d.sync += [
                too_much.eq(late), value_layer.eq(is_layer),
                value.eq(Mux(is_total, counts.total,
                             Mux(counts.cleared.bit_select(wanted, 1), 0, counts.shown.data)))]

        m.submodules.log = log = memory.Memory(
            shape=32, depth=16 * self._config.buffers.log_entries, init=[])
        write, read = log.write_port(), log.read_port()
        place = Array([Const(0, 5)] + [Const(FINAL_WORDS[n], 5) for n in LOG_WORDS[1:]])[index]
        enable, address, datum = Signal(), Signal.like(write.addr), Signal(32)
        ready, ready_address = Signal(), Signal.like(write.addr)
        m.d.sync += [ready.eq(copying & Mux(entry.final, ~is_layer, entry.fits)),
                     enable.eq(ready)]
        with m.If(copying):
            m.d.sync += ready_address.eq(Mux(entry.final, place, Cat(index, entry.slot)))
        with m.If(ready):
            m.d.sync += [address.eq(ready_address),
                         datum.eq(Mux(value_layer, entry.layer, value - too_much))]
        m.d.comb += [write.addr.eq(address), write.data.eq(datum), write.en.eq(enable)]
        return read, [ready, enable]

    def _since(self, m: Module, entry: "_Entry", counted: Value) -> list[Signal]:
        """What has been counted since an entry began, youngest first: valid, cause."""
        since = [Signal(4, name=f"since_{k}") for k in range(len(LOG_WORDS))]
        for k, event in enumerate(since):
            source = counted if k == 0 else since[k - 1]
            with m.If(entry.begins & (k > 0)):
                m.d.sync += event[0].eq(0)
            with m.Elif(entry.copying | entry.begins):
                m.d.sync += event.eq(source)
        return since

    def _show(self, m: Module, read: memory.ReadPort, enable: Signal) -> list[Signal]:
        """Read the log when what it shows may have changed, not in every cycle. Returns what is 1
        until that is seen."""
        last = Signal.like(self.log_select)
        written, stale, shows = Signal(init=1), Signal(), Signal()
        m.d.sync += [written.eq(enable), shows.eq(stale)]
        m.d.comb += [stale.eq(written | (self.log_select != last)), read.en.eq(stale),
                     read.addr.eq(self.log_select)]
        with m.If(stale):
            m.d.sync += last.eq(self.log_select)
        with m.If(shows):  # those who look at it are far away
            m.d.sync += self.log_data.eq(read.data)
        return [written, shows]


@dataclass(frozen=True)
class _Counts:
    """The counts: `total`, and one for each cause, read at `shown`; those of `cleared` are zero,
    whatever the memory holds."""

    total: Signal
    shown: memory.ReadPort
    cleared: Signal


@dataclass(frozen=True)
class _Entry:
    """An entry of the log.

    Members
    -------
    begins, copying : 1, it does; it is copied
    index : of its words, the next
    layer, slot : which one it is, and where it belongs in the log; `fits`, 1 if it does
    final : 1, the counts of a run's end instead
    counted : 1, the cycle before counted
    waiting : 1, another is to come
    """

    begins: Signal
    copying: Signal
    index: Signal
    layer: Signal
    slot: Signal
    fits: Signal
    final: Signal
    counted: Signal
    waiting: list[Value]
