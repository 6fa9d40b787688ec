"""Two banks of int32 accumulators: one adds up while the other is drained."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.parts.arith import ACC_BITS

from .array import PsumPort

__all__ = ["AccRead", "Accumulator"]


class AccRead(wiring.Signature):
    """Read port of the accumulator banks, seen from post-processing; no back-pressure.

    Members: `valid`, `bank`, `addr`; `data` signed(32)[cols], `Accumulator.READ_LATENCY` cycles
    later.
    """

    def __init__(self, config: Config):
        super().__init__({"valid": Out(1), "bank": Out(1),
                          "addr": Out(ceil_log2(config.buffers.acc_depth)),
                          "data": In(signed(ACC_BITS)).array(config.array.cols)})


class Accumulator(wiring.Component):
    """Add a row of column sums to its pixel's accumulators in every cycle.

    A read, a register, the sum and a write take four cycles, so the three vectors before may
    still be on their way to the same pixel: their sums are forwarded, and any order of pixels
    is right at full rate.

          early   read issued            |  cycle 0
                  memory output          |  cycle 1   <- forwarded from 2 and 3 before
          tag     register, add          |  cycle 2   <- forwarded from 1 before
                  write                  |  cycle 3

    Members
    -------
    i : column sums
    read : post-processing's port
    full : level per bank, from the write of the last vector until `drained`
    drained : pulse per bank
    advances : see `hw.gateware.progress`

    Timing
    ------
    One vector per cycle, `early` and `tag` as far apart as `MacArray` has them; a bank is `full`
    `LATENCY` cycles after its last vector's tag. A read is answered after `READ_LATENCY` cycles.

    Resources
    ---------
    2 * cols memories of acc_depth x 32 bits; for each column an adder and four registers of 32
    bits.
    """

    #: Cycles from a vector's tag to its sum in the bank.
    LATENCY = 2
    #: Cycles from a valid `read` to its data.
    READ_LATENCY = 2

    i: wiring.PureInterface
    read: wiring.PureInterface
    full: Signal
    drained: Signal
    advances: Signal

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "i": In(PsumPort(config)),
            "read": In(AccRead(config)),
            "full": Out(2),
            "drained": In(2), "advances": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        early, tag = self.i.early, self.i.tag
        depth = self._config.buffers.acc_depth

        # tags: middle is one cycle after early, tag another, then write and written
        middle_valid, middle_bank, middle_first = Signal(), Signal(), Signal()
        middle_addr = Signal.like(tag.addr)
        write_valid, write_bank, write_close = Signal(), Signal(), Signal()
        write_addr = Signal.like(tag.addr)
        m.d.sync += [middle_valid.eq(early.valid), write_valid.eq(tag.valid),
                     write_close.eq(tag.valid & tag.close)]
        with m.If(early.valid):
            m.d.sync += [middle_bank.eq(early.bank), middle_addr.eq(early.addr),
                         middle_first.eq(early.first)]
        with m.If(tag.valid):
            m.d.sync += [write_bank.eq(tag.bank), write_addr.eq(tag.addr)]

        # Which pixels are the same is found a cycle before it is needed.
        def same(valid, bank, addr, other_bank, other_addr):
            return valid & (bank == other_bank) & (addr == other_addr)

        forward_1, forward_2, forward_3 = Signal(), Signal(), Signal()
        m.d.comb += [
            forward_2.eq(same(tag.valid, tag.bank, tag.addr, early.bank, early.addr)),
            forward_3.eq(same(write_valid, write_bank, write_addr, early.bank, early.addr)),
        ]
        m.d.sync += forward_1.eq(same(tag.valid, tag.bank, tag.addr, middle_bank, middle_addr))
        source = Signal(2)  # of `base`: the banks, the sum before, the one before it
        with m.If(early.valid):
            m.d.sync += source.eq(Mux(forward_2, 2, Mux(forward_3, 3, early.bank)))

        drain_valid, drain_bank, drain_bank_2 = Signal(), Signal(), Signal()
        drain_valid_1 = Signal()
        m.d.sync += [drain_valid_1.eq(self.read.valid), drain_valid.eq(drain_valid_1)]
        with m.If(self.read.valid):
            m.d.sync += drain_bank.eq(self.read.bank)
        with m.If(drain_valid_1):
            m.d.sync += drain_bank_2.eq(drain_bank)

        for c in range(self._config.array.cols):
            base = Signal(signed(ACC_BITS), name=f"base_{c}", reset_less=True)
            total = Signal(signed(ACC_BITS), name=f"acc_{c}", reset_less=True)
            old = Signal(signed(ACC_BITS), name=f"old_{c}", reset_less=True)
            drain = Signal(signed(ACC_BITS), name=f"drain_{c}", reset_less=True)
            outputs = []
            for b in range(2):
                m.submodules[f"bank_{b}_{c}"] = bank = memory.Memory(
                    shape=signed(ACC_BITS), depth=depth, init=[])
                w = bank.write_port()
                r = bank.read_port()
                m.d.comb += [
                    w.en.eq(write_valid & (write_bank == b)), w.addr.eq(write_addr),
                    w.data.eq(total),
                    r.en.eq((early.valid & ~early.first & (early.bank == b))
                            | (self.read.valid & (self.read.bank == b))),
                    r.addr.eq(Mux(self.read.valid & (self.read.bank == b), self.read.addr,
                                  early.addr)),
                ]
                outputs.append(r.data)
            with m.If(middle_valid):
                m.d.sync += base.eq(Mux(middle_first, 0, Array((*outputs, total, old))[source]))
            with m.If(tag.valid):
                m.d.sync += total.eq(Mux(forward_1 & ~tag.first, total, base) + self.i.sums[c])
            with m.If(write_valid):
                m.d.sync += old.eq(total)
            with m.If(drain_valid_1):
                m.d.sync += drain.eq(Mux(drain_bank, outputs[1], outputs[0]))
            m.d.comb += self.read.data[c].eq(drain)

        full = Signal(2)
        with m.If(write_close):
            m.d.sync += full.bit_select(write_bank, 1).eq(1)
        for b in range(2):
            with m.If(self.drained[b]):
                m.d.sync += full[b].eq(0)
        m.d.comb += [self.full.eq(full), self.advances.eq(Cat(
            early.valid, middle_valid, tag.valid, write_valid, self.read.valid, drain_valid_1,
            self.drained).any())]
        return m
