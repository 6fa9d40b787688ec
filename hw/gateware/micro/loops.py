"""The microcoded core's array: one tile of weights, taken through all of a stripe's pixels."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.parts.arith import ACC_BITS, add_tree
from hw.isa import FORMATS, Opcode, field_bits

from .machine import LOOPS, Put

__all__ = ["TileLoops"]


class TileLoops(wiring.Component):
    """Walk output rows and columns, and add each pixel's products to its accumulators.

    Members
    -------
    data : what is set
    put, strobe : which of `Put`'s values it is, from `Put.WEIGHTS` on; it may be set while idle
    idle : 1, no pixel is under way
    stop : pulse, no pixel of this tile is to follow
    fires : 1, a pixel is multiplied
    act_addr : its activations
    acts : those asked for in the cycle before
    beyond : 1, the address is beyond the memory
    overflow : 1, there are more pixels than accumulators
    acc_addr, sums : an accumulator to look at, while idle, and its columns a cycle later

    Timing
    ------
    One pixel per cycle from the cycle after `Put.START` on; its sums are written `LATENCY` cycles
    after it was fired.

    Resources
    ---------
    rows * cols multipliers of 8 by 8 bits; a memory of two banks of `acc_depth` sums.
    """

    #: Cycles from a pixel's address to its sums' writing.
    LATENCY = 1

    data: Signal
    put: Signal
    strobe: Signal
    idle: Signal
    stop: Signal
    fires: Signal
    act_addr: Signal
    beyond: Signal
    overflow: Signal
    acts: Signal
    acc_addr: Signal
    sums: list[Signal]

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "data": In(signed(33)), "put": In(6), "strobe": In(1), "idle": Out(1), "stop": In(1),
            "fires": Out(1), "act_addr": Out(config.act_addr_bits), "beyond": Out(1),
            "overflow": Out(1),
            "acts": In(config.word_bits),
            "acc_addr": In(ceil_log2(config.buffers.acc_depth) + 1),
            "sums": Out(signed(ACC_BITS)).array(config.array.cols),
        })

    def elaborate(self, platform):
        m = Module()
        config, data = self._config, self.data
        rows, cols = config.array.rows, config.array.cols
        bits = {f.name: field_bits(config, f) for f in FORMATS[Opcode.COMPUTE]}
        fields = {p: Signal(bits[p.name.lower()], name=p.name.lower()) for p in LOOPS}
        stride_w, stride_h, dilation, pad_value, in_w, in_h, out_w, out_h = fields.values()
        weights = Signal(8 * rows * cols)
        row_step, next_addr, addr, row_addr = (
            Signal(config.act_addr_bits, name=n)
            for n in ("row_step", "next_addr", "addr", "row_addr"))
        next_x, first_x, x, next_y, y = (
            Signal(signed(12), name=n) for n in ("next_x", "first_x", "x", "next_y", "y"))
        columns, lines = Signal.like(out_w), Signal.like(out_h)
        sets, bank = Signal(), Signal()
        pixel = Signal(ceil_log2(config.buffers.acc_depth))
        active = Signal()

        # -- walk ----------------------------------------------------------------------------
        inside = Signal()
        m.d.comb += [
            inside.eq((x >= 0) & (x < in_w) & (y >= 0) & (y < in_h)),
            self.act_addr.eq(addr), self.fires.eq(active),
            self.beyond.eq(active & inside & addr[-2:].any()),
            self.overflow.eq(active & pixel.all() & ((columns != 1) | (lines != 1))),
        ]
        with m.If(active):
            m.d.sync += [pixel.eq(pixel + 1), columns.eq(columns - 1), x.eq(x + stride_w),
                         addr.eq(addr + stride_w)]
            with m.If(columns == 1):
                m.d.sync += [columns.eq(out_w), lines.eq(lines - 1), x.eq(first_x),
                             y.eq(y + stride_h), addr.eq(row_addr + row_step),
                             row_addr.eq(row_addr + row_step)]
                with m.If(lines == 1):
                    m.d.sync += active.eq(0)

        # -- set, while idle -----------------------------------------------------------------
        targets = {Put.ROW_STEP: row_step, Put.TILE_ADDR: next_addr, Put.TILE_X: next_x,
                   Put.TILE_Y: next_y, **fields}
        with m.If(self.strobe & self.idle), m.Switch(self.put):
            for put, target in targets.items():
                with m.Case(put):
                    m.d.sync += target.eq(data)
            with m.Case(Put.WEIGHTS):  # the oldest bytes end up lowest
                m.d.sync += weights.eq(Cat(weights, data[:32])[32:])
            with m.Case(Put.START):
                m.d.sync += [
                    active.eq(1), pixel.eq(0), columns.eq(out_w), lines.eq(out_h),
                    sets.eq(data[0]), bank.eq(data[1]), addr.eq(next_addr), row_addr.eq(next_addr),
                    x.eq(next_x), first_x.eq(next_x), y.eq(next_y),
                    next_addr.eq(next_addr + dilation), next_x.eq(next_x + dilation)]
        with m.If(self.stop):
            m.d.sync += active.eq(0)

        # -- multiply and add, a cycle later -------------------------------------------------
        m.submodules.sums = store = memory.Memory(
            shape=ACC_BITS * cols, depth=2 * config.buffers.acc_depth, init=[])
        read, write = store.read_port(), store.write_port()
        adds, counts = Signal(), Signal()  # what was read is to be added; it is of a pixel inside
        acts = Signal.like(self.acts)
        place = Signal.like(write.addr)
        m.d.comb += [read.addr.eq(Mux(active, Cat(pixel, bank), self.acc_addr)),
                     write.addr.eq(place), write.en.eq(adds), self.idle.eq(~active & ~adds)]
        m.d.comb += acts.eq(Mux(counts, self.acts, pad_value.replicate(rows)))
        m.d.sync += [adds.eq(active), counts.eq(inside), place.eq(Cat(pixel, bank))]
        sums = []
        for c in range(cols):
            old = read.data.word_select(c, ACC_BITS).as_signed()
            products = [acts.word_select(r, 8).as_signed()
                        * weights.word_select(c * rows + r, 8).as_signed() for r in range(rows)]
            sums.append((Mux(sets, 0, old) + add_tree(products))[:ACC_BITS])
            m.d.comb += self.sums[c].eq(old)
        m.d.comb += write.data.eq(Cat(sums))
        return m
