"""Walks a COMPUTE instruction and feeds the array one activation vector per cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from .config import Config, ceil_log2
from .credits import Credits
from .interfaces import ActRead, Done, completion, insn_stream, vector_layout
from .isa import Opcode
from .walk import Walk

__all__ = ["Feeder"]

#: Cycles from a taken activation read to its data; see `ActMemory`.
READ_LATENCY = 2
_FIFO_DEPTH = 8


class Feeder(wiring.Component):
    """Generate addresses, read activations and emit vectors in the order of the weight tiles.

    Per output block: input block, kernel row, kernel column, output row, output column, the
    last innermost. All addresses are incremental; there is no bubble between tiles, blocks or
    instructions. Padding needs no read.

    Members
    -------
    i : COMPUTE instructions, their tokens taken
    acts : read port of the activation memory
    o : vectors
    done : an instruction's last read has been taken
    drained : pulse for each bank that post-processing has finished with
    acc_wait : 1, blocked because the bank is not drained
    busy : 1
    moved : 1, a vector came in or went out
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "i": In(insn_stream(Opcode.COMPUTE, config)),
            "acts": Out(ActRead(config)),
            "o": Out(stream.Signature(vector_layout(config))),
            "done": Out(Done(Opcode.COMPUTE)),
            "drained": In(2),
            "acc_wait": Out(1),
            "busy": Out(1), "moved": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        addr_shape = self._config.act_addr_bits  # modulo: differences may be negative
        pos = signed(12)

        # -- prepare: products that the walk needs, two cycles ahead of it --------------------
        insn = Signal(self.i.payload.shape())
        have = Signal()
        ready2 = Signal()
        row_step = Signal(addr_shape)
        pad_words = Signal(addr_shape)
        origin = Signal(addr_shape)
        top, left = Signal(signed(9)), Signal(signed(9))  # position of the first input
        prepared = Signal()
        load = Signal()  # the walk takes the prepared instruction
        m.d.comb += self.i.ready.eq(~have)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [insn.eq(self.i.payload), have.eq(1)]
        m.d.sync += ready2.eq(have & ~ready2 & ~prepared)
        product = Signal(addr_shape)  # one multiplier for both, in turn
        m.d.comb += product.eq(insn.in_w * Mux(ready2, insn.stride, insn.pad_top))
        with m.If(have & ~ready2 & ~prepared):
            m.d.sync += [pad_words.eq(product), top.eq(-insn.pad_top), left.eq(-insn.pad_left)]
        with m.If(ready2):
            m.d.sync += [row_step.eq(product), origin.eq(insn.in_addr - pad_words + left),
                         prepared.eq(1)]

        # -- walk ------------------------------------------------------------------------------
        active = Signal()
        cur = Signal.like(insn)
        cur_row_step = Signal(addr_shape)
        cur_origin = Signal(addr_shape)
        cur_top, cur_left = Signal.like(top), Signal.like(left)
        pixel = Signal(ceil_log2(self._config.buffers.acc_depth))
        bank = Signal()
        occupied = Signal(2)
        first_pixel, first_tile = Signal(init=1), Signal(init=1)

        opens = Signal()
        m.d.comb += [
            opens.eq(first_pixel & first_tile & cur.first),
            self.acc_wait.eq(active & opens & occupied.bit_select(bank, 1)),
        ]

        step = Signal()
        slot_ready = Signal()
        m.d.comb += step.eq(active & ~self.acc_wait & slot_ready)
        loading = Signal()
        walk = Walk(m, [(name, insn[field], cur[field] if name != "ob" else None)
                        for name, field in (
                            ("ox", "out_w"), ("oy", "out_h"), ("kx", "kernel_w"),
                            ("ky", "kernel_h"), ("ib", "in_blocks"), ("ob", "out_blocks"))],
                    step=step, load=load, loading=loading)
        tile_end, block_end, insn_end = (walk.ends(n) for n in (2, 5, 6))
        m.d.comb += [loading.eq(prepared & (~active | insn_end)),
                     load.eq(loading & (~active | step))]
        addr = walk.add("addr", addr_shape, [
            (0, cur.stride), (1, cur_row_step), (2, 1), (3, cur.in_w), (4, cur.in_plane),
            (None, cur_origin)], origin)
        ix = walk.add("ix", pos, [(0, cur.stride), (1, 0), (1, 1), *[(None, cur_left)] * 3], left)
        iy = walk.add("iy", pos, [None, (0, cur.stride), (1, 0), (1, 1), *[(None, cur_top)] * 2],
                      top)
        with m.If(step):
            m.d.sync += [first_pixel.eq(tile_end), pixel.eq(Mux(tile_end, 0, pixel + 1))]
            with m.If(tile_end):
                m.d.sync += first_tile.eq(block_end)
        with m.If(step & block_end & cur.last):
            m.d.sync += [bank.eq(~bank), occupied.bit_select(bank, 1).eq(1)]
        with m.If(step & insn_end):
            m.d.sync += active.eq(0)
        for b in range(2):
            with m.If(self.drained[b]):
                m.d.sync += occupied[b].eq(0)
        with m.If(load):
            m.d.sync += [
                active.eq(1), prepared.eq(0), have.eq(0), cur.eq(insn),
                cur_row_step.eq(row_step), cur_origin.eq(origin), cur_top.eq(top),
                cur_left.eq(left), pixel.eq(0), first_pixel.eq(1), first_tile.eq(1),
            ]

        # -- one item between the walk and the memory ------------------------------------------
        vector = self.o.payload.shape()
        skipping = [cur.live_blocks, cur.epsilon] if self._config.array.zero_skip else []
        meta_shape = 1 + pixel.shape().width + 3 + len(Cat(skipping)) + 1
        item, item_valid, item_pad, item_end = Signal(meta_shape), Signal(), Signal(), Signal()
        item_done = Signal.like(completion(cur))
        inside = Signal()
        m.d.comb += inside.eq((iy >= 0) & (iy < cur.in_h) & (ix >= 0) & (ix < cur.in_w))
        item_addr = Signal(addr_shape)
        go = Signal()
        popped = Signal()
        credits = Credits(m, _FIFO_DEPTH, take=go, give=popped)
        m.d.comb += [
            self.acts.valid.eq(item_valid & ~item_pad & credits.some),
            self.acts.addr.eq(item_addr),
            go.eq(item_valid & credits.some & (item_pad | self.acts.ready)),
            slot_ready.eq(~item_valid | go),
        ]
        with m.If(go):
            m.d.sync += item_valid.eq(0)
        with m.If(step):
            m.d.sync += [
                item_valid.eq(1), item_pad.eq(~inside), item_addr.eq(addr),
                item.eq(Cat(first_pixel, pixel, first_tile & cur.first, bank,
                            block_end & cur.last, *skipping, ~inside)),
                item_end.eq(insn_end),
                item_done.eq(completion(cur)),
            ]
        m.d.comb += [
            self.done.valid.eq(go & item_end),
            completion(self.done).eq(item_done),
        ]

        # -- data comes back after READ_LATENCY and waits in a small FIFO ------------------------
        valid, meta = go, item
        for n in range(READ_LATENCY):
            next_valid, next_meta = Signal(name=f"flight_valid_{n}"), Signal(
                meta_shape, name=f"flight_meta_{n}")
            m.d.sync += next_valid.eq(valid)
            with m.If(valid):
                m.d.sync += next_meta.eq(meta)
            valid, meta = next_valid, next_meta
        m.submodules.fifo = out = fifo.SyncFIFOBuffered(width=len(self.o.payload.as_value()),
                                                        depth=_FIFO_DEPTH)
        payload = Signal(vector)
        m.d.comb += [
            Cat(payload[name] for name, _ in vector if name != "acts").eq(meta),
            payload.acts.eq(Mux(meta[-1], 0, self.acts.data)),
            out.w_en.eq(valid), out.w_data.eq(payload),
            self.o.valid.eq(out.r_rdy), self.o.payload.eq(out.r_data),
            out.r_en.eq(self.o.ready),
        ]
        m.d.comb += popped.eq(self.o.valid & self.o.ready)
        m.d.comb += self.moved.eq(go | popped)
        m.d.comb += self.busy.eq(have | active | item_valid | credits.out)
        return m
