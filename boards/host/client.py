"""The host's end of the link, and the driver's backend on top of it."""

import os
import random
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from boards.gateware.system import identity
from boards.protocol import (
    ANSWER,
    HEADER,
    IDENTITY_BYTES,
    MAX_DATA,
    PROTOCOL_VERSION,
    Deframer,
    Op,
    Status,
    body,
    frame,
)
from hw import registers
from hw.config import Config

from .errors import BoardMismatch, BoardReset, LinkError, LinkTimeout

__all__ = ["SerialBackend", "open_port"]

_TRIES = 8
_CHANCE = random.SystemRandom()


class Transport(Protocol):
    """Bytes to and from a board; what `serial.Serial` offers."""

    def write(self, data: bytes) -> object: ...

    def read_some(self, timeout_s: float) -> bytes:
        """Bytes that have come, at least one unless the time is over."""


class SerialTransport:
    """A serial port.

    Raises
    ------
    LinkError
        If it cannot be opened, or goes away.
    """

    def __init__(self, path: str, baud: int):
        import serial
        self._errors = (serial.SerialException, OSError)
        self.path = path
        try:
            self._port = serial.Serial(path, baud, timeout=0, write_timeout=5, exclusive=True)
        except self._errors as error:
            number = getattr(error, "errno", None)
            why = os.strerror(number) if number else str(error)
            raise LinkError(f"cannot open {path}: {why}; is the board plugged in, and may "
                            "you use the port? try: python -m boards doctor") from None

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except self._errors as error:
            raise LinkError(f"{self.path} has gone: {error}") from None

    def read_some(self, timeout_s: float) -> bytes:
        try:
            self._port.timeout = timeout_s
            first = self._port.read(1)
            return first + self._port.read(self._port.in_waiting) if first else b""
        except self._errors as error:
            raise LinkError(f"{self.path} has gone: {error}") from None

    def close(self) -> None:
        self._port.close()


def open_port(path: str, baud: int) -> SerialTransport:
    """Open a serial port."""
    return SerialTransport(path, baud)


