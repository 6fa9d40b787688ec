"""The board's end of the link: frames in, register and memory accesses, frames out."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, wiring
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

from .frames import RESIDUE, Framer, crc_step
from .requests import LONGEST_BYTES, Access, Answer, Frame, Request
from .uart import UartReceiver, UartTransmitter

__all__ = ["Link"]


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

    A request on its way, and its answer's::

        rx --> receiver --> buffer --> control, memory
                   `--> header           |       |
                          |              v       v
        tx <-- transmitter <-- framer <-- header, value, beat

    Timing
    ------
    One request at a time, its bytes at the UART's pace of 10 * clocks_per_bit cycles; then two
    cycles for each byte that is written to memory, and what the memory takes for each beat.

    Resources
    ---------
    A buffer of 2048 bytes; two crcs of a byte in one cycle; registers of a beat.
    """

    rx: Signal
    tx: Signal
    control: wiring.PureInterface
    memory: wiring.PureInterface
    active: Signal

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

        m.submodules.buffer = buffer = memory.Memory(shape=8, depth=2048, init=[])
        store, fetch = buffer.write_port(), buffer.read_port()
        frame, request, answer = Frame.of(), Request.of(), Answer.of()
        access = Access.of(port)
        at, where, address = access.at, access.where, request.address
        control, mem = self.control, self.memory
        m.d.comb += [
            fetch.en.eq(1), fetch.addr.eq(at + HEADER_BYTES), self.active.eq(1),
            mem.awaddr.eq(where[:32] & ~(port - 1)), mem.awsize.eq(lane_bits), mem.awburst.eq(1),
            mem.araddr.eq(where[:32] & ~(port - 1)), mem.arsize.eq(lane_bits), mem.arburst.eq(1),
            mem.wdata.eq(access.beat), mem.wstrb.eq(access.strobes), mem.wlast.eq(1),
            mem.bready.eq(1), mem.rready.eq(1),
            control.awaddr.eq(address), control.araddr.eq(address),
            control.wdata.eq(access.value), control.wstrb.eq(~0), control.bready.eq(1),
            control.rready.eq(1),
            access.lane.eq(where[:lane_bits]), access.end.eq(address + request.length),
        ]
        with m.FSM():
            with m.State("RECEIVE"):
                self._receive(m, receiver, store, frame, request)
            with m.State("JUDGE"):
                m.d.sync += [request.status.eq(Status.OK), at.eq(0), answer.part.eq(0),
                             where.eq(address), access.beat.eq(0), access.strobes.eq(0),
                             answer.of_memory.eq(request.op == Op.READ_MEMORY),
                             answer.of_hello.eq(request.op == Op.HELLO),
                             # until a flag, what comes during an answer is not a frame
                             frame.spoilt.eq(1)]
                self._judge(m, frame.size, request, access.end)
            self._access_registers(m, request, access, fetch)
            self._write_memory(m, request, access, fetch)
            self._answer(m, framer, request, access, answer)
        return m

    def _receive(self, m: Module, receiver: UartReceiver, store: memory.WritePort,
                 frame: Frame, request: Request) -> None:
        """Put the bytes of a frame into the buffer, its header into the request."""
        count, crc, escaped, spoilt = frame.count, frame.crc, frame.escaped, frame.spoilt
        m.d.comb += self.active.eq(0)
        clean = Signal(8)
        m.d.comb += [clean.eq(receiver.data ^ Mux(escaped, ESCAPE_XOR, 0)),
                     store.addr.eq(count), store.data.eq(clean)]
        with m.If(receiver.valid):
            with m.If(receiver.data == FLAG):
                m.d.sync += [count.eq(0), crc.eq(~0), escaped.eq(0), spoilt.eq(0)]
                with m.If(~spoilt & ~escaped & (crc == RESIDUE)
                          & (count >= HEADER_BYTES + CRC_BYTES)):
                    m.next = "JUDGE"
            with m.Elif(receiver.data == ESCAPE):
                m.d.sync += escaped.eq(1)
            with m.Elif(count == LONGEST_BYTES):
                m.d.sync += spoilt.eq(1)
            with m.Else():
                m.d.comb += store.en.eq(1)
                m.d.sync += [escaped.eq(0), count.eq(count + 1),
                             crc.eq(crc_step(m, crc, clean, "received"))]
                with m.If(count < HEADER_BYTES):
                    m.d.sync += request.header.eq(Cat(request.header[8:], clean))
        with m.If(receiver.valid):
            m.d.sync += frame.size.eq(count)

    def _judge(self, m: Module, size: Signal, request: Request, end: Signal) -> None:
        """Answer what is wrong, or was answered before, at once; else go on to do it."""
        op, sequence, length, address = (
            request.op, request.sequence, request.length, request.address)
        is_register, is_memory = request.is_register, request.is_memory
        status, expected, last_status = request.status, request.expected, request.last_status
        bad = Signal()
        m.d.comb += bad.eq(
            ~(is_register | is_memory | (op == Op.HELLO))
            | (is_register & ((length != 4) | address[:2].any()))
            | (is_memory & ((length == 0) | (length > MAX_DATA)))
            | (size != HEADER_BYTES + CRC_BYTES + Mux(request.writes, length, 0)))
        m.next = "ANSWER"
        with m.If(op == Op.HELLO):
            m.d.sync += length.eq(IDENTITY_BYTES)
            with m.If(bad):
                m.d.sync += status.eq(Status.BAD_REQUEST)
            with m.Elif(~request.session | (request.nonce != address)):
                m.d.sync += [request.session.eq(1), request.nonce.eq(address),
                             expected.eq(sequence + 1)]
        with m.Elif(~request.session):
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
        with m.Elif(request.writes & (sequence != expected)):
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

    def _access_registers(self, m: Module, request: Request, access: Access,
                          fetch: memory.ReadPort) -> None:
        """States that read or write a register."""
        control, at, value = self.control, access.at, access.value
        addressed, written = access.addressed, access.written
        with m.State("READ REGISTER"):
            m.d.comb += control.arvalid.eq(~addressed)
            with m.If(control.arvalid & control.arready):
                m.d.sync += addressed.eq(1)
            with m.If(control.rvalid):
                m.d.sync += [addressed.eq(0), value.eq(control.rdata),
                             request.status.eq(
                                 Mux(control.rresp[1], Status.BUS_ERROR, Status.OK))]
                m.next = "ANSWER"
        with m.State("COLLECT"):  # the buffer shows the byte at `at` a cycle later
            m.d.sync += at.eq(at + 1)
            with m.If(at != 0):
                m.d.sync += value.eq(Cat(value[8:], fetch.data))
            with m.If(at == 4):
                m.next = "WRITE REGISTER"
        with m.State("WRITE REGISTER"):
            _offer(m, control, access)
            with m.If(control.bvalid):
                failed = Mux(control.bresp[1], Status.BUS_ERROR, Status.OK)
                m.d.sync += [addressed.eq(0), written.eq(0), request.status.eq(failed),
                             request.last_status.eq(failed)]
                m.next = "ANSWER"

    def _write_memory(self, m: Module, request: Request, access: Access,
                      fetch: memory.ReadPort) -> None:
        """States that put the bytes of the buffer together to beats, and write those."""
        port, mem = self._config.port.bytes, self.memory
        at, where, strobes = access.at, access.where, access.strobes
        addressed, written = access.addressed, access.written
        with m.State("FETCH"):
            m.next = "FILL"
        with m.State("FILL"):
            for k in range(port):
                with m.If(access.lane == k):
                    m.d.sync += [access.beat[8 * k:8 * k + 8].eq(fetch.data), strobes[k].eq(1)]
            m.d.sync += at.eq(at + 1)
            with m.If((access.lane == port - 1) | (at == request.length - 1)):
                m.next = "PUT"
            with m.Else():
                m.d.sync += where.eq(where + 1)
                m.next = "FETCH"
        with m.State("PUT"):
            _offer(m, mem, access)
            with m.If(mem.bvalid):
                m.d.sync += [addressed.eq(0), written.eq(0), strobes.eq(0), where.eq(where + 1)]
                with m.If(mem.bresp[1]):
                    m.d.sync += [request.status.eq(Status.BUS_ERROR),
                                 request.last_status.eq(Status.BUS_ERROR)]
                m.next = "FILL"
                with m.If(at == request.length):
                    m.next = "ANSWER"

    def _answer(self, m: Module, framer: Framer, request: Request, access: Access,
                answer: Answer) -> None:
        """States that send the header and what was read, and read memory meanwhile."""
        mem, at, where, beat = self.memory, access.at, access.where, access.beat
        header, part, keep, addressed = (
            request.header, answer.part, answer.keep, access.addressed)
        carries = (request.status == Status.OK) & ~request.writes
        identity = Array([Const(b, 8) for b in self._identity])

        def send(byte, *, last):
            out = framer.i
            m.d.comb += [out.valid.eq(1), out.payload.byte.eq(byte), out.payload.last.eq(last)]
            return out.ready

        with m.State("ANSWER"):
            m.d.sync += [part.eq(0), at.eq(0), where.eq(request.address),
                         header.eq(Cat(request.op | ANSWER, request.sequence,
                                       Mux(carries, request.length, 0), request.status,
                                       Const(0, 24)))]
            m.d.sync += keep.eq(Mux(carries, request.length, 0))
            m.next = "HEADER"
        with m.State("HEADER"):
            done = (part == HEADER_BYTES - 1)
            with m.If(send(header[:8], last=done & (keep == 0))):
                m.d.sync += [header.eq(header >> 8), part.eq(part + 1)]
                with m.If(done):
                    m.next = "DATA"
                    with m.If(keep == 0):
                        m.next = "FINISH"
                    with m.Elif(answer.of_memory):
                        m.next = "GET"
        with m.State("GET"):
            m.d.comb += mem.arvalid.eq(~addressed)
            with m.If(mem.arvalid & mem.arready):
                m.d.sync += addressed.eq(1)
            with m.If(mem.rvalid):
                m.d.sync += [addressed.eq(0), beat.eq(mem.rdata)]
                m.next = "DATA"
        with m.State("DATA"):
            byte = Mux(answer.of_memory, beat.word_select(access.lane, 8),
                       Mux(answer.of_hello, identity[at[:ceil_log2(IDENTITY_BYTES)]],
                           access.value.word_select(at[:2], 8)))
            final = at == keep - 1
            with m.If(send(byte, last=final)):
                m.d.sync += [at.eq(at + 1), where.eq(where + 1)]
                with m.If(final):
                    m.next = "FINISH"
                with m.Elif(answer.of_memory & (access.lane == self._config.port.bytes - 1)):
                    m.next = "GET"
        with m.State("FINISH"), m.If(~framer.busy):
            m.next = "RECEIVE"


def _offer(m: Module, bus: wiring.PureInterface, access: Access) -> None:
    """Offer a write's address and data until each has been taken, in either order."""
    for valid, ready, done in ((bus.awvalid, bus.awready, access.addressed),
                               (bus.wvalid, bus.wready, access.written)):
        m.d.comb += valid.eq(~done)
        with m.If(valid & ready):
            m.d.sync += done.eq(1)
