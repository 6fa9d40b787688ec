"""Post-processing: pool, requantise and write finished accumulators."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.parts.arith import (
    ACC_BITS,
    COARSE_BITS,
    HALF_BITS,
    PRODUCT_BITS,
    nearest_half,
    round_half_up,
    saturate,
    shift_coarse,
    shift_fine,
    times,
)
from hw.gateware.parts.walk import Walk
from hw.gateware.signatures.interfaces import ActWrite, Done, completion, insn_stream
from hw.isa import Opcode

from .accumulator import AccRead, Accumulator
from .tiles import param_members

__all__ = ["Post"]


class Post(wiring.Component):
    """Drain accumulator banks in the order in which they fill.

    Reads one accumulator per column and cycle, takes the maximum over the pooling window, then
    for `post_lanes` columns per cycle adds the bias, multiplies, shifts with rounding, clamps
    and writes. Multipliers of requantisation are not negative, so pooling before it is the same
    as after it and costs one multiplication for a window.

    Members
    -------
    i : POST instructions, their tokens taken
    acc : read port of the accumulators
    full : bank levels
    params : bias, mult, shift of two banks; see `tiles.param_members`
    drained : pulse per bank, when its accumulators and parameters are no longer needed
    acts : write port of the activation memory; it must always be ready
    done : an instruction's last word has been written
    busy : 1
    moved : 1, something is on its way through the pipeline

    Timing: a block of p output pixels with windows of w takes max(p * w, p * cols / post_lanes)
    cycles and `LATENCY` to drain.
    """

    #: From a window's last accumulator read to its first write.
    LATENCY = Accumulator.READ_LATENCY + 10

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "i": In(insn_stream(Opcode.POST, config)),
            "acc": Out(AccRead(config)),
            "full": In(2),
            "params": param_members(config),
            "drained": Out(2),
            "acts": Out(ActWrite(config)),
            "done": Out(Done(Opcode.POST)),
            "busy": Out(1), "moved": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        rows, cols, lanes = config.array.rows, config.array.cols, config.array.post_lanes
        subs, groups = cols // lanes, rows // lanes
        # Addresses are modulo the memories' sizes: differences may be negative.
        acc_addr, act_addr = len(self.acc.addr), config.act_addr_bits
        pos = signed(12)

        # -- prepare ---------------------------------------------------------------------------
        insn = Signal(self.i.payload.shape())
        have, ready2, ready3, prepared = Signal(), Signal(), Signal(), Signal()
        row_step, top_words, origin = Signal(acc_addr), Signal(acc_addr), Signal(acc_addr)
        top, left = Signal(signed(5)), Signal(signed(5))  # position of the first window
        m.d.comb += self.i.ready.eq(~have)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [insn.eq(self.i.payload), have.eq(1)]
        m.d.sync += [ready2.eq(have & ~ready2 & ~ready3 & ~prepared), ready3.eq(ready2)]
        factor = Signal(Mux(1, insn.pool_stride, insn.pool_top).shape())
        product = Signal(acc_addr)
        m.d.comb += product.eq(times(insn.conv_w, factor))
        with m.If(have & ~ready2 & ~ready3 & ~prepared):
            m.d.sync += [factor.eq(insn.pool_top),
                         top.eq(0 - insn.pool_top), left.eq(0 - insn.pool_left)]
        with m.If(ready2):
            m.d.sync += [factor.eq(insn.pool_stride), top_words.eq(product)]
        with m.If(ready3):
            m.d.sync += [row_step.eq(product), origin.eq(left - top_words), prepared.eq(1)]

        # -- walk the windows --------------------------------------------------------------------
        active, cur = Signal(), Signal.like(insn)
        cur_row_step, cur_origin = Signal(acc_addr), Signal(acc_addr)
        cur_top, cur_left = Signal.like(top), Signal.like(left)
        pixel = Signal(act_addr)
        group0 = Signal(range(max(2, groups)))
        plane0 = Signal(act_addr)
        bank = Signal()
        # What stays the same in an instruction is kept once, not carried down the pipeline; of
        # two instructions' copies one can be loaded while the other's last words are written.
        context = Signal()
        in_flight = Array([Signal(name="in_flight_0"), Signal(name="in_flight_1")])
        skipping = config.array.zero_skip
        telling = completion(insn)
        kept_widths = len(insn.out_plane), 8, 8, len(telling)
        kept = Cat(insn.out_plane, insn.low, insn.high, telling,
                   *([insn.per_pixel] if skipping else []))
        contexts = Array([Signal(len(kept), name=f"context_{k}", reset_less=True)
                          for k in range(2)])
        gap = Signal(range(max(2, subs)))

        # In registers: the bank to be walked is full; lanes still work on the window before.
        there, lanes_wait = Signal(), Signal()
        noted = Signal()  # the prepared instruction's copy has been written
        step, go_on, load = Signal(), Signal(), Signal()
        walk = Walk(m, [(name, insn[field], cur[field] if name != "block" else None)
                        for name, field in (
                            ("px", "pool_w"), ("py", "pool_h"), ("ox", "out_w"), ("oy", "out_h"),
                            ("block", "out_blocks"))],
                    go=go_on, load=load)
        window_end, block_end, insn_end = (walk.ends(n) for n in (2, 4, 5))
        m.d.comb += [
            step.eq(active & there & ~(window_end & lanes_wait)),
            go_on.eq(step | (noted & ~active)), load.eq(noted & Mux(active, step & insn_end, 1)),
        ]
        # A bank that has just been walked is still marked full: its release is under way.
        released = Signal(2)
        ready = self.full & ~released
        m.d.sync += there.eq(ready.bit_select(bank, 1))
        with m.If(gap != 0):
            m.d.sync += [gap.eq(gap - 1), lanes_wait.eq(gap != 1)]
        addr = walk.add("addr", acc_addr, [
            (0, 1), (1, cur.conv_w), (2, cur.pool_stride), (3, cur_row_step), (None, cur_origin)],
            origin)
        ix = walk.add("ix", pos, [(0, 1), (1, 0), (1, cur.pool_stride), *[(None, cur_left)] * 2],
                      left)
        iy = walk.add("iy", pos, [None, (0, 1), (1, 0), (1, cur.pool_stride), (None, cur_top)],
                      top)
        with m.If(step & window_end):
            m.d.sync += [gap.eq(subs - 1), lanes_wait.eq(subs > 1),
                         pixel.eq(Mux(block_end, 0, pixel + 1))]
        with m.If(step & block_end):
            m.d.sync += [bank.eq(~bank), released.bit_select(bank, 1).eq(1),
                         there.eq(ready.bit_select(~bank, 1))]
            # the next block starts `cols` channels further on
            whole, part = divmod(subs, groups)
            planes = times(cur.out_plane, Const(whole, max(1, whole.bit_length())))
            with m.If(group0 + part >= groups):
                m.d.sync += [group0.eq(group0 + part - groups),
                             plane0.eq(plane0 + planes + cur.out_plane)]
            with m.Else():
                m.d.sync += [group0.eq(group0 + part), plane0.eq(plane0 + planes)]
            with m.If(insn_end):
                m.d.sync += active.eq(0)
        # Its copy is written as soon as there is a place, so that `load` need not reach it.
        with m.If(prepared & ~noted & ~in_flight[~context]):
            m.d.sync += [contexts[~context].eq(kept), noted.eq(1)]
        with m.If(load):
            m.d.sync += [
                active.eq(1), prepared.eq(0), have.eq(0), cur.eq(insn),
                context.eq(~context), in_flight[~context].eq(1), noted.eq(0),
                cur_row_step.eq(row_step), cur_origin.eq(origin), cur_top.eq(top),
                cur_left.eq(left), pixel.eq(0), group0.eq(0), plane0.eq(insn.out_addr),
            ]

        # -- read, then the window's maximum -----------------------------------------------------
        inside = Signal()
        first = Signal(init=1)  # no accumulator of this window has been read yet
        m.d.comb += inside.eq((iy >= 0) & (iy < cur.conv_h) & (ix >= 0) & (ix < cur.conv_w))
        with m.If(step):
            m.d.sync += first.eq(window_end | (first & ~inside))
        meta = Cat(first, inside, window_end, block_end, insn_end, bank, context, group0, plane0,
                   pixel)
        meta_widths = (1, 1, 1, 1, 1, 1, 1, len(group0), act_addr, act_addr)
        meta, asked = _delay(m, "ask", meta, step, 1)
        asked_inside, asked_bank, asked_addr = meta[1], meta[5], Signal.like(addr)
        with m.If(step):
            m.d.sync += asked_addr.eq(addr)
        m.d.comb += [self.acc.valid.eq(asked & asked_inside), self.acc.bank.eq(asked_bank),
                     self.acc.addr.eq(asked_addr)]
        meta, valid = _delay(m, "read", meta, asked, Accumulator.READ_LATENCY)
        parts = _split(meta, *meta_widths)
        (d_first, d_inside, d_window, d_block, d_insn, d_bank, d_context, d_group, d_plane,
         d_pixel) = parts
        best = []
        take = valid & d_inside
        for c in range(cols):
            value = Signal(signed(ACC_BITS), name=f"best_{c}", reset_less=True)
            sample = self.acc.data[c]
            with m.If(take & (d_first | (value < sample))):
                m.d.sync += value.eq(sample)
            best.append(value)

        # -- lanes: `subs` cycles for each pixel --------------------------------------------------
        sub = Signal(range(max(2, subs)))
        busy_lanes = Signal()
        lane_bank, lane_block, lane_insn = Signal(), Signal(), Signal()
        lane_context = Signal()
        lane_group, lane_addr = Signal.like(group0), Signal(act_addr)
        start = Signal()
        m.d.comb += start.eq(valid & d_window)
        held = best
        if subs > 1:  # the next window may begin while this one's lanes go out
            held = []
            start_2 = Signal()
            m.d.sync += start_2.eq(start)
            for c in range(cols):
                copy = Signal(signed(ACC_BITS), name=f"held_{c}", reset_less=True)
                with m.If(start_2):
                    m.d.sync += copy.eq(best[c])
                held.append(copy)
            meta_2 = Signal(len(Cat(*parts)))
            with m.If(start):
                m.d.sync += meta_2.eq(Cat(*parts))
            parts = _split(meta_2, *meta_widths)
            _, _, _, d_block, d_insn, d_bank, d_context, d_group, d_plane, d_pixel = parts
            start = start_2
        if skipping:
            m.d.comb += [self.params.en.eq(start), self.params.bank.eq(d_bank),
                         self.params.block.eq(Mux(contexts[d_context][-1], d_pixel, 0))]
        with m.If(start):
            m.d.sync += [
                busy_lanes.eq(1), sub.eq(0), lane_bank.eq(d_bank), lane_block.eq(d_block),
                lane_insn.eq(d_insn), lane_group.eq(d_group), lane_addr.eq(d_plane + d_pixel),
                lane_context.eq(d_context)]
        with m.Elif(busy_lanes):
            m.d.sync += sub.eq(sub + 1)
            with m.If(sub == subs - 1):
                m.d.sync += busy_lanes.eq(0)
            with m.If(lane_group == groups - 1):
                m.d.sync += [lane_group.eq(0), lane_addr.eq(
                    lane_addr + contexts[lane_context][:len(insn.out_plane)])]
            with m.Else():
                m.d.sync += lane_group.eq(lane_group + 1)

        # -- requantise ----------------------------------------------------------------------------
        sub_last = sub == subs - 1
        stage = Cat(sub_last & lane_block, sub_last & lane_insn, lane_bank, lane_context,
                    lane_group, lane_addr)
        widths = (1, 1, 1, 1, len(lane_group), act_addr)
        metas, valids = [stage], [busy_lanes]
        for n in range(7):
            tag, flag = _delay(m, f"requant_{n}", metas[-1], valids[-1], 1)
            metas.append(tag)
            valids.append(flag)
        # The limits are chosen a cycle before they are needed.
        low, high = Signal(signed(8), reset_less=True), Signal(signed(8), reset_less=True)
        _, next_low, next_high, *_ = _split(contexts[metas[5][3]], *kept_widths)
        with m.If(valids[5]):
            m.d.sync += [low.eq(next_low), high.eq(next_high)]
        results = []
        for lane in range(lanes):
            value = Array(held[s * lanes + lane] for s in range(subs))[sub] if subs > 1 \
                else held[lane]
            if skipping:
                row = self.params.row
                param = Array(row[64 * c:64 * c + 64] for c in range(lane, cols, lanes))[sub]
            elif lanes == 1:
                m.d.comb += [self.params.bank.eq(lane_bank), self.params.column.eq(sub)]
                param = self.params.param
            else:
                index = [self.params[b * cols + s * lanes + lane]
                         for b in range(2) for s in range(subs)]
                param = Array(index)[Cat(sub[:ceil_log2(subs)], lane_bank)] \
                    if _is_pow2(subs) else \
                    Mux(lane_bank, Array(index[subs:])[sub], Array(index[:subs])[sub])
            biased = Signal(signed(ACC_BITS), name=f"biased_{lane}", reset_less=True)
            mult = Signal(16, name=f"mult_{lane}", reset_less=True)
            shift_1 = Signal(6, name=f"shift_1_{lane}", reset_less=True)
            shift_2 = Signal(6, name=f"shift_2_{lane}", reset_less=True)
            product = Signal(signed(PRODUCT_BITS), name=f"scaled_{lane}", reset_less=True)
            coarse = Signal(COARSE_BITS, name=f"coarse_{lane}", reset_less=True)
            fine = Signal(HALF_BITS + 2, name=f"fine_{lane}", reset_less=True)
            result = Signal(signed(8), name=f"result_{lane}", reset_less=True)
            with m.If(valids[0]):
                m.d.sync += [biased.eq(value + param[:32].as_signed()), mult.eq(param[32:48]),
                             shift_1.eq(param[48:54])]
            # 32 x 16 bits as two products of 16 x 16, each in a register of its own
            low_part = Signal(32, name=f"low_part_{lane}", reset_less=True)
            high_part = Signal(signed(32), name=f"high_part_{lane}", reset_less=True)
            rounded = Signal(signed(HALF_BITS), name=f"rounded_{lane}", reset_less=True)
            shift_3 = Signal(6, name=f"shift_3_{lane}", reset_less=True)
            shift_4 = Signal(4, name=f"shift_4_{lane}", reset_less=True)
            with m.If(valids[1]):
                m.d.sync += [low_part.eq(biased[:16] * mult),
                             high_part.eq(biased[16:].as_signed() * mult), shift_2.eq(shift_1)]
            with m.If(valids[2]):
                m.d.sync += [product.eq(low_part + (high_part << 16)), shift_3.eq(shift_2)]
            with m.If(valids[3]):
                m.d.sync += [coarse.eq(shift_coarse(m, product, shift_3)), shift_4.eq(shift_3)]
            with m.If(valids[4]):
                m.d.sync += fine.eq(shift_fine(m, coarse, shift_4))
            with m.If(valids[5]):
                m.d.sync += rounded.eq(round_half_up(nearest_half(fine)))
            with m.If(valids[6]):
                m.d.sync += result.eq(saturate(rounded, low, high))
            results.append(result)

        t_block, t_insn, t_bank, t_context, t_group, t_addr = _split(metas[7], *widths)
        *_, t_done = _split(contexts[t_context], *kept_widths)
        m.d.comb += [
            self.acts.valid.eq(valids[7]), self.acts.addr.eq(t_addr),
            self.acts.data.eq(Cat(*(results * groups))), self.acts.lanes.eq(1 << t_group),
            self.done.valid.eq(valids[7] & t_insn),
            completion(self.done).eq(t_done),
        ]
        with m.If(valids[7] & t_insn):
            m.d.sync += in_flight[t_context].eq(0)
        with m.If(valids[7] & t_block):
            m.d.comb += self.drained.eq(1 << t_bank)
            m.d.sync += released.bit_select(t_bank, 1).eq(0)
        m.d.comb += [self.moved.eq(asked | valid | busy_lanes | Cat(*valids[1:]).any()),
                     self.busy.eq(have | active | self.moved)]
        return m


def _is_pow2(n: int) -> bool:
    return n & (n - 1) == 0


def _delay(m, name, value, valid, cycles):
    """Carry a value beside a pipeline."""
    for n in range(cycles):
        register, flag = Signal(len(value), name=f"{name}_{n}", reset_less=True), Signal(
            name=f"{name}_valid_{n}")
        m.d.sync += flag.eq(valid)
        with m.If(valid):
            m.d.sync += register.eq(value)
        value, valid = register, flag
    return value, valid


def _split(value, *widths):
    """Take a concatenation apart."""
    parts, position = [], 0
    for width in widths:
        parts.append(value[position:position + width])
        position += width
    return parts
