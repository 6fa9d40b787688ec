"""Walks the vectors of COMPUTE instructions."""

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import stream

from hw.config import Config, ceil_log2
from hw.gateware.parts.walk import Walk

from .task import WalkTask

__all__ = ["Vectors"]

_POSITION = signed(12)  # of an input in its plane, which it may lie outside of


class Vectors:
    """Walk output blocks, their tiles, and each tile's pixels, one vector in a step.

    A block's first step waits until its accumulators' bank is drained.

    Parameters
    ----------
    m : Module
    config : Config
    i : stream of COMPUTE instructions, their tokens taken
    drained : pulse for each bank that post-processing has finished with
    wait : 1, no step
    cut : 1, all steps of the next tile but the first are left out
    acc_wait : becomes 1, blocked because the bank is not drained

    Attributes
    ----------
    walk : its loops are output column, row, kernel column, row, input and output block
    step, load : 1, a step is done; another instruction begins
    again : at `load`, 1: there is a second output block
    insn : the instruction under way
    addr, ix, iy : the input's word, and its column and row in the plane, or outside of it
    pixel, bank : the accumulator
    first_pixel, first_tile : of the tile; of the output block
    overflow : 1, a tile has more pixels than there are accumulators; of `insn`
    busy : 1, an instruction is there
    advances : 1, one is prepared, begins or goes on
    """

    def __init__(self, m: Module, config: Config, i: stream.Interface, drained: Value, *,
                 wait: Value, cut: Value, acc_wait: Signal):
        addr_bits = config.act_addr_bits
        task, kernel_row, have, prepared = _prepare(m, i, addr_bits)
        insn = task.insn
        active = Signal()
        cur_row_step, cur_kernel_row = Signal(addr_bits), Signal(addr_bits)
        cur_origin = Signal(addr_bits)
        cur_top, cur_left = Signal.like(task.top), Signal.like(task.left)
        cur = Signal.like(insn)
        pixel = Signal(ceil_log2(config.buffers.acc_depth))
        bank = Signal()
        occupied = Signal(2)
        first_pixel, first_tile = Signal(init=1), Signal(init=1)
        overflow = Signal()

        # In registers: the next step opens a block, and its bank is not drained.
        opens, taken = Signal(), Signal()
        m.d.comb += acc_wait.eq(active & opens & taken)

        load = Signal()  # the walk takes the prepared instruction
        step, go_on = Signal(), Signal()
        walk = Walk(m, [(name, insn[field], cur[field] if name != "ob" else None)
                        for name, field in (
                            ("ox", "out_w"), ("oy", "out_h"), ("kx", "kernel_w"),
                            ("ky", "kernel_h"), ("ib", "in_blocks"), ("ob", "out_blocks"))],
                    go=go_on, load=load,
                    cut=(2 if config.array.zero_skip else 0, cut))
        tile_end, block_end, insn_end = (walk.ends(n) for n in (2, 5, 6))
        m.d.comb += [
            step.eq(active & ~(opens & taken) & ~wait),
            go_on.eq(step | (prepared & ~active)),
            load.eq(prepared & Mux(active, step & insn_end, 1)),
        ]
        addr, ix, iy = _position(
            walk, task, WalkTask(cur, cur_row_step, cur_origin, cur_top, cur_left),
            cur_kernel_row)
        m.d.sync += overflow.eq(step & pixel.all() & ~tile_end)
        with m.If(step):
            m.d.sync += [first_pixel.eq(tile_end), pixel.eq(Mux(tile_end, 0, pixel + 1)),
                         opens.eq(block_end & cur.first)]
            with m.If(tile_end):
                m.d.sync += first_tile.eq(block_end)
        with m.If(step & block_end & cur.last):
            m.d.sync += [bank.eq(~bank), occupied.bit_select(bank, 1).eq(1),
                         taken.eq((occupied & ~drained).bit_select(~bank, 1))]
        with m.Elif(drained.bit_select(bank, 1)):
            m.d.sync += taken.eq(0)
        with m.If(step & insn_end):
            m.d.sync += active.eq(0)
        for b in range(2):
            with m.If(drained[b]):
                m.d.sync += occupied[b].eq(0)
        with m.If(load):
            m.d.sync += [
                active.eq(1), prepared.eq(0), have.eq(0), cur.eq(insn),
                cur_row_step.eq(task.row_step), cur_kernel_row.eq(kernel_row),
                cur_origin.eq(task.origin), cur_top.eq(task.top), cur_left.eq(task.left),
                pixel.eq(0), first_pixel.eq(1), first_tile.eq(1),
                opens.eq(insn.first),
            ]
        self.walk, self.step, self.load, self.again = walk, step, load, insn.out_blocks != 1
        self.insn, self.addr, self.ix, self.iy = cur, addr, ix, iy
        self.pixel, self.bank = pixel, bank
        self.first_pixel, self.first_tile = first_pixel, first_tile
        self.overflow = overflow
        self.busy = have | active
        self.advances = i.valid & i.ready | (have & ~prepared) | go_on | drained.any()


