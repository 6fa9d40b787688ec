"""Skips zeros: gathers live inputs, asks for their weights, and feeds the array with both."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.parts.fifo import Fifo
from hw.gateware.signatures.interfaces import need_layout, vector_layout

from .tiles import TilePort

__all__ = ["LiveInputs"]

_GROUPS = 8  # gathered, whose weights are under way


class LiveInputs(wiring.Component):
    """Between the feeder and the array: pass vectors on, or multiply live inputs alone.

    The words of a COMPUTE with `live_blocks` are searched, one word or one live input per cycle.
    Each live input's row of weights is asked for at once; `rows` of them make a group. A group's
    weights arrive input by input and are used output block by output block, so they go through a
    memory for each array row: two groups of `row_beats` beats, one filled while the other is
    used. The array then gets the group's values again and again, each time with another block's
    tile, and adds them to that block's accumulator.

    What a group lacks at the end of a table is zero, and what its memories then still hold is
    multiplied by it.

    Members
    -------
    i, o : vectors from the feeder and to the array
    tile_i, tile_o : tiles from the tile loader and to the array
    needs : live inputs and the end of a table
    rows : their weights
    release : no more of a table's rows are to come
    busy : 1
    advances : see `hw.gateware.progress`

    Values and their weights part, and meet again in the array::

        i --> gather -- groups ------> fill --> slots --> use --> o
                `--> needs      rows ----^-> weights ------'-> tile_o

    Timing
    ------
    A word or a live input is searched in a cycle; a group takes its inputs' beats of weights, one
    per cycle, to fill, and a cycle for each output block, and one more, to use. Its first tile is
    there `LATENCY` cycles after its last beat, where none is used. Vectors that skip nothing pass
    in the same cycle.

    Resources
    ---------
    `rows` memories of 2 * `row_beats` beats; a comparison with `epsilon` for each row.
    """

    #: Cycles from a group's last beat of weights to its first tile.
    LATENCY = 2

    i: stream.Interface
    o: stream.Interface
    tile_i: wiring.PureInterface
    tile_o: wiring.PureInterface
    needs: stream.Interface
    rows: stream.Interface
    release: stream.Interface
    busy: Signal
    advances: Signal

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "i": In(stream.Signature(vector_layout(config))),
            "o": Out(stream.Signature(vector_layout(config))),
            "tile_i": In(TilePort(config)), "tile_o": Out(TilePort(config)),
            "needs": Out(stream.Signature(need_layout(config))),
            "rows": In(stream.Signature(unsigned(config.beat_bits))),
            "release": Out(stream.Signature(unsigned(0))),
            "busy": Out(1), "advances": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        group = data.StructLayout({
            "values": config.word_bits, "count": range(config.array.rows + 1),
            "live": range(config.live_blocks + 1), "first": 1, "bank": 1, "last": 1})
        m.submodules.groups = groups = Fifo(group.size, _GROUPS - 1)
        gathering, gathers = self._gather(m, groups, group)
        slots = [Signal(group, name=f"slot_{k}") for k in range(2)]
        full = Signal(2)
        tiles = self._fill(m, groups, group, slots, full)
        using, vector, weights, uses = self._use(m, slots, full, tiles)

        m.d.comb += [
            self.busy.eq(gathering | groups.any | full.any() | using),
            self.advances.eq((self.i.valid & self.i.ready) | (self.rows.valid & self.rows.ready)
                             | gathers | groups.advances | uses)]
        with m.If(self.busy):
            m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(vector),
                         self.tile_o.valid.eq(using), self.tile_o.last.eq(1),
                         *(t.eq(w) for t, w in zip(self.tile_o.weights, weights, strict=True))]
        with m.Else():
            m.d.comb += [
                self.o.valid.eq(self.i.valid & ~self.i.payload.live_blocks.any()),
                self.o.payload.eq(self.i.payload), self.tile_o.valid.eq(self.tile_i.valid),
                self.tile_i.take.eq(self.tile_o.take), self.tile_o.last.eq(self.tile_i.last),
                *(t.eq(w) for t, w in zip(self.tile_o.weights, self.tile_i.weights, strict=True))]
            with m.If(~self.i.payload.live_blocks.any()):
                m.d.comb += self.i.ready.eq(self.o.ready)
        return m

    def _gather(self, m: Module, groups: Fifo,
                group: data.StructLayout) -> tuple[Value, Value]:
        """Search words for live inputs, ask for their rows and put them into groups; return 1, it
        is at work, and 1, it goes on."""
        lanes = self._config.array.rows
        vector = self.i.payload
        have, left = Signal(), Signal(lanes)  # a word, and its lanes that are still to do
        word = Signal(self._config.word_bits, reset_less=True)
        close, bank, live = Signal(), Signal(), Signal.like(vector.live_blocks)
        number = Signal(len(self.needs.payload.index) - ceil_log2(lanes))  # of the word
        values, count, first = Signal(self._config.word_bits), Signal(range(lanes + 1)), Signal()

        alive, rest = Signal(lanes), Signal(lanes)
        for r in range(lanes):
            value = vector.acts[8 * r:8 * r + 8].as_signed()
            m.d.comb += alive[r].eq(Mux(value < 0, -value, value) > vector.epsilon)
        lane, value = Signal(ceil_log2(lanes)), Signal(8)
        m.d.comb += rest.eq(left & (left - 1))
        for r in reversed(range(lanes)):
            with m.If(left[r]):
                m.d.comb += [lane.eq(r), value.eq(word[8 * r:8 * r + 8])]
        # `If` after `If`: the last one, the lowest lane, decides

        whole, found, done, over = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            whole.eq(count == lanes),
            self.needs.payload.index.eq(Cat(lane, number)),
            self.needs.payload.end.eq(~left.any()),
            self.needs.valid.eq(have & Mux(left.any(), ~whole | groups.w_rdy,
                                           close & groups.w_rdy)),
            found.eq(self.needs.valid & self.needs.ready & left.any()),
            over.eq(self.needs.valid & self.needs.ready & ~left.any()),
            done.eq(Mux(close, over, (found & ~rest.any()) | (have & ~left.any()))),
            groups.w_en.eq((found & whole) | over),
        ]
        entry = Signal(group)
        m.d.comb += [entry.values.eq(values), entry.count.eq(count), entry.live.eq(live),
                     entry.first.eq(first), entry.bank.eq(bank), entry.last.eq(over),
                     groups.w_data.eq(entry)]
        with m.If(found):
            m.d.sync += left.eq(rest)
            with m.If(whole):
                m.d.sync += [values.eq(value), count.eq(1), first.eq(0)]
            with m.Else():
                m.d.sync += [values.word_select(count[:ceil_log2(lanes)], 8).eq(value),
                             count.eq(count + 1)]
        following = number + 1
        with m.If(done):  # beyond all memory it stays there
            m.d.sync += [have.eq(0), number.eq(
                Cat(following[:len(number) - 1], following[len(number) - 1] | number[-1]))]
        with m.If(over):
            m.d.sync += [values.eq(0), count.eq(0), number.eq(0)]
        with m.If(vector.live_blocks.any()):
            m.d.comb += self.i.ready.eq(~have | done)
            with m.If(self.i.valid & self.i.ready):
                m.d.sync += [have.eq(1), left.eq(alive), word.eq(vector.acts),
                             close.eq(vector.close), bank.eq(vector.bank),
                             live.eq(vector.live_blocks)]
                with m.If(vector.acc_first):
                    m.d.sync += first.eq(1)
        return have | count.any(), found | done

    def _fill(self, m: Module, groups: Fifo, group: data.StructLayout,
              slots: list[data.View], full: Signal) -> list[memory.ReadPort]:
        """Put a group's weights into the memories; return their read ports."""
        config = self._config
        head = Signal(group)
        per_beat = config.port.bytes // config.array.cols  # output blocks
        beats = (head.live + (per_beat - 1)) >> ceil_log2(per_beat)
        half, row, beat = Signal(), Signal(range(config.array.rows)), Signal(
            range(config.row_beats))
        free, take, row_end, filled = Signal(), Signal(), Signal(), Signal()
        ends = Signal()  # the group is complete with this beat, or has none
        m.d.comb += [
            head.eq(groups.r_data), free.eq(groups.r_rdy & ~full.bit_select(half, 1)),
            self.rows.ready.eq(free & head.count.any()),
            take.eq(self.rows.valid & self.rows.ready),
            row_end.eq(take & (beat + 1 == beats)),
            ends.eq(free & (~head.count.any() | (row_end & (row + 1 == head.count)))),
            self.release.valid.eq(ends & head.last),
            filled.eq(ends & (~head.last | self.release.ready)), groups.r_en.eq(filled),
        ]
        with m.If(take):
            m.d.sync += beat.eq(Mux(row_end, 0, beat + 1))
        with m.If(row_end):
            m.d.sync += row.eq(Mux(row + 1 == head.count, 0, row + 1))
        with m.If(filled):
            m.d.sync += [half.eq(~half), full.bit_select(half, 1).eq(1)]
            for k, slot in enumerate(slots):
                with m.If(half == k):
                    m.d.sync += slot.eq(head)
        ports = []
        for r in range(config.array.rows):
            m.submodules[f"weights_{r}"] = kept = memory.Memory(
                shape=config.beat_bits, depth=2 * config.row_beats, init=[])
            write = kept.write_port()
            m.d.comb += [write.addr.eq(Cat(beat, half)), write.data.eq(self.rows.payload),
                         write.en.eq(take & (row == r))]
            ports.append(kept.read_port())
        return ports

    def _use(self, m: Module, slots: list[data.View], full: Signal,
             tiles: list[memory.ReadPort]) -> tuple[Signal, data.View, list[Value], Value]:
        """Feed the array with a group's values and one block's tile after the other; return
        whether a tile is there, the vector, the tile, and 1, another comes or this one goes."""
        config = self._config
        cols = config.array.cols
        per_beat = config.port.bytes // cols
        half, there, slot = Signal(), Signal(), Signal.like(slots[0])
        block = Signal(range(config.live_blocks))
        beat = Signal(range(config.row_beats))
        take, last, part_last = Signal(), Signal(), Signal()
        part = block[:ceil_log2(per_beat)]
        m.d.comb += [
            slot.eq(Mux(half, slots[1].as_value(), slots[0].as_value())),
            take.eq(there & self.o.ready), last.eq(block + 1 == slot.live),
            part_last.eq(part == per_beat - 1),
        ]
        reads, at = Signal(), Signal.like(beat)
        with m.If(~there):
            m.d.comb += [reads.eq(full.bit_select(half, 1)), at.eq(0)]
        with m.Else():
            m.d.comb += [reads.eq(take & part_last & ~last), at.eq(beat + 1)]
        with m.If(reads):
            m.d.sync += [there.eq(1), beat.eq(at)]
        with m.If(take):
            m.d.sync += block.eq(Mux(last, 0, block + 1))
            with m.If(last):
                m.d.sync += [there.eq(0), half.eq(~half), full.bit_select(half, 1).eq(0)]
        for port in tiles:
            m.d.comb += [port.en.eq(reads), port.addr.eq(Cat(at, half))]
        vector = Signal(vector_layout(config))
        m.d.comb += [vector.acts.eq(slot.values), vector.swap.eq(1), vector.acc_addr.eq(block),
                     vector.acc_first.eq(slot.first), vector.bank.eq(slot.bank),
                     vector.close.eq(slot.last & last), vector.block_end.eq(1)]
        weights = [port.data.word_select(part, 8 * cols)[8 * c:8 * c + 8]
                   for c in range(cols) for port in tiles]
        return there, vector, weights, reads | take
