"""The host's end of the link, and the driver's backend on top of it."""

import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from boards.gateware.system import identity
from boards.protocol import (
    ANSWER_S,
    BUILD_BYTES,
    IDENTITY_BYTES,
    MAX_DATA,
    PROTOCOL_VERSION,
    TRIES,
    Op,
)
from hw import registers
from hw.config import Config

from .errors import BoardMismatch, LinkError, PortError
from .session import Request, Session, Transport

__all__ = ["SerialBackend", "SerialTransport", "open_port"]

_CHANCE = random.SystemRandom()


class SerialTransport:
    """A serial port.

    Raises
    ------
    PortError
        If it cannot be opened.
    LinkError
        If it goes away.
    """

    def __init__(self, path: str, baud: int):
        import serial
        self._errors = (serial.SerialException, OSError)
        self.path = path
        try:
            self._port = serial.Serial(path, baud, timeout=0, write_timeout=5, exclusive=True)
        except self._errors as error:
            number = getattr(error, "errno", None)
            why = os.strerror(number) if number else "it is no serial port" \
                if Path(path).is_file() else str(error)
            raise PortError(f"cannot open {path}: {why}; is the board plugged in, and may "
                            "you use the port? try: python -m boards doctor") from None
        # An FTDI adapter keeps bytes back for 16 ms unless told otherwise; not every system and
        # adapter can be told, and the requests on their way at once make up for it.
        with suppress(*self._errors, AttributeError, NotImplementedError, ValueError):
            self._port.set_low_latency_mode(True)

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
    greetings : tries of the first request
    progress : called with (bytes moved, bytes in all) during long transfers
    chance : random.Random
        Draws the first sequence number and the greeting, which no earlier session's should equal;
        one with a seed makes runs repeat to the cycle.

    Raises
    ------
    LinkTimeout, BoardMismatch
    """

    def __init__(self, config: Config, transport: Transport, *, baud: int = 3_000_000,
                 timeout_s: float = ANSWER_S, clock: Callable[[], float] = time.monotonic,
                 greetings: int = TRIES,
                 progress: Callable[[int, int], None] = lambda done, total: None,
                 chance: random.Random = _CHANCE):
        self.config = config
        self._progress = progress
        self._chance = chance
        self.session = Session(transport, baud=baud, timeout_s=timeout_s, clock=clock,
                               chance=chance)
        self._hello(greetings)

    @property
    def repeats(self) -> int:
        """Requests that had to be made again."""
        return self.session.repeats

    def _hello(self, tries: int) -> None:
        found = self.session.ask(Request(Op.HELLO, self._chance.getrandbits(32),
                                         due=IDENTITY_BYTES), tries)
        expected = identity(self.config)
        if found[0] != PROTOCOL_VERSION:
            raise BoardMismatch(f"the board speaks version {found[0]} of the link's protocol; "
                                f"this program {PROTOCOL_VERSION}: build and flash it again")
        if found[:-BUILD_BYTES] != expected[:-BUILD_BYTES]:
            raise BoardMismatch(
                f"the board holds configuration {found[4:12].hex()}, the program is for "
                f"{expected[4:12].hex()}: flash the build that belongs to the program")
        self.build = found[-BUILD_BYTES:]

    # -- the backend protocol -----------------------------------------------------------------
    def write_memory(self, addr: int, data: bytes | np.ndarray) -> None:
        flat = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else \
            np.ascontiguousarray(data).view(np.uint8).reshape(-1)
        places = range(0, flat.size, MAX_DATA)
        self.session.ask_all(
            [Request(Op.WRITE_MEMORY, addr + at, flat[at:at + MAX_DATA].tobytes())
             for at in places],
            lambda k: self._progress(min(k * MAX_DATA, flat.size), flat.size))

    def read_memory(self, addr: int, count: int) -> np.ndarray:
        sizes = [(at, min(MAX_DATA, count - at)) for at in range(0, count, MAX_DATA)]
        parts = self.session.ask_all(
            [Request(Op.READ_MEMORY, addr + at, length=size, due=size) for at, size in sizes],
            lambda k: self._progress(min(k * MAX_DATA, count), count))
        return np.frombuffer(b"".join(parts), np.uint8).copy()

    def write_register(self, addr: int, value: int) -> None:
        self.session.ask(Request(Op.WRITE_REGISTER, addr, value.to_bytes(4, "little")))

    def read_register(self, addr: int) -> int:
        return int.from_bytes(
            self.session.ask(Request(Op.READ_REGISTER, addr, length=4, due=4)), "little")

    def advance(self, cycles: int) -> int:
        """Let time pass on the board; return the cycles that its own counter has counted."""
        before = self.read_register(registers.address("CYCLES"))
        time.sleep(0.002)
        return max(1, self.read_register(registers.address("CYCLES")) - before)
