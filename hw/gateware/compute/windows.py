"""Walks the pooling windows of POST instructions, accumulator by accumulator."""

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream

from hw.config import Config, ceil_log2
from hw.gateware.parts.arith import times
from hw.gateware.parts.walk import Walk
from hw.gateware.signatures.interfaces import completion

from .task import WalkTask

__all__ = ["Windows"]

_POSITION = signed(12)  # of an accumulator in its plane, which it may lie outside of


class Contexts:
    """What stays the same in an instruction, kept once and not carried down the pipeline.

    Of two instructions' copies one can be loaded while the other's last words are written.

    Parameters
    ----------
    m : Module
    insn : the instruction to come
    """

    def __init__(self, m: Module, insn: data.View):
        self._m = m
        kept = {"out_plane": insn.out_plane, "low": insn.low, "high": insn.high,
                "offset": insn.offset, "done": completion(insn),
                **{name: insn[name] for name in ("per_pixel", "tables")
                   if name in dict(insn.shape())}}
        #: Fields: `out_plane`, `low`, `high`, `offset`, `done`; `per_pixel` where zeros are
        #: skipped, `tables` where there are some.
        self.layout = data.StructLayout({name: len(value) for name, value in kept.items()})
        self._coming = Cat(kept.values())
        #: Number of the copy of the instruction under way.
        self.current = Signal(name="context")
        self._in_flight = Array([Signal(name="in_flight_0"), Signal(name="in_flight_1")])
        self._copies = [Signal(self.layout.size, name=f"context_{k}", reset_less=True)
                        for k in range(2)]
        #: The prepared instruction's copy has been written; is, in this cycle.
        self.noted, self.notes = Signal(name="noted"), Signal(name="notes")

    def __getitem__(self, number: Value) -> Any:
        """The copy of that number."""
        return Array(data.View(self.layout, copy) for copy in self._copies)[number]

    def note(self, prepared: Value) -> None:
        """Write a prepared instruction's copy as soon as there is a place, so that `begin` need
        not reach it."""
        m, other = self._m, ~self.current
        m.d.comb += self.notes.eq(prepared & ~self.noted & ~self._in_flight[other])
        with m.If(self.notes):
            m.d.sync += [Array(self._copies)[other].eq(self._coming), self.noted.eq(1)]

    def begin(self) -> None:
        """At the next edge, the instruction of which there is a copy is under way."""
        self._m.d.sync += [self.current.eq(~self.current), self._in_flight[~self.current].eq(1),
                           self.noted.eq(0)]

    def end(self, number: Value) -> None:
        """At the next edge, that copy is no longer needed."""
        self._m.d.sync += self._in_flight[number].eq(0)


def _prepare(m: Module, i: stream.Interface, acc_bits: int) -> tuple[WalkTask, Signal, Signal]:
    """Take an instruction; the same adders make its two products, in turn. Return it, that there
    is one, and that all of it is there."""
    insn = Signal(i.payload.shape())
    have, ready2, ready3, prepared = Signal(), Signal(), Signal(), Signal()
    row_step, top_words, origin = Signal(acc_bits), Signal(acc_bits), Signal(acc_bits)
    top, left = Signal(signed(5)), Signal(signed(5))
    m.d.comb += i.ready.eq(~have)
    with m.If(i.valid & i.ready):
        m.d.sync += [insn.eq(i.payload), have.eq(1)]
    m.d.sync += [ready2.eq(have & ~ready2 & ~ready3 & ~prepared), ready3.eq(ready2)]
    factor = Signal(Mux(1, insn.pool_stride_h, insn.pool_top).shape())
    product = Signal(acc_bits)
    m.d.comb += product.eq(times(insn.conv_w, factor))
    with m.If(have & ~ready2 & ~ready3 & ~prepared):
        m.d.sync += [factor.eq(insn.pool_top),
                     top.eq(0 - insn.pool_top), left.eq(0 - insn.pool_left)]
    with m.If(ready2):
        m.d.sync += [factor.eq(insn.pool_stride_h), top_words.eq(product)]
    with m.If(ready3):
        m.d.sync += [row_step.eq(product), origin.eq(left - top_words), prepared.eq(1)]
    return WalkTask(insn, row_step, origin, top, left), have, prepared


