"""Frames of `boards.protocol`: their crc, and what sends them."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from boards.protocol import CRC_BYTES, CRC_POLYNOMIAL, ESCAPE, ESCAPE_XOR, FLAG

__all__ = ["RESIDUE", "Framer", "crc_step"]

#: The crc register after a body and its own crc.
RESIDUE = 0xDEBB20E3


def crc_step(m: Module, crc: Signal, byte: Value, name: str) -> Value:
    """The crc register after one more byte."""
    value = crc ^ byte
    for k in range(8):
        step = Signal(32, name=f"{name}_{k}")
        m.d.comb += step.eq((value >> 1) ^ Mux(value[0], CRC_POLYNOMIAL, 0))
        value = step
    return value


class Framer(wiring.Component):
    """Add flags, escapes and the crc, and send.

    Members: `i` stream of `byte`, the frame's final one with `last`; `o` bytes for the UART;
    `busy`.

    Timing
    ------
    A byte in two cycles, one that is escaped in three, if the UART takes them at once.

    Resources
    ---------
    The crc of a byte in one cycle.
    """

    i: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self):
        super().__init__({
            "i": In(stream.Signature(data.StructLayout({"byte": 8, "last": 1}))),
            "o": Out(stream.Signature(8)), "busy": Out(1)})

    def elaborate(self, platform):
        m = Module()
        crc, left = Signal(32), Signal(range(CRC_BYTES + 1))
        byte, escaped, ending = Signal(8), Signal(), Signal()
        special = (byte == FLAG) | (byte == ESCAPE)
        m.d.comb += self.busy.eq(1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.busy.eq(self.i.valid)
                with m.If(self.i.valid):
                    m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(FLAG)]
                    m.d.sync += crc.eq(~0)
                    with m.If(self.o.ready):
                        m.next = "TAKE"
            with m.State("TAKE"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [byte.eq(self.i.payload.byte), escaped.eq(0),
                                 ending.eq(self.i.payload.last),
                                 left.eq(Mux(self.i.payload.last, CRC_BYTES, 0)),
                                 crc.eq(crc_step(m, crc, self.i.payload.byte, "sent"))]
                    m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(
                    Mux(escaped, byte ^ ESCAPE_XOR, Mux(special, ESCAPE, byte)))]
                with m.If(self.o.ready):
                    with m.If(special & ~escaped):
                        m.d.sync += escaped.eq(1)
                    with m.Elif(left != 0):
                        m.d.sync += [byte.eq(~crc[:8]), crc.eq(crc >> 8), escaped.eq(0),
                                     left.eq(left - 1)]
                    with m.Elif(ending):
                        m.next = "FLAG"
                    with m.Else():
                        m.next = "TAKE"
            with m.State("FLAG"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(FLAG)]
                with m.If(self.o.ready):
                    m.next = "IDLE"
        return m
