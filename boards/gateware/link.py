"""The board's end of the link: frames in, register and memory accesses, frames out."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from boards.protocol import (
    ANSWER,
    CRC_BYTES,
    ESCAPE,
    ESCAPE_XOR,
    FLAG,
    HEADER_BYTES,
    IDENTITY_BYTES,
    MAX_DATA,
    Op,
    Status,
)
from hw.config import Config, ceil_log2
from hw.gateware.signatures.axi import AxiLiteSlave, AxiMaster
from hw.registers import CONTROL_ADDR_BITS

from .uart import UartReceiver, UartTransmitter

__all__ = ["Link"]

_POLYNOMIAL = 0xEDB88320  # IEEE 802.3, reflected
_RESIDUE = 0xDEBB20E3  # of a body and its own crc


def _crc_step(m, crc, byte, name):
    """The crc register after one more byte."""
    value = crc ^ byte
    for k in range(8):
        step = Signal(32, name=f"{name}_{k}")
        m.d.comb += step.eq((value >> 1) ^ Mux(value[0], _POLYNOMIAL, 0))
        value = step
    return value


class Framer(wiring.Component):
    """Add flags, escapes and the crc, and send.

    Members: `i` stream of `byte`, the frame's final one with `last`; `o` bytes for the UART;
    `busy`.
    """

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
                                 crc.eq(_crc_step(m, crc, self.i.payload.byte, "sent"))]
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


class Link(wiring.Component):
    """Answer the requests of `boards.protocol`.

    Members
    -------
    rx, tx : UART pins
    control : AXI4-Lite, seen from its master
    memory : AXI4; one beat at a time, its reads always ready
    active : 1, a request is being answered

    Parameters
    ----------
    config : Config
    clocks_per_bit : int
    memory_bytes : int
    identity : bytes of length `IDENTITY_BYTES`
        What HELLO is answered with.
    """

    def __init__(self, config: Config, *, clocks_per_bit: int, memory_bytes: int,
                 identity: bytes):
        if len(identity) != IDENTITY_BYTES:
            raise ValueError(f"identity has {len(identity)} bytes, not {IDENTITY_BYTES}")
        self._config = config
        self._clocks = clocks_per_bit
        self._memory_bytes = memory_bytes
        self._identity = identity
        super().__init__({
            "rx": In(1, init=1), "tx": Out(1, init=1),
            "control": In(AxiLiteSlave()), "memory": Out(AxiMaster(config)), "active": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        port = self._config.port.bytes
        lane_bits = ceil_log2(port)
        m.submodules.receiver = receiver = UartReceiver(self._clocks)
        m.submodules.transmitter = transmitter = UartTransmitter(self._clocks)
        m.submodules.framer = framer = Framer()
        wiring.connect(m, framer.o, transmitter.i)
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]

        limit = HEADER_BYTES + MAX_DATA + CRC_BYTES
        m.submodules.buffer = buffer = memory.Memory(shape=8, depth=2048, init=[])
        store, fetch = buffer.write_port(), buffer.read_port()
        count, crc = Signal(range(limit + 2)), Signal(32)
        escaped, spoilt = Signal(), Signal(init=1)
        op, sequence, length, address = Signal(8), Signal(16), Signal(16), Signal(32)
        header = Cat(op, sequence, length, address)
        expected, session, nonce, last_status = Signal(16), Signal(), Signal(32), Signal(8)
        status = Signal(8)
        writes = (op == Op.WRITE_REGISTER) | (op == Op.WRITE_MEMORY)
        is_register = (op == Op.READ_REGISTER) | (op == Op.WRITE_REGISTER)
        is_memory = (op == Op.READ_MEMORY) | (op == Op.WRITE_MEMORY)

        at, value = Signal(range(MAX_DATA + 1)), Signal(32)
        lane = Signal(max(1, lane_bits))
        where, end = Signal(33), Signal(33)
        beat, strobes = Signal(8 * port), Signal(port)
        part = Signal(range(HEADER_BYTES + 1))
        control, mem = self.control, self.memory
        m.d.comb += [
            fetch.en.eq(1), fetch.addr.eq(at + HEADER_BYTES), self.active.eq(1),
            mem.awaddr.eq(where[:32] & ~(port - 1)), mem.awsize.eq(lane_bits), mem.awburst.eq(1),
            mem.araddr.eq(where[:32] & ~(port - 1)), mem.arsize.eq(lane_bits), mem.arburst.eq(1),
            mem.wdata.eq(beat), mem.wstrb.eq(strobes), mem.wlast.eq(1), mem.bready.eq(1),
            mem.rready.eq(1),
            control.awaddr.eq(address), control.araddr.eq(address), control.wdata.eq(value),
            control.wstrb.eq(~0), control.bready.eq(1), control.rready.eq(1),
            lane.eq(where[:lane_bits]), end.eq(address + length),
        ]
        identity = Array([Const(b, 8) for b in self._identity])
        addressed, written = Signal(), Signal()
        keep, memory_read, hello = Signal(16), Signal(), Signal()  # what the answer carries
        answers = (status == Status.OK) & ~writes
        out = framer.i

        def send(byte, *, last):
            m.d.comb += [out.valid.eq(1), out.payload.byte.eq(byte), out.payload.last.eq(last)]
            return out.ready

        with m.FSM():
            with m.State("RECEIVE"):
                m.d.comb += self.active.eq(0)
                clean = Signal(8)
                m.d.comb += [clean.eq(receiver.data ^ Mux(escaped, ESCAPE_XOR, 0)),
                             store.addr.eq(count), store.data.eq(clean)]
                with m.If(receiver.valid):
                    with m.If(receiver.data == FLAG):
                        m.d.sync += [count.eq(0), crc.eq(~0), escaped.eq(0), spoilt.eq(0)]
                        with m.If(~spoilt & ~escaped & (crc == _RESIDUE)
                                  & (count >= HEADER_BYTES + CRC_BYTES)):
                            m.next = "JUDGE"
                    with m.Elif(receiver.data == ESCAPE):
                        m.d.sync += escaped.eq(1)
                    with m.Elif(count == limit):
                        m.d.sync += spoilt.eq(1)
                    with m.Else():
                        m.d.comb += store.en.eq(1)
                        m.d.sync += [escaped.eq(0), count.eq(count + 1),
                                     crc.eq(_crc_step(m, crc, clean, "received"))]
                        with m.If(count < HEADER_BYTES):
                            m.d.sync += header.eq(Cat(header[8:], clean))
                size = Signal.like(count)
                with m.If(receiver.valid):
                    m.d.sync += size.eq(count)
            with m.State("JUDGE"):
                m.d.sync += [status.eq(Status.OK), at.eq(0), part.eq(0),
                             where.eq(address), beat.eq(0), strobes.eq(0),
                             memory_read.eq(op == Op.READ_MEMORY), hello.eq(op == Op.HELLO),
                             # until a flag, what comes during an answer is not a frame
                             spoilt.eq(1)]
                bad = Signal()
                m.d.comb += bad.eq(
                    ~(is_register | is_memory | (op == Op.HELLO))
                    | (is_register & ((length != 4) | address[:2].any()))
                    | (is_memory & ((length == 0) | (length > MAX_DATA)))
                    | (size != HEADER_BYTES + CRC_BYTES + Mux(writes, length, 0)))
                m.next = "ANSWER"
                with m.If(op == Op.HELLO):
                    m.d.sync += length.eq(IDENTITY_BYTES)
                    with m.If(bad):
                        m.d.sync += status.eq(Status.BAD_REQUEST)
                    with m.Elif(~session | (nonce != address)):
                        m.d.sync += [session.eq(1), nonce.eq(address), expected.eq(sequence + 1)]
                with m.Elif(~session):
                    m.d.sync += status.eq(Status.NO_SESSION)
                with m.Elif((sequence != expected) & ((sequence + 1)[:16] != expected)):
                    m.d.sync += status.eq(Status.SEQUENCE)
                with m.Elif(bad):
                    m.d.sync += [status.eq(Status.BAD_REQUEST), expected.eq(sequence + 1),
                                 last_status.eq(Status.BAD_REQUEST)]
                with m.Elif((is_memory & (end > self._memory_bytes))
                            | (is_register & address[CONTROL_ADDR_BITS:].any())):
                    m.d.sync += [status.eq(Status.BUS_ERROR), expected.eq(sequence + 1),
                                 last_status.eq(Status.BUS_ERROR)]
                with m.Elif(writes & (sequence != expected)):
                    m.d.sync += status.eq(last_status)
                with m.Else():
                    m.d.sync += [expected.eq(sequence + 1), last_status.eq(Status.OK)]
                    with m.Switch(op):
                        with m.Case(Op.READ_REGISTER):
                            m.next = "READ REGISTER"
                        with m.Case(Op.WRITE_REGISTER):
                            m.next = "COLLECT"
                        with m.Case(Op.WRITE_MEMORY):
                            m.next = "FETCH"

            # -- registers -------------------------------------------------------------------
            with m.State("READ REGISTER"):
                m.d.comb += control.arvalid.eq(~addressed)
                with m.If(control.arvalid & control.arready):
                    m.d.sync += addressed.eq(1)
                with m.If(control.rvalid):
                    m.d.sync += [addressed.eq(0), value.eq(control.rdata),
                                 status.eq(Mux(control.rresp[1], Status.BUS_ERROR, Status.OK))]
                    m.next = "ANSWER"
            with m.State("COLLECT"):  # the buffer shows the byte at `at` a cycle later
                m.d.sync += at.eq(at + 1)
                with m.If(at != 0):
                    m.d.sync += value.eq(Cat(value[8:], fetch.data))
                with m.If(at == 4):
                    m.next = "WRITE REGISTER"
            with m.State("WRITE REGISTER"):
                m.d.comb += [control.awvalid.eq(~addressed), control.wvalid.eq(~written)]
                with m.If(control.awvalid & control.awready):
                    m.d.sync += addressed.eq(1)
                with m.If(control.wvalid & control.wready):
                    m.d.sync += written.eq(1)
                with m.If(control.bvalid):
                    failed = Mux(control.bresp[1], Status.BUS_ERROR, Status.OK)
                    m.d.sync += [addressed.eq(0), written.eq(0), status.eq(failed),
                                 last_status.eq(failed)]
                    m.next = "ANSWER"

            # -- memory ----------------------------------------------------------------------
            with m.State("FETCH"):
                m.next = "FILL"
            with m.State("FILL"):
                for k in range(port):
                    with m.If(lane == k):
                        m.d.sync += [beat[8 * k:8 * k + 8].eq(fetch.data), strobes[k].eq(1)]
                m.d.sync += at.eq(at + 1)
                with m.If((lane == port - 1) | (at == length - 1)):
                    m.next = "PUT"
                with m.Else():
                    m.d.sync += where.eq(where + 1)
                    m.next = "FETCH"
            with m.State("PUT"):
                m.d.comb += [mem.awvalid.eq(~addressed), mem.wvalid.eq(~written)]
                with m.If(mem.awvalid & mem.awready):
                    m.d.sync += addressed.eq(1)
                with m.If(mem.wvalid & mem.wready):
                    m.d.sync += written.eq(1)
                with m.If(mem.bvalid):
                    m.d.sync += [addressed.eq(0), written.eq(0), strobes.eq(0),
                                 where.eq(where + 1)]
                    with m.If(mem.bresp[1]):
                        m.d.sync += [status.eq(Status.BUS_ERROR),
                                     last_status.eq(Status.BUS_ERROR)]
                    m.next = "FILL"
                    with m.If(at == length):
                        m.next = "ANSWER"

            # -- answer ----------------------------------------------------------------------
            with m.State("ANSWER"):
                m.d.sync += [part.eq(0), at.eq(0), where.eq(address),
                             header.eq(Cat(op | ANSWER, sequence, Mux(answers, length, 0),
                                           status, Const(0, 24)))]
                m.d.sync += keep.eq(Mux(answers, length, 0))
                m.next = "HEADER"
            with m.State("HEADER"):
                done = (part == HEADER_BYTES - 1)
                with m.If(send(header[:8], last=done & (keep == 0))):
                    m.d.sync += [header.eq(header >> 8), part.eq(part + 1)]
                    with m.If(done):
                        m.next = "DATA"
                        with m.If(keep == 0):
                            m.next = "FINISH"
                        with m.Elif(memory_read):
                            m.next = "GET"
            with m.State("GET"):
                m.d.comb += mem.arvalid.eq(~addressed)
                with m.If(mem.arvalid & mem.arready):
                    m.d.sync += addressed.eq(1)
                with m.If(mem.rvalid):
                    m.d.sync += [addressed.eq(0), beat.eq(mem.rdata)]
                    m.next = "DATA"
            with m.State("DATA"):
                byte = Mux(memory_read, beat.word_select(lane, 8),
                           Mux(hello, identity[at[:ceil_log2(IDENTITY_BYTES)]],
                               value.word_select(at[:2], 8)))
                final = at == keep - 1
                with m.If(send(byte, last=final)):
                    m.d.sync += [at.eq(at + 1), where.eq(where + 1)]
                    with m.If(final):
                        m.next = "FINISH"
                    with m.Elif(memory_read & (lane == port - 1)):
                        m.next = "GET"
            with m.State("FINISH"), m.If(~framer.busy):
                m.next = "RECEIVE"
        return m
