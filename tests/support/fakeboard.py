"""A board in Python: link, memory and registers, with faults, in its own time."""

import struct
from dataclasses import dataclass, field

from boards.gateware.system import identity
from boards.protocol import ANSWER, FLAG, HEADER, Deframer, Op, Status, body, frame
from hw import registers
from hw.config import Config

__all__ = ["FakeBoard"]


_CYCLES, _START, _STOP, _RUNNING = map(registers.address, ("CYCLES", "START", "STOP", "RUNNING"))


@dataclass
class FakeBoard:
    """Answers as `boards.gateware.link.Link` does: one request at a time, deaf meanwhile. Its
    accelerator runs from START to STOP and does nothing but count cycles.

    Members
    -------
    baud, listens_at : of the board's UART, and of the host's
    latency_s : for which an answer lies in the adapter
    think_s : from a request's end to its answer's begin
    drop_every : of the bytes to the board, one in so many is lost
    stuck : (bit of each 16-bit word, value) or None
    tied : bit of an address that has no effect, or None
    weak : places at which the lowest bit is 1 always
    alias : a place, and another that is the same; or None
    fades_after_s : after which what was written is lost, or None
    clock_hz : of the accelerator
    """

    config: Config
    size: int = 1 << 16
    baud: int = 2_000_000
    listens_at: int | None = None
    latency_s: float = 0.0
    think_s: float = 50e-6
    drop_every: int | None = None
    stuck: tuple[int, int] | None = None
    tied: int | None = None
    weak: range = range(0)
    alias: tuple[int, int] | None = None
    fades_after_s: float | None = None
    clock_hz: float = 50e6
    build: bytes = bytes(8)
    now: float = 0.0
    values: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.memory = bytearray(self.size)
        self._deframer = Deframer()
        self._answers: list[tuple[float, bytes]] = []
        self._line_free = self._deaf_until = self._written_at = 0.0
        self._spoilt, self._count = True, 0
        self._session: tuple[int, int] | None = None
        self._last_status = 0
        self._began: float | None = None  # the accelerator's run
        self.values |= {registers.address(name): registers.reset_value(self.config, name) or 0
                        for name in registers.GLOBAL}

    # -- the host's side -----------------------------------------------------------------------
    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def close(self) -> None:
        """Nothing is held."""

    def reset(self) -> None:
        self._session, self._spoilt = None, True

    def write(self, data: bytes) -> None:
        byte_s = 10 / (self.listens_at or self.baud)
        at = max(self.now, self._line_free)
        for byte in data:
            at += byte_s
            self._count += 1
            if abs((self.listens_at or self.baud) / self.baud - 1) > 0.03 or (
                    self.drop_every and self._count % self.drop_every == 0):
                continue
            self._byte(byte, at)
        self._line_free = at

    def read_some(self, timeout_s: float) -> bytes:
        end = self.now + timeout_s
        if self._answers and self._answers[0][0] <= end:
            at, data = self._answers.pop(0)
            self.now = max(self.now, at)
            return data
        self.now = end
        return b""

    # -- the board's -----------------------------------------------------------------------------
    def _byte(self, byte: int, at: float) -> None:
        if at < self._deaf_until:
            self._spoilt = True
            return
        if self._spoilt:
            if byte != FLAG:
                return
            self._spoilt, self._deframer = False, Deframer()
        for content in self._deframer.feed(bytes([byte])):
            op, number, length, address = HEADER.unpack_from(content)
            data = content[HEADER.size:]
            self.now, before = at, self.now
            status, payload = self._do(op, number, length, address, data)
            self.now = before
            answer = frame(body(op | ANSWER, number, status, payload))
            done = at + self.think_s + len(answer) * 10 / self.baud
            self._deaf_until, self._spoilt = done, True
            self._answers.append((done + self.latency_s, answer))

    def _do(self, op: int, number: int, length: int, address: int, data: bytes,
            ) -> tuple[int, bytes]:
        if op == Op.HELLO:
            if self._session is None or self._session[0] != address:
                self._session = address, number + 1 & 0xFFFF
            return Status.OK, identity(self.config, self.build)
        if self._session is None:
            return Status.NO_SESSION, b""
        nonce, expected = self._session
        if number not in (expected, expected - 1 & 0xFFFF):
            return Status.SEQUENCE, b""
        again = number != expected
        self._session = nonce, number + 1 & 0xFFFF
        if again and op in (Op.WRITE_MEMORY, Op.WRITE_REGISTER):
            return self._last_status, b""
        status, payload = self._access(op, length, address, data)
        self._last_status = status
        return status, payload

    def _access(self, op: int, length: int, address: int, data: bytes) -> tuple[int, bytes]:
        if op == Op.READ_REGISTER:
            if self._began is not None:
                self.values[_CYCLES] = int((self.now - self._began) * self.clock_hz)
            return Status.OK, struct.pack("<I", self.values.get(address, 0))
        if op == Op.WRITE_REGISTER:
            self.values[address] = int.from_bytes(data, "little")
            if address in (_START, _STOP):
                self._began = self.now if address == _START else None
                self.values[_RUNNING] = int(address == _START)
            return Status.OK, b""
        if address + length > self.size:
            return Status.BUS_ERROR, b""
        if op == Op.WRITE_MEMORY:
            self._written_at = self.now
            for k, byte in enumerate(data):
                self.memory[self._place(address + k)] = byte
            return Status.OK, b""
        found = bytes(self._cell(address + k) for k in range(length))
        return Status.OK, found

    def _place(self, address: int) -> int:
        if self.alias and address == self.alias[1]:
            return self.alias[0]
        return address & ~(1 << self.tied) if self.tied is not None else address

    def _cell(self, address: int) -> int:
        value = self.memory[self._place(address)]
        if self.fades_after_s is not None and self.now - self._written_at > self.fades_after_s:
            value = 0
        if address in self.weak:
            value |= 1
        if self.stuck and self.stuck[0] // 8 == address % 2:
            bit = 1 << self.stuck[0] % 8
            value = value | bit if self.stuck[1] else value & ~bit
        return value
