"""Walks a COMPUTE instruction and feeds the array one activation vector per cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.parts.credits import Credits
from hw.gateware.parts.walk import Walk
from hw.gateware.signatures.interfaces import (
    ActRead,
    Done,
    completion,
    insn_stream,
    spared_members,
    vector_layout,
)
from hw.isa import Opcode

__all__ = ["Feeder"]

#: Cycles from a taken activation read to its data; see `ActMemory`.
READ_LATENCY = 2
_FIFO_DEPTH = 8
#: Input blocks, the first of a COMPUTE, of which it is known that all they hold is zero.
_WATCHED = 64


class Feeder(wiring.Component):
    """Generate addresses, read activations and emit vectors in the order of the weight tiles.

    Per output block: input block, kernel row, kernel column, output row, output column, the
    last innermost. All addresses are incremental; there is no bubble between tiles, blocks or
    instructions. Padding needs no read.

    Where zeros are skipped, it looks at what it reads for the first output block. For the others,
    tiles of an input block that was zero everywhere are one vector of zeros each, which takes them
    from the tile loader; but not a block's first tile, which sets the accumulators.

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
    spared, spared_layer : where zeros are skipped, vectors left out, in the cycle after
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            **spared_members(config),
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

        # -- prepare: products that the walk needs, three cycles ahead of it ------------------
        insn = Signal(self.i.payload.shape())
        have, ready1, ready2, ready3 = Signal(), Signal(), Signal(), Signal()
        words = Signal(addr_shape)  # of the padding above; then of an output row's step
        origin = Signal(addr_shape)
        top, left = Signal(signed(9)), Signal(signed(9))  # position of the first input
        prepared = Signal()
        load = Signal()  # the walk takes the prepared instruction
        taking = Signal()
        m.d.comb += [taking.eq(self.i.valid & self.i.ready), self.i.ready.eq(~have)]
        m.d.sync += [ready1.eq(taking), ready2.eq(ready1), ready3.eq(ready2)]
        # One multiplier for both, in turn. Its place may be far away: it has registers before and
        # behind it, and nothing but wires ties those to this place.
        width = Signal.like(insn.in_w)
        factor = Signal(Mux(1, insn.stride, insn.pad_top).shape())
        product = Signal(addr_shape)
        m.d.sync += product.eq(width * factor)
        with m.If(taking):
            m.d.sync += [insn.eq(self.i.payload), have.eq(1), width.eq(self.i.payload.in_w),
                         factor.eq(self.i.payload.pad_top)]
        with m.If(ready1):
            m.d.sync += [factor.eq(insn.stride),
                         top.eq(-insn.pad_top), left.eq(-insn.pad_left)]
        with m.If(ready2):
            m.d.sync += words.eq(product)
        with m.If(ready3):
            m.d.sync += [words.eq(product), origin.eq(insn.in_addr - words + left),
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

        # In registers: the next step opens a block, and its bank is not drained.
        opens, taken = Signal(), Signal()
        m.d.comb += self.acc_wait.eq(active & opens & taken)

        step, go_on = Signal(), Signal()
        spare_valid = Signal()  # no room between the walk and the memory
        cut = Signal()
        walk = Walk(m, [(name, insn[field], cur[field] if name != "ob" else None)
                        for name, field in (
                            ("ox", "out_w"), ("oy", "out_h"), ("kx", "kernel_w"),
                            ("ky", "kernel_h"), ("ib", "in_blocks"), ("ob", "out_blocks"))],
                    go=go_on, load=load,
                    cut=(2 if self._config.array.zero_skip else 0, cut))
        tile_end, block_end, insn_end = (walk.ends(n) for n in (2, 5, 6))
        m.d.comb += [
            step.eq(active & ~(opens & taken) & ~spare_valid),
            go_on.eq(step | (prepared & ~active)),
            load.eq(prepared & Mux(active, step & insn_end, 1)),
        ]
        addr = walk.add("addr", addr_shape, [
            (0, cur.stride), (1, cur_row_step), (2, 1), (3, cur.in_w), (4, cur.in_plane),
            (None, cur_origin)], origin)
        ix = walk.add("ix", pos, [(0, cur.stride), (1, 0), (1, 1), *[(None, cur_left)] * 3], left)
        iy = walk.add("iy", pos, [None, (0, cur.stride), (1, 0), (1, 1), *[(None, cur_top)] * 2],
                      top)
        with m.If(step):
            m.d.sync += [first_pixel.eq(tile_end), pixel.eq(Mux(tile_end, 0, pixel + 1)),
                         opens.eq(block_end & cur.first)]
            with m.If(tile_end):
                m.d.sync += first_tile.eq(block_end)
        with m.If(step & block_end & cur.last):
            m.d.sync += [bank.eq(~bank), occupied.bit_select(bank, 1).eq(1),
                         taken.eq((occupied & ~self.drained).bit_select(~bank, 1))]
        with m.Elif(self.drained.bit_select(bank, 1)):
            m.d.sync += taken.eq(0)
        with m.If(step & insn_end):
            m.d.sync += active.eq(0)
        for b in range(2):
            with m.If(self.drained[b]):
                m.d.sync += occupied[b].eq(0)
        with m.If(load):
            m.d.sync += [
                active.eq(1), prepared.eq(0), have.eq(0), cur.eq(insn),
                cur_row_step.eq(words), cur_origin.eq(origin), cur_top.eq(top),
                cur_left.eq(left), pixel.eq(0), first_pixel.eq(1), first_tile.eq(1),
                opens.eq(insn.first),
            ]

        # -- one item between the walk and the memory, and one to spare ------------------------
        vector = self.o.payload.shape()
        dead = _DeadBlocks(m, walk, step=step, load=load, again=insn.out_blocks != 1) \
            if self._config.array.zero_skip else None
        skipping = [cur.live_blocks, cur.epsilon, dead.tag] if dead else []
        inside, insn_done = Signal(), completion(cur)
        m.d.comb += inside.eq((iy >= 0) & (iy < cur.in_h) & (ix >= 0) & (ix < cur.in_w)
                              & ~(dead.skips if dead else 0))
        meta = Cat(first_pixel, pixel, first_tile & cur.first, bank, block_end & cur.last,
                   *skipping, ~inside)
        layout = data.StructLayout({"meta": len(meta), "pad": 1, "addr": addr_shape, "end": 1,
                                    "done": len(insn_done)})
        item, spare, coming = Signal(layout), Signal(layout, reset_less=True), Signal(layout)
        item_valid, go, popped = Signal(), Signal(), Signal()
        credits = Credits(m, _FIFO_DEPTH, take=go, give=popped)
        m.d.comb += [
            coming.meta.eq(meta), coming.pad.eq(~inside), coming.addr.eq(addr),
            coming.end.eq(insn_end), coming.done.eq(insn_done),
            self.acts.valid.eq(item_valid & ~item.pad & credits.some),
            self.acts.addr.eq(item.addr),
            go.eq(item_valid & credits.some & (item.pad | self.acts.ready)),
        ]
        # The walk looks at the spare one only, so that it does not depend on the memory.
        with m.If(~item_valid | go):
            m.d.sync += [item_valid.eq(spare_valid | step), spare_valid.eq(0),
                         item.eq(Mux(spare_valid, spare.as_value(), coming.as_value()))]
        with m.Elif(step):
            m.d.sync += spare_valid.eq(1)
        with m.If(step):
            m.d.sync += spare.eq(coming)
        m.d.comb += [
            self.done.valid.eq(go & item.end),
            completion(self.done).eq(item.done),
        ]

        # -- data comes back after READ_LATENCY and waits in a small FIFO ------------------------
        valid, meta = go, item.meta
        for n in range(READ_LATENCY):
            next_valid, next_meta = Signal(name=f"flight_valid_{n}"), Signal(
                len(meta), name=f"flight_meta_{n}")
            m.d.sync += next_valid.eq(valid)
            with m.If(valid):
                m.d.sync += next_meta.eq(meta)
            valid, meta = next_valid, next_meta
        m.submodules.fifo = out = fifo.SyncFIFOBuffered(width=len(self.o.payload.as_value()),
                                                        depth=_FIFO_DEPTH)
        payload = Signal(vector)
        if dead:
            m.d.comb += cut.eq(dead.cut)
            beyond_first = Signal.like(pixel)  # vectors of a tile
            with m.If(step & tile_end & ~dead.skips):
                m.d.sync += beyond_first.eq(pixel)
            with m.If(step & dead.skips):
                m.d.sync += [self.spared.eq(beyond_first), self.spared_layer.eq(cur.layer)]
            with m.Elif(self.spared.any()):
                m.d.sync += self.spared.eq(0)
            dead.look(valid, meta[-1 - len(dead.tag):-1], payload.acts)
        m.d.comb += [
            Cat(payload[name] for name, _ in vector if name != "acts").eq(meta),
            payload.acts.eq(Mux(meta[-1], 0, self.acts.data)),
            out.w_en.eq(valid), out.w_data.eq(payload),
            self.o.valid.eq(out.r_rdy), self.o.payload.eq(out.r_data),
            out.r_en.eq(self.o.ready),
        ]
        m.d.comb += popped.eq(self.o.valid & self.o.ready)
        m.d.comb += self.moved.eq(go | popped)
        m.d.comb += self.busy.eq(have | active | item_valid | spare_valid | credits.out)
        return m


class _DeadBlocks:
    """Which input blocks of a COMPUTE are zero everywhere, seen while its first output block is
    computed.

    Parameters
    ----------
    m : Module
    walk : the feeder's, its loops output column, row, kernel column, row, input and output block
    step, load : as the walk's
    again : at `load`, 1: there is a second output block
    """

    def __init__(self, m: Module, walk: Walk, *, step, load, again):
        self._m, self._load = m, load
        tile_end, input_end, block_end = (walk.ends(n) for n in (2, 4, 5))
        looks, first = Signal(name="looks"), Signal(name="first_block")
        number, after = (Signal(range(_WATCHED + 1), name=f"input_{n}") for n in ("", "next"))
        self._dead = Signal(_WATCHED + 1, name="dead")  # the last of them never
        self._turn = Signal(name="turn")  # of instructions that look
        #: 1, the next tile is of a dead block; 1, this one is.
        self.cut, self.skips = Signal(name="cut_next"), Signal(name="skips")
        #: What `look` is to know of a vector: it is looked at, it is the last of its input block,
        #: of its output block, and of which instruction it is.
        self.tag = Cat(looks, input_end, block_end, self._turn)
        m.d.comb += [
            after.eq(number + (input_end & (number != _WATCHED))),
            self.cut.eq(~first & ~block_end & self._dead.bit_select(after, 1)),
        ]
        with m.If(step & tile_end):
            m.d.sync += [self.skips.eq(self.cut), number.eq(Mux(block_end, 0, after))]
        with m.If(step & block_end):
            m.d.sync += [first.eq(0), looks.eq(0)]
        with m.If(load):
            m.d.sync += [self.skips.eq(0), number.eq(0), first.eq(1), looks.eq(again),
                         self._turn.eq(self._turn ^ again)]

    def look(self, valid, tag, acts) -> None:
        """See a vector of activations when it has been read; `tag` as it was when it was asked
        for."""
        m = self._m
        looks, input_end, block_end, turn = tag
        alive, number = Signal(name="alive"), Signal(range(_WATCHED + 1), name="looked_at")
        any_so_far = Signal(name="any_so_far")
        m.d.comb += any_so_far.eq(alive | acts.any())
        with m.If(valid & looks):
            m.d.sync += alive.eq(~input_end & any_so_far)
            with m.If(input_end):
                m.d.sync += number.eq(Mux(block_end, 0, number + (number != _WATCHED)))
                with m.If((turn == self._turn) & (number != _WATCHED)):
                    m.d.sync += self._dead.bit_select(number, 1).eq(~any_so_far)
        # What is read when another instruction has begun has another turn: by the time that turn
        # comes again, two that look have begun, of two vectors or more each, and it has been seen.
        with m.If(self._load):
            m.d.sync += self._dead.eq(0)
