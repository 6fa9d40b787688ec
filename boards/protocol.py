"""The link between host and board, in one place: gateware and host both read it from here.

Both directions carry frames over 8N1 UART. A frame is

    0x7E  body  0x7E

in which the bytes 0x7E and 0x7D of the body are sent as 0x7D and the byte xor 0x20, as in HDLC.
Two frames may share a flag. The body is

    op (1)  sequence (2)  length (2)  address (4)  data (length, if any)  crc (4)

with numbers little-endian and the crc that of IEEE 802.3 over everything before it. A body that is
too short, too long or whose crc is wrong is dropped without an answer: the host repeats what is
not answered.

Requests are answered in order, one at a time. An answer has the request's sequence number, its
op with the highest bit set, the data asked for, and in its address field the `Status`; `length`
is the number of data bytes, which follow only for reads that went well.

A session begins with `HELLO`, whose address field is a nonce; a HELLO with another nonce than the
last sets the sequence number. Every other request must carry the number after that of the last
request, or the same one again: then it is a repetition, and a write is not done twice. Any other
number is answered with `Status.SEQUENCE` and does nothing. After a reset of the board there is no
session, and all but HELLO is answered with `Status.NO_SESSION`.
"""

import struct
import zlib
from collections import deque
from collections.abc import Iterator
from enum import IntEnum

__all__ = ["ANSWER", "ANSWER_S", "BUILD_BYTES", "CRC_BYTES", "CRC_POLYNOMIAL", "ESCAPE",
           "ESCAPE_XOR", "FLAG", "HEADER", "HEADER_BYTES", "IDENTITY_BYTES", "MAX_DATA",
           "MIN_CLOCKS_PER_BIT", "MOST_WAIT_S", "PROTOCOL_VERSION", "TRIES", "Deframer", "Op",
           "Status", "body", "frame"]

PROTOCOL_VERSION = 2
FLAG, ESCAPE, ESCAPE_XOR = 0x7E, 0x7D, 0x20
ANSWER = 0x80
#: op, sequence, length, address
HEADER = struct.Struct("<BHHI")
HEADER_BYTES = HEADER.size
CRC_BYTES = 4
#: IEEE 802.3, reflected.
CRC_POLYNOMIAL = 0xEDB88320
#: Of a baud rate: fewer do not leave the receiver room to sample in the middle of a bit.
MIN_CLOCKS_PER_BIT = 6
#: Data bytes in a frame, at most.
MAX_DATA = 1024
#: HELLO's answer: protocol version (1), zeros (3), the first bytes of the configuration's digest
#: (20), and of a digest of the sources that the bitstream was made from (8), zeros where there is
#: no bitstream.
IDENTITY_BYTES, BUILD_BYTES = 32, 8
#: For which the host waits for an answer, beside the frames' own time; and how often it asks before
#: nobody is thought to be there. It waits twice as long each time, up to a limit.
ANSWER_S, TRIES, MOST_WAIT_S = 0.25, 8, 4.0


class Op(IntEnum):
    """What a request asks for."""

    #: Begin a session; answered with the identity.
    HELLO = 1
    #: Read a 32-bit control register; `length` is 4.
    READ_REGISTER = 2
    #: Write a 32-bit control register; `length` is 4.
    WRITE_REGISTER = 3
    #: Read `length` bytes of external memory.
    READ_MEMORY = 4
    #: Write `length` bytes of external memory.
    WRITE_MEMORY = 5


class Status(IntEnum):
    """How a request went."""

    OK = 0
    #: The op, or the length for it, is none of those above.
    BAD_REQUEST = 1
    #: There is nothing at the address.
    BUS_ERROR = 2
    #: Neither the next sequence number nor the last.
    SEQUENCE = 3
    #: The board has been reset since HELLO.
    NO_SESSION = 4


def body(op: int, sequence: int, address: int, data: bytes = b"", length: int | None = None,
         ) -> bytes:
    """A frame's body, with its crc."""
    head = HEADER.pack(op, sequence, len(data) if length is None else length, address) + data
    return head + struct.pack("<I", zlib.crc32(head))


def frame(content: bytes) -> bytes:
    """A body between flags, escaped."""
    for byte in (ESCAPE, FLAG):  # in this order: what the second brings is no escape's own
        content = content.replace(bytes([byte]), bytes([ESCAPE, byte ^ ESCAPE_XOR]))
    return bytes([FLAG]) + content + bytes([FLAG])


class Deframer:
    """Cuts a stream of bytes into bodies whose length and crc are right."""

    def __init__(self):
        self._body = bytearray()
        self._escaped = self._overlong = False
        self._waiting: deque[bytes] = deque()

    def take(self, data: bytes) -> None:
        """Take bytes; the bodies that they complete wait."""
        self._waiting.extend(self.feed(data))

    def waiting(self) -> Iterator[bytes]:
        """The bodies that wait, each once."""
        while self._waiting:
            yield self._waiting.popleft()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; return the bodies that they complete, without crc."""
        found = []
        for byte in data:
            if byte == FLAG:
                content = bytes(self._body)
                whole = len(content) >= HEADER_BYTES + CRC_BYTES and not (
                    self._overlong or self._escaped)
                if whole and zlib.crc32(content[:-4]) == int.from_bytes(content[-4:], "little"):
                    found.append(content[:-4])
                self._body.clear()
                self._escaped = self._overlong = False
            elif byte == ESCAPE:
                self._escaped = True
            else:
                if len(self._body) < HEADER_BYTES + MAX_DATA + CRC_BYTES:
                    self._body.append(byte ^ (ESCAPE_XOR if self._escaped else 0))
                else:
                    self._overlong = True
                self._escaped = False
        return found
