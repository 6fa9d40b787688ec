"""Cycle counters by cause, and the log of their values at the end of each layer."""

from amaranth.hdl import Array, Cat, Const, Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .config import Config, ceil_log2
from .isa import Cause
from .registers import LOG_WORDS

__all__ = ["Counters"]


class Counters(wiring.Component):
    """Count every cycle once, and log on request.

    Members
    -------
    clear : pulse, start from zero
    counting : 1, this cycle counts
    cause : what for
    marks : [units] an instruction with a mark has completed; `layers` beside it
    total, counts, log_* : for the control registers
    mark_valid, mark_layer : an entry is being logged

    Two marks in one cycle are logged one after the other.
    """

    def __init__(self, config: Config, units: int):
        self._config = config
        self._units = units
        super().__init__({
            "clear": In(1), "counting": In(1), "cause": In(Cause),
            "marks": In(1).array(units), "layers": In(11).array(units),
            "total": Out(32), "counts": Out(32).array(len(Cause)),
            "log_select": In(ceil_log2(config.buffers.log_entries * 16)), "log_data": Out(32),
            "log_count": Out(32), "mark_valid": Out(1), "mark_layer": Out(11),
        })

    def elaborate(self, platform):
        m = Module()
        total = Signal(32)
        counts = [Signal(32, name=f"count_{c.name.lower()}") for c in Cause]
        with m.If(self.clear):
            m.d.sync += [total.eq(0), *(c.eq(0) for c in counts)]
        with m.Elif(self.counting):
            m.d.sync += total.eq(total + 1)
            with m.Switch(self.cause):
                for cause, count in zip(Cause, counts, strict=True):
                    with m.Case(cause):
                        m.d.sync += count.eq(count + 1)
        m.d.comb += [self.total.eq(total),
                     *(p.eq(c) for p, c in zip(self.counts, counts, strict=True))]

        # -- the log ---------------------------------------------------------------------------
        words = len(LOG_WORDS)
        entries = self._config.buffers.log_entries
        m.submodules.log = log = memory.Memory(shape=32 * words, depth=entries, init=[])
        write, read = log.write_port(), log.read_port()
        logged = Signal(32)
        pending = [Signal(name=f"pending_{u}") for u in range(self._units)]
        layers = [Signal(11, name=f"layer_{u}") for u in range(self._units)]
        m.d.comb += [
            write.addr.eq(logged), write.en.eq(self.mark_valid & (logged < entries)),
            write.data.eq(Cat(self.mark_layer | Signal(32), total, *counts)),
            self.log_count.eq(logged),
        ]
        with m.If(self.mark_valid):
            m.d.sync += logged.eq(logged + 1)
        for u in reversed(range(self._units)):
            with m.If(pending[u]):
                m.d.comb += [self.mark_valid.eq(1), self.mark_layer.eq(layers[u])]
        before = Const(0)
        for u in range(self._units):
            with m.If(pending[u] & ~before):
                m.d.sync += pending[u].eq(0)
            before = before | pending[u]
            with m.If(self.marks[u]):
                m.d.sync += [pending[u].eq(1), layers[u].eq(self.layers[u])]
        with m.If(self.clear):
            m.d.sync += [logged.eq(0), *(p.eq(0) for p in pending)]
        # The log is read when what it shows may have changed, not in every cycle.
        shown, stale = Signal.like(self.log_select), Signal(init=1)
        m.d.comb += [read.en.eq(stale | (self.log_select != shown)),
                     read.addr.eq(self.log_select[4:])]
        m.d.sync += stale.eq(self.mark_valid)
        with m.If(self.log_select != shown):
            m.d.sync += shown.eq(self.log_select)
        word = Signal(4)
        m.d.sync += word.eq(self.log_select[:4])
        choices = Array([read.data[32 * k:32 * k + 32] for k in range(words)] + [0] * (16 - words))
        m.d.comb += self.log_data.eq(choices[word])
        return m