class Windows:
    """Walk the windows of each block, once its bank is full, one place in a step.

    A window's last step waits while the lanes still work on the window before.

    Parameters
    ----------
    m : Module
    config : Config
    i : stream of POST instructions, their tokens taken
    full : bank levels

    Attributes
    ----------
    step : 1, a step is done
    addr : the accumulator that it looks at
    place : the first that is read of its window; there is one (or it lies outside of the plane);
        the last of window, block, instruction; bank, context; of the window's word, the group and
        the address as a sum of `plane` and `pixel`
    contexts : what an instruction's last words still need of it
    busy : 1, an instruction is prepared or under way
    empty : 1, a window holds no accumulator, of the instruction with context `empty_context`
    advances : 1, one is prepared, begins or goes on
    """

    def __init__(self, m: Module, config: Config, i: stream.Interface, full: Value):
        self._m = m
        # Addresses are modulo the memories' sizes: differences may be negative.
        acc_bits, act_bits = ceil_log2(config.buffers.acc_depth), config.act_addr_bits
        lanes = config.array.post_lanes
        subs, groups = config.array.cols // lanes, config.array.rows // lanes
        task, have, prepared = _prepare(m, i, acc_bits)
        insn = task.insn
        cur_row_step, cur_origin = Signal(acc_bits), Signal(acc_bits)
        cur_top, cur_left = Signal.like(task.top), Signal.like(task.left)
        cur = WalkTask(Signal.like(insn), cur_row_step, cur_origin, cur_top, cur_left)
        self.contexts = contexts = Contexts(m, insn)
        pixel = Signal(act_bits)
        plane0 = Signal(act_bits)
        group0 = Signal(range(max(2, groups)))
        bank = Signal()
        gap = Signal(range(max(2, subs)))
        # In registers: an instruction is walked; the next bank is full; lanes still work on the
        # window before.
        active, there, lanes_wait = Signal(), Signal(), Signal()
        step, go_on, load = Signal(), Signal(), Signal()
        walk = Walk(m, [(name, insn[field], cur.insn[field] if name != "block" else None)
                        for name, field in (
                            ("px", "pool_w"), ("py", "pool_h"), ("ox", "out_w"), ("oy", "out_h"),
                            ("block", "out_blocks"))],
                    go=go_on, load=load)
        window_end, block_end, insn_end = (walk.ends(n) for n in (2, 4, 5))
        m.d.comb += [
            step.eq(active & there & ~(window_end & lanes_wait)),
            go_on.eq(step | (contexts.noted & ~active)),
            load.eq(contexts.noted & Mux(active, step & insn_end, 1)),
        ]
        # A bank that has just been walked is still marked full: its release is under way.
        released = Signal(2)
        ready = full & ~released
        m.d.sync += there.eq(ready.bit_select(bank, 1))
        with m.If(gap != 0):
            m.d.sync += [gap.eq(gap - 1), lanes_wait.eq(gap != 1)]
        addr, inside = _position(m, walk, task, cur)
        with m.If(step & window_end):
            m.d.sync += [gap.eq(subs - 1), lanes_wait.eq(subs > 1),
                         pixel.eq(Mux(block_end, 0, pixel + 1))]
        with m.If(step & block_end):
            m.d.sync += [bank.eq(~bank), released.bit_select(bank, 1).eq(1),
                         there.eq(ready.bit_select(~bank, 1))]
            _next_block(m, config, group0, plane0, cur.insn.out_plane)
            with m.If(insn_end):
                m.d.sync += active.eq(0)
        contexts.note(prepared)
        with m.If(load):
            m.d.sync += [active.eq(1), prepared.eq(0), have.eq(0), cur.insn.eq(insn)]
            contexts.begin()
            m.d.sync += [cur.row_step.eq(task.row_step), cur.origin.eq(task.origin),
                         cur.top.eq(task.top), cur.left.eq(task.left),
                         pixel.eq(0), group0.eq(0), plane0.eq(insn.out_addr)]

        first = Signal(init=1)  # no accumulator of this window has been read yet
        with m.If(step):
            m.d.sync += first.eq(window_end | (first & ~inside))
        self.empty, self.empty_context = Signal(), Signal()
        m.d.sync += [self.empty.eq(step & window_end & first & ~inside),
                     self.empty_context.eq(contexts.current)]
        self.step, self.addr, self.busy, self._released = step, addr, have | active, released
        self.advances = i.valid & i.ready | (have & ~prepared) | contexts.notes | go_on
        self.place = data.View(_place_layout(groups, act_bits), Cat(
            first, inside, window_end, block_end, insn_end, bank, contexts.current, group0,
            plane0, pixel))

    def release(self, bank: Value) -> None:
        """At the next edge, the level of that bank counts again."""
        self._m.d.sync += self._released.bit_select(bank, 1).eq(0)


def _position(m: Module, walk: Walk, task: WalkTask, cur: WalkTask) -> tuple[Signal, Signal]:
    """Where the walk is: an accumulator's address, and that there is one, inside the plane."""
    insn = cur.insn
    addr = walk.add("addr", task.origin.shape(), [
        (0, 1), (1, insn.conv_w), (2, insn.pool_stride_w), (3, cur.row_step), (None, cur.origin)],
        task.origin)
    ix = walk.add("ix", _POSITION, [(0, 1), (1, 0), (1, insn.pool_stride_w),
                                    *[(None, cur.left)] * 2], task.left)
    iy = walk.add("iy", _POSITION, [None, (0, 1), (1, 0), (1, insn.pool_stride_h),
                                    (None, cur.top)], task.top)
    inside = Signal()
    m.d.comb += inside.eq((iy >= 0) & (iy < insn.conv_h) & (ix >= 0) & (ix < insn.conv_w))
    return addr, inside


def _next_block(m: Module, config: Config, group: Signal, plane: Signal, out_plane: Value) -> None:
    """Go on to where the next block's words are: `cols` channels further on."""
    lanes = config.array.post_lanes
    groups = config.array.rows // lanes
    whole, part = divmod(config.array.cols // lanes, groups)
    planes = times(out_plane, Const(whole, max(1, whole.bit_length())))
    with m.If(group + part >= groups):
        m.d.sync += [group.eq(group + part - groups), plane.eq(plane + planes + out_plane)]
    with m.Else():
        m.d.sync += [group.eq(group + part), plane.eq(plane + planes)]


def _place_layout(groups: int, act_bits: int) -> data.StructLayout:
    """Of a step and of the window's word; `addr` of a word is `plane` + `pixel`."""
    return data.StructLayout({
        "first": 1, "inside": 1, "window_end": 1, "block_end": 1, "insn_end": 1, "bank": 1,
        "context": 1, "group": range(max(2, groups)), "plane": act_bits, "pixel": act_bits})