def _prepare(m: Module, i: stream.Interface, addr_bits: int,
             ) -> tuple[WalkTask, Signal, Signal, Signal]:
    """Take an instruction and make the products that its walk needs, three cycles ahead of it.
    Return it, words from one row of the kernel to the next, that there is one, and that all of it
    is there."""
    insn = Signal(i.payload.shape())
    have, ready1, ready2, ready3 = Signal(), Signal(), Signal(), Signal()
    words = Signal(addr_bits)  # of the padding above; then of an output row's step
    origin = Signal(addr_bits)
    top, left = Signal(signed(9)), Signal(signed(9))  # position of the first input
    prepared = Signal()
    taking = Signal()
    m.d.comb += [taking.eq(i.valid & i.ready), i.ready.eq(~have)]
    m.d.sync += [ready1.eq(taking), ready2.eq(ready1), ready3.eq(ready2)]
    # One multiplier for all, in turn; the last product stays. Its place may be far away: it has
    # registers before and behind it, and nothing but wires ties those to this place.
    width = Signal.like(insn.in_w)
    factor = Signal(Mux(1, insn.dilation_h, insn.pad_top).shape())
    product = Signal(addr_bits)
    m.d.sync += product.eq(width * factor)
    with m.If(taking):
        m.d.sync += [insn.eq(i.payload), have.eq(1), width.eq(i.payload.in_w),
                     factor.eq(i.payload.pad_top)]
    with m.If(ready1):
        m.d.sync += [factor.eq(insn.stride_h),
                     top.eq(-insn.pad_top), left.eq(-insn.pad_left)]
    with m.If(ready2):
        m.d.sync += [factor.eq(insn.dilation_h), words.eq(product)]
    with m.If(ready3):
        m.d.sync += [words.eq(product), origin.eq(insn.in_addr - words + left),
                     prepared.eq(1)]
    return WalkTask(insn, words, origin, top, left), product, have, prepared


def _position(walk: Walk, task: WalkTask, cur: WalkTask, kernel_row: Signal,
              ) -> tuple[Signal, Signal, Signal]:
    """Where the walk is: a word's address, modulo the memory's size, and its column and row."""
    insn = cur.insn
    addr = walk.add("addr", task.origin.shape(), [
        (0, insn.stride_w), (1, cur.row_step), (2, insn.dilation_w), (3, kernel_row),
        (4, insn.in_plane), (None, cur.origin)], task.origin)
    ix = walk.add("ix", _POSITION, [(0, insn.stride_w), (1, 0), (1, insn.dilation_w),
                                    *[(None, cur.left)] * 3], task.left)
    iy = walk.add("iy", _POSITION, [None, (0, insn.stride_h), (1, 0), (1, insn.dilation_h),
                                    *[(None, cur.top)] * 2], task.top)
    return addr, ix, iy
