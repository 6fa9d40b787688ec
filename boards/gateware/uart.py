"""UART receiver and transmitter, 8N1."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["UartReceiver", "UartTransmitter"]


class UartReceiver(wiring.Component):
    """Receive bytes; those whose stop bit is missing are dropped.

    Members: `rx` the pin; `valid` pulse with `data`.

    Timing
    ------
    A byte comes in the middle of its stop bit.

    Resources
    ---------
    A shift register of 8 bits and two counters.
    """

    rx: Signal
    valid: Signal
    data: Signal

    def __init__(self, clocks_per_bit: int):
        self._clocks = clocks_per_bit
        super().__init__({"rx": In(1, init=1), "valid": Out(1), "data": Out(8)})

    def elaborate(self, platform):
        m = Module()
        rx = Signal(init=1)
        m.submodules.sync = FFSynchronizer(self.rx, rx, init=1)
        timer, bits = Signal(range(self._clocks * 2)), Signal(range(11))
        shift = Signal(8)
        with m.If(bits == 0), m.If(~rx):  # a start bit: sample it in its middle
            m.d.sync += [bits.eq(10), timer.eq(self._clocks // 2 - 1)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self._clocks - 1), bits.eq(bits - 1)]
            with m.Switch(bits):
                with m.Case(10), m.If(rx):  # too short for a start bit
                    m.d.sync += bits.eq(0)
                with m.Case(1):
                    m.d.comb += self.valid.eq(rx)
                with m.Default():
                    m.d.sync += shift.eq(Cat(shift[1:], rx))
        m.d.comb += self.data.eq(shift)
        return m


class UartTransmitter(wiring.Component):
    """Send bytes. Members: `tx` the pin; `i` stream of bytes.

    Timing
    ------
    A byte in 10 bits, each of `clocks_per_bit` cycles.

    Resources
    ---------
    A shift register of 10 bits and two counters.
    """

    tx: Signal
    i: stream.Interface

    def __init__(self, clocks_per_bit: int):
        self._clocks = clocks_per_bit
        super().__init__({"tx": Out(1, init=1), "i": In(stream.Signature(8))})

    def elaborate(self, platform):
        m = Module()
        timer, bits = Signal(range(self._clocks)), Signal(range(12))
        shift = Signal(10, init=-1)
        m.d.comb += [self.tx.eq(shift[0]), self.i.ready.eq(bits == 0)]
        with m.If(bits == 0), m.If(self.i.valid):
            m.d.sync += [shift.eq(Cat(0, self.i.payload, 1)), bits.eq(10),
                         timer.eq(self._clocks - 1)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self._clocks - 1), bits.eq(bits - 1),
                         shift.eq(Cat(shift[1:], 1))]
        return m