class SerialBackend:
    """A board behind a link, for `sw.driver.driver.Driver`.

    Requests are repeated until they are answered; a repeated write is not done twice. Nothing
    here waits for ever: a board that does not answer is a `LinkTimeout`.

    Parameters
    ----------
    config : Config
        Of the program; the board must hold the same.
    transport : Transport
    baud : int
        For how long a frame is on the line.
    timeout_s : float
        Longest wait for an answer after the frames' own time, before each of 8 tries.
    clock : seconds, in which timeouts are measured
    progress : called with (bytes moved, bytes in all) during long transfers
    chance : random.Random
        Draws the first sequence number and the greeting, which no earlier session's should equal;
        one with a seed makes runs repeat to the cycle.

    Raises
    ------
    LinkTimeout, BoardMismatch
    """

    def __init__(self, config: Config, transport: Transport, *, baud: int = 3_000_000,
                 timeout_s: float = 0.25, clock: Callable[[], float] = time.monotonic,
                 progress: Callable[[int, int], None] = lambda done, total: None,
                 chance: random.Random = _CHANCE):
        self.config = config
        self._transport = transport
        self._timeout = timeout_s
        self._clock = clock
        self._byte_s = 10 / baud
        self._deframer = Deframer()
        self._progress = progress
        self._chance = chance
        self._sequence = chance.getrandbits(16)
        self._answered = True  # the last request, which an interrupt can keep from the board
        self.repeats = 0
        self._hello()

    # -- requests --------------------------------------------------------------------------
    def _hello(self) -> None:
        found = self._request(Op.HELLO, self._chance.getrandbits(32), due=IDENTITY_BYTES)
        expected = identity(self.config)
        if found[0] != PROTOCOL_VERSION:
            raise BoardMismatch(f"the board speaks version {found[0]} of the link's protocol; "
                                f"this program {PROTOCOL_VERSION}: build and flash it again")
        if found != expected:
            raise BoardMismatch(
                f"the board holds configuration {found[4:12].hex()}, the program is for "
                f"{expected[4:12].hex()}: flash the build that belongs to the program")

    def _request(self, op: Op, address: int, data: bytes = b"", length: int | None = None, *,
                 due: int = 0) -> bytes:
        """Ask until there is an answer; return its data, `due` bytes.

        Raises
        ------
        LinkTimeout, BoardReset, LinkError
        ValueError
            If there is nothing at the address.
        """
        certain, self._answered = self._answered, False
        status, payload = self._exchange(1, op, address, data, length)
        if status == Status.SEQUENCE and not certain:  # the last one never came to the board
            status, payload = self._exchange(-1, op, address, data, length)
        self._answered = True
        where = f"{op.name} at 0x{address:x}"
        if status == Status.OK:
            if len(payload) != due:
                raise LinkError(f"the board answers {where} with {len(payload)} bytes; {due} are "
                                "due: is it another program's?")
            return payload
        if status == Status.NO_SESSION:
            raise BoardReset(f"the board has been reset before {where}: load the program again")
        if status == Status.SEQUENCE:
            raise BoardReset(f"the board has another session since {where}: does another "
                             "program use the port? load the program again")
        if status == Status.BUS_ERROR and op is not Op.HELLO:  # which has no address
            kind = "register" if "REGISTER" in op.name else "memory"
            raise ValueError(f"there is no {kind} at 0x{address:x}")
        raise LinkError(f"the board refuses {where} (status {status})")

    def _exchange(self, step: int, op: Op, address: int, data: bytes, length: int | None,
                  ) -> tuple[int, bytes]:
        """Ask under the next number, or another; return status and data of the answer."""
        self._sequence = (self._sequence + step) & 0xFFFF
        content = frame(body(op, self._sequence, address, data, length))
        expected = length or len(data) or 4
        wait = self._timeout + self._byte_s * 2 * (len(content) + expected + 32)
        for attempt in range(_TRIES):
            self.repeats += attempt > 0
            self._transport.write(content)
            answer = self._answer(op, wait)
            if answer is not None:
                return answer
            wait = min(2 * wait, 4.0)
        raise LinkTimeout(f"no answer to {op.name} after {_TRIES} tries: is the board powered, "
                          "flashed, and the port the right one?")

    def _answer(self, op: Op, wait: float) -> tuple[int, bytes] | None:
        """The answer to the request under way, or None when the time is over."""
        deadline = self._clock() + wait
        while (left := deadline - self._clock()) > 0:
            for content in self._deframer.feed(self._transport.read_some(left)):
                kind, sequence, length, status = HEADER.unpack_from(content)
                data = content[HEADER.size:]
                if kind == op | ANSWER and sequence == self._sequence and length == len(data):
                    return status, data
        return None

    # -- the backend protocol -----------------------------------------------------------------
    def write_memory(self, addr: int, data: bytes | np.ndarray) -> None:
        flat = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else \
            np.ascontiguousarray(data).view(np.uint8).reshape(-1)
        for at in range(0, flat.size, MAX_DATA):
            part = flat[at:at + MAX_DATA].tobytes()
            self._request(Op.WRITE_MEMORY, addr + at, part)
            self._progress(at + len(part), flat.size)

    def read_memory(self, addr: int, count: int) -> np.ndarray:
        parts = []
        for at in range(0, count, MAX_DATA):
            size = min(MAX_DATA, count - at)
            parts.append(self._request(Op.READ_MEMORY, addr + at, length=size, due=size))
            self._progress(at + size, count)
        return np.frombuffer(b"".join(parts), np.uint8).copy()

    def write_register(self, addr: int, value: int) -> None:
        self._request(Op.WRITE_REGISTER, addr, value.to_bytes(4, "little"))

    def read_register(self, addr: int) -> int:
        return int.from_bytes(self._request(Op.READ_REGISTER, addr, length=4, due=4),
                              "little")

    def advance(self, cycles: int) -> int:
        """Let time pass on the board; return the cycles that its own counter has counted."""
        before = self.read_register(registers.address("CYCLES"))
        time.sleep(0.002)
        return max(1, self.read_register(registers.address("CYCLES")) - before)
