"""What the link keeps of a request: its frame, what it asks for, how far that is, the answer."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Signal, Value

from boards.protocol import CRC_BYTES, HEADER_BYTES, MAX_DATA, Op
from hw.config import ceil_log2

__all__ = ["LONGEST_BYTES", "Access", "Answer", "Frame", "Request"]

#: Of a frame between its flags.
LONGEST_BYTES = HEADER_BYTES + MAX_DATA + CRC_BYTES


@dataclass(frozen=True)
class Frame:
    """A frame that comes in.

    Members
    -------
    count, crc : bytes so far, and the crc register after them
    escaped : 1, the next one is
    spoilt : 1, it is none: what comes until a flag is left
    size : bytes of the whole frame
    """

    count: Signal
    crc: Signal
    escaped: Signal
    spoilt: Signal
    size: Signal

    @classmethod
    def of(cls) -> "Frame":
        count, crc = Signal(range(LONGEST_BYTES + 2)), Signal(32)
        escaped, spoilt = Signal(), Signal(init=1)
        size = Signal.like(count)
        return cls(count, crc, escaped, spoilt, size)


@dataclass(frozen=True)
class Request:
    """A request and its session.

    Members
    -------
    header : of the request, then of its answer; `op`, `sequence`, `length`, `address`
    writes, is_register, is_memory : 1, what the request does
    status : of the answer
    session, nonce, expected : whether there is one, of which HELLO, and the sequence number of
        the next request; `last_status` of the one before
    """

    header: Value
    op: Signal
    sequence: Signal
    length: Signal
    address: Signal
    writes: Value
    is_register: Value
    is_memory: Value
    status: Signal
    session: Signal
    nonce: Signal
    expected: Signal
    last_status: Signal

    @classmethod
    def of(cls) -> "Request":
        op, sequence, length, address = Signal(8), Signal(16), Signal(16), Signal(32)
        expected, session, nonce, last_status = Signal(16), Signal(), Signal(32), Signal(8)
        status = Signal(8)
        return cls(
            header=Cat(op, sequence, length, address), op=op, sequence=sequence, length=length,
            address=address,
            writes=(op == Op.WRITE_REGISTER) | (op == Op.WRITE_MEMORY),
            is_register=(op == Op.READ_REGISTER) | (op == Op.WRITE_REGISTER),
            is_memory=(op == Op.READ_MEMORY) | (op == Op.WRITE_MEMORY),
            status=status, session=session, nonce=nonce, expected=expected,
            last_status=last_status)


@dataclass(frozen=True)
class Access:
    """An access to a register or to the memory.

    Members
    -------
    at : bytes of its data so far
    value : of a register
    where : address of the next byte of memory, `lane` in its beat; `end`, after the last
    beat, strobes : that beat
    addressed, written : 1, the address was taken, and so was what is to be written
    """

    at: Signal
    value: Signal
    where: Signal
    end: Signal
    lane: Signal
    beat: Signal
    strobes: Signal
    addressed: Signal
    written: Signal

    @classmethod
    def of(cls, port_bytes: int) -> "Access":
        at, value = Signal(range(MAX_DATA + 1)), Signal(32)
        lane = Signal(max(1, ceil_log2(port_bytes)))
        where, end = Signal(33), Signal(33)
        beat, strobes = Signal(8 * port_bytes), Signal(port_bytes)
        addressed, written = Signal(), Signal()
        return cls(at, value, where, end, lane, beat, strobes, addressed, written)


@dataclass(frozen=True)
class Answer:
    """What an answer carries.

    Members: `part`, bytes of its header so far; `keep`, bytes of data, `of_memory`, `of_hello` or
    of a register.
    """

    part: Signal
    keep: Signal
    of_memory: Signal
    of_hello: Signal

    @classmethod
    def of(cls) -> "Answer":
        part = Signal(range(HEADER_BYTES + 1))
        keep, memory_read, hello = Signal(16), Signal(), Signal()
        return cls(part, keep, memory_read, hello)
