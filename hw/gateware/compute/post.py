"""Post-processing: pool, requantise and write finished accumulators."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.parts.arith import ACC_BITS
from hw.gateware.parts.delay import delay
from hw.gateware.signatures.interfaces import ActWrite, Done, UnitFault, completion, insn_stream
from hw.gateware.traffic.actmem import beyond
from hw.isa import ErrorCode, Opcode

from . import lookup as looking_up
from . import requantise as requantising
from .accumulator import AccRead, Accumulator
from .lookup import Tables, TableWrite
from .requantise import requantise
from .tiles import param_members
from .windows import Windows

__all__ = ["Post"]


class Post(wiring.Component):
    """Drain accumulator banks in the order in which they fill.

    Reads one accumulator per column and cycle, takes the maximum over the pooling window, then
    for `post_lanes` columns per cycle adds the bias, multiplies, shifts with rounding, adds the
    offset, clamps and writes. Multipliers of requantisation are not negative, so pooling before it
    is the same as after it and costs one multiplication for a window.

    Members
    -------
    i : POST instructions, their tokens taken
    acc : read port of the accumulators
    full : bank levels
    params : bias, mult, shift of two banks; see `tiles.param_members`
    tables : chunks of two banks' tables, where the configuration has some
    drained : pulse per bank, when its accumulators and parameters are no longer needed
    acts : write port of the activation memory; it must always be ready
    done : an instruction's last word has been written
    fault : a `UnitFault`
    waits : 1, an instruction is prepared or under way
    busy : 1
    advances : see `hw.gateware.progress`

    Where accumulators, parameters and words meet, of a window's last place, with R for
    `Accumulator.READ_LATENCY` and half as many lanes as columns::

        cycle    -1     0           R          R + 1   R + 2      R + 3      R + 9    R + 10
        acc      step   acc.valid   acc.data   best    held
        lanes                                          column 0   column 1
        params                                         column 0   column 1
        acts                                                                 word     word

    The next window's last step is as many cycles later as a lane has columns, or more. With as
    many lanes as columns nothing is held, and all from R + 2 on comes a cycle earlier. Where the
    configuration has tables, words are a cycle later.

    Timing
    ------
    A block of p output pixels with windows of w takes max(p * w, p * cols / post_lanes) cycles,
    and `LATENCY` to drain.

    Resources
    ---------
    Two multipliers of 16 x 16 bits and a shifter for each of `post_lanes`; a maximum, two
    registers of 32 bits (one with as many lanes as columns), for each column. `Tables`, where the
    configuration has some.
    """

    i: stream.Interface
    acc: wiring.PureInterface
    full: Signal
    params: Any  # by configuration: see `tiles.param_members`
    tables: wiring.PureInterface
    drained: Signal
    acts: wiring.PureInterface
    done: wiring.PureInterface
    fault: wiring.PureInterface
    waits: Signal
    busy: Signal
    advances: Signal

    def __init__(self, config: Config):
        self._config = config
        self._subs = config.array.cols // config.array.post_lanes  # columns of a lane
        #: Cycles from an accumulator in a lane to its word.
        self._behind_lanes = requantising.LATENCY + looking_up.LATENCY * config.array.tables
        #: Cycles from the read of a window's last accumulator to its first write.
        self.LATENCY = Accumulator.READ_LATENCY + 1 + (self._subs > 1) + self._behind_lanes
        super().__init__({
            **({"tables": In(TableWrite(config))} if config.array.tables else {}),
            "i": In(insn_stream(Opcode.POST, config)),
            "acc": Out(AccRead(config)),
            "full": In(2),
            "params": param_members(config),
            "drained": Out(2),
            "acts": Out(ActWrite(config)),
            "done": Out(Done(Opcode.POST)), "fault": Out(UnitFault()), "waits": Out(1),
            "busy": Out(1), "advances": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        windows = Windows(m, self._config, self.i, self.full)
        item, valid, reads, best = self._maximum(m, windows)
        lanes = self._lanes(m, windows, item, valid & item.window_end, best)

        # -- requantise, then write ------------------------------------------------------------
        sub_last = lanes.sub == self._subs - 1
        layout = data.StructLayout({
            "block_end": 1, "insn_end": 1, "bank": 1, "context": 1, "group": len(lanes.group),
            "addr": len(lanes.addr),
            **({"sub": len(lanes.sub)} if self._config.array.tables else {})})
        word = [sub_last & lanes.block_end, sub_last & lanes.insn_end, lanes.bank, lanes.context,
                lanes.group, lanes.addr]
        stages = delay(m, Cat(*word, *([lanes.sub] if "sub" in dict(layout) else [])), lanes.busy,
                       self._behind_lanes, names=("requant_{}_0", "requant_{}_valid_0"),
                       reset_less=True)
        valids = [valid for _, valid in stages]
        low, high, offset = (self._setting(m, windows, name, layout, stages[at - 1])
                             for name, at in (("low", requantising.LIMITS_AT),
                                              ("high", requantising.LIMITS_AT),
                                              ("offset", requantising.OFFSET_AT)))
        results = []
        for lane in range(self._config.array.post_lanes):
            columns = lanes.columns[lane::self._config.array.post_lanes]
            value = Array(columns)[lanes.sub] if self._subs > 1 else columns[0]
            results.append(requantise(m, lane, value, self._param(m, lane, lanes), valids,
                                      offset, low, high))
        if self._config.array.tables:
            results = self._looked_up(m, windows, layout, stages, results)

        word, ends = data.View(layout, stages[-1][0]), valids[-1]
        groups = self._config.array.rows // self._config.array.post_lanes
        m.d.comb += [
            self.acts.valid.eq(ends), self.acts.addr.eq(word.addr),
            self.acts.data.eq(Cat(*(results * groups))), self.acts.lanes.eq(1 << word.group),
            self.done.valid.eq(ends & word.insn_end),
            completion(self.done).eq(
                windows.contexts[Mux(ends, word.context, windows.contexts.current)].done),
            self.fault.layer.eq(self.done.layer),
        ]
        with m.If(ends & beyond(self._config, word.addr)):
            m.d.comb += self.fault.code.eq(ErrorCode.ACT_RANGE)
        with m.If(ends & word.insn_end):
            windows.contexts.end(word.context)
        with m.If(ends & word.block_end):
            m.d.comb += self.drained.eq(1 << word.bank)
            windows.release(word.bank)
        flows = reads | lanes.busy | Cat(*valids[1:]).any()
        m.d.comb += [self.advances.eq(windows.advances | flows), self.waits.eq(windows.busy),
                     self.busy.eq(windows.busy | flows)]
        with m.If(windows.empty):  # a window holds no accumulator
            m.d.comb += [self.fault.code.eq(ErrorCode.BAD_FIELD),
                         self.fault.layer.eq(windows.contexts[windows.empty_context].done[
                             -len(self.fault.layer):])]
        return m

    def _looked_up(self, m: Module, windows: Windows, layout: data.StructLayout,
                   stages: list[tuple[Value, Value]], results: list[Signal]) -> list[Value]:
        """The results' entries in their tables, or themselves, a cycle later."""
        m.submodules.tables = tables = Tables(self._config)
        wiring.connect(m, wiring.flipped(self.tables), tables.write)
        meta, valid = stages[requantising.LATENCY]
        at = data.View(layout, meta)
        looks = self._setting(m, windows, "tables", layout, stages[requantising.LATENCY])
        m.d.comb += [tables.en.eq(valid), tables.bank.eq(at.bank), tables.column.eq(at.sub)]
        found = []
        for lane, result in enumerate(results):
            plain = Signal(8, name=f"plain_{lane}", reset_less=True)
            with m.If(valid):
                m.d.sync += plain.eq(result)
            m.d.comb += tables.values[lane].eq(result)
            found.append(Mux(looks, tables.results[lane], plain))
        return found

    def _setting(self, m: Module, windows: Windows, name: str, layout: data.StructLayout,
                 stage: tuple[Value, Value]) -> Signal:
        """What a word's instruction says, chosen a cycle before it is needed."""
        meta, valid = stage
        chosen = Signal(1 if name == "tables" else signed(8), name=name, reset_less=True)
        with m.If(valid):
            m.d.sync += chosen.eq(windows.contexts[data.View(layout, meta).context][name])
        return chosen

    def _maximum(self, m: Module, windows: Windows) -> tuple[
            data.View, Value, Value, list[Signal]]:
        """Read accumulators and keep the largest of each window and column; return the place, 1,
        its accumulators have come, 1, others are on their way, and the maxima, a cycle later."""
        layout = windows.place.shape()
        _, (meta, asked) = delay(m, windows.place.as_value(), windows.step, 1,
                                 names=("ask_{}", "ask_valid_{}"), reset_less=True)
        ask, asked_addr = data.View(layout, meta), Signal.like(windows.addr)
        with m.If(windows.step):
            m.d.sync += asked_addr.eq(windows.addr)
        m.d.comb += [self.acc.valid.eq(asked & ask.inside), self.acc.bank.eq(ask.bank),
                     self.acc.addr.eq(asked_addr)]
        stages = delay(m, meta, asked, Accumulator.READ_LATENCY,
                       names=("read_{}", "read_valid_{}"), reset_less=True)
        meta, valid = stages[-1]
        item = data.View(layout, meta)
        best = []
        take = valid & item.inside
        for c in range(self._config.array.cols):
            value = Signal(signed(ACC_BITS), name=f"best_{c}", reset_less=True)
            sample = self.acc.data[c]
            with m.If(take & (item.first | (value < sample))):
                m.d.sync += value.eq(sample)
            best.append(value)
        return item, valid, Cat(flag for _, flag in stages).any(), best

    def _lanes(self, m: Module, windows: Windows, item: data.View, ends: Value,
               best: list[Signal]) -> "_Lanes":
        """Let the columns of a window go through the lanes, `subs` cycles for each window, once
        it `ends`."""
        subs, groups = self._subs, self._config.array.rows // self._config.array.post_lanes
        sub = Signal(range(max(2, subs)))
        busy_lanes = Signal()
        lane_bank, lane_block, lane_insn = Signal(), Signal(), Signal()
        lane_context = Signal()
        lane_group, lane_addr = Signal.like(item.group), Signal(len(item.plane))
        start = Signal()
        m.d.comb += start.eq(ends)
        held = best
        if subs > 1:  # the next window may begin while this one's lanes go out
            held = []
            start_2 = Signal()
            m.d.sync += start_2.eq(start)
            for c, value in enumerate(best):
                copy = Signal(signed(ACC_BITS), name=f"held_{c}", reset_less=True)
                with m.If(start_2):
                    m.d.sync += copy.eq(value)
                held.append(copy)
            meta_2 = Signal(item.shape().size)
            with m.If(start):
                m.d.sync += meta_2.eq(item)
            item, start = data.View(item.shape(), meta_2), start_2
        if self._config.array.zero_skip:
            per_pixel = windows.contexts[item.context].per_pixel
            m.d.comb += [self.params.en.eq(start), self.params.bank.eq(item.bank),
                         self.params.block.eq(Mux(per_pixel, item.pixel, 0))]
        with m.If(start):
            m.d.sync += [
                busy_lanes.eq(1), sub.eq(0), lane_bank.eq(item.bank),
                lane_block.eq(item.block_end), lane_insn.eq(item.insn_end),
                lane_group.eq(item.group), lane_addr.eq(item.plane + item.pixel),
                lane_context.eq(item.context)]
        with m.Elif(busy_lanes):
            m.d.sync += sub.eq(sub + 1)
            with m.If(sub == subs - 1):
                m.d.sync += busy_lanes.eq(0)
            with m.If(lane_group == groups - 1):
                m.d.sync += [lane_group.eq(0), lane_addr.eq(
                    lane_addr + windows.contexts[lane_context].out_plane)]
            with m.Else():
                m.d.sync += lane_group.eq(lane_group + 1)
        return _Lanes(busy_lanes, sub, held, lane_bank, lane_block, lane_insn, lane_context,
                      lane_group, lane_addr)

    def _param(self, m: Module, lane: int, lanes: "_Lanes") -> Value:
        """Bias, mult, shift of the column that the lane is at."""
        config, subs, sub = self._config, self._subs, lanes.sub
        cols, step = config.array.cols, config.array.post_lanes
        if config.array.zero_skip:
            row = self.params.row
            return Array(row[64 * c:64 * c + 64] for c in range(lane, cols, step))[sub]
        if step == 1:
            m.d.comb += [self.params.bank.eq(lanes.bank), self.params.column.eq(sub)]
            return self.params.param
        index = self.params[lane::step]
        if subs & (subs - 1) == 0:
            return Array(index)[Cat(sub[:ceil_log2(subs)], lanes.bank)]
        return Mux(lanes.bank, Array(index[subs:])[sub], Array(index[:subs])[sub])


@dataclass(frozen=True)
class _Lanes:
    """What the lanes are at: a window's maxima, column `sub` of each lane's."""

    busy: Signal
    sub: Signal
    columns: list[Signal]
    bank: Signal
    block_end: Signal  # of its last column; that of a block or of an instruction
    insn_end: Signal
    context: Signal
    group: Signal  # of the word; its address
    addr: Signal
