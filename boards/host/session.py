"""Requests to a board: numbered, repeated until they are answered, several on their way at once."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from boards.protocol import (
    ANSWER,
    FLAG,
    HEADER,
    MOST_WAIT_S,
    TRIES,
    Deframer,
    Op,
    Status,
    body,
    frame,
)
from hw import registers

from .errors import BoardReset, LinkError, LinkTimeout

__all__ = ["Port", "Request", "Session", "Transport"]

#: Requests on their way at once: at 2 Mbaud eight of 1 KiB take 43 ms, more than the 16 ms that a
#: USB adapter may keep an answer back.
_WINDOW = 8
#: Bytes of nothing after a request that others follow, in which the board, which listens to one at
#: a time, does it and answers: what its memory takes for 1 KiB, and an answer's 17 bytes.
_GAP_BYTES, _MOST_GAP_BYTES = 100, 1600
#: From a number that is in doubt to one that is not; and reads until a line is not quiet.
_FAR, _MOST_READS = 0x4000, 200


class Transport(Protocol):
    """Bytes to and from a board; what `serial.Serial` offers."""

    def write(self, data: bytes) -> object: ...

    def read_some(self, timeout_s: float) -> bytes:
        """Bytes that have come, at least one unless the time is over."""


class Port(Transport, Protocol):
    """A transport that can be closed, and opened again at another baud rate."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class Request:
    """What is asked: `data` to be written, or `length` bytes that are `due`."""

    op: Op
    address: int
    data: bytes = b""
    length: int | None = None
    due: int = 0

    def __str__(self) -> str:
        return f"{self.op.name} at 0x{self.address:x}"

    def frame(self, number: int) -> bytes:
        return frame(body(self.op, number, self.address, self.data, self.length))


class Session:
    """The requests of one connection; members `requests` and `repeats` count them.

    Parameters
    ----------
    transport : Transport
    baud : int
        For how long a frame is on the line.
    timeout_s : float
        Longest wait for an answer after the frames' own time, before each of 8 tries.
    clock : seconds, in which timeouts are measured
    chance : random.Random
        Draws the first sequence number, and the greeting where a new one is agreed on.
    """

    def __init__(self, transport: Transport, *, baud: int, timeout_s: float,
                 clock: Callable[[], float] = time.monotonic, chance: random.Random):
        self._transport, self._timeout, self._clock = transport, timeout_s, clock
        self._byte_s = 10 / baud
        self._deframer = Deframer()
        self._number = chance.getrandbits(16)
        self._certain = True  # the board has had `_number`, and nothing else is on its way
        self._chance = chance
        self._gap = _GAP_BYTES
        self.requests = self.repeats = 0

    def ask(self, request: Request, tries: int = TRIES) -> bytes:
        """Ask until there is an answer, so many times at most; return its data.

        Raises
        ------
        LinkTimeout, BoardReset, LinkError
        ValueError
            If there is nothing at the address.
        """
        self.requests += 1
        if not self._certain:
            self._agree(request)
        self._certain = False
        status, payload = self._exchange(request, self._number + 1, tries)
        self._certain = True
        return self._judge(request, status, payload)

    def _agree(self, request: Request) -> None:
        """Agree with the board on a number after an interrupt or a fault, far from those before,
        so that no late answer is taken for one to come; raises BoardReset, `request` unasked."""
        probe = Request(Op.READ_REGISTER, registers.address("ID"), length=4, due=4)
        status, _ = self._exchange(probe, self._number + _FAR)
        if status == Status.NO_SESSION:
            raise BoardReset(f"the board has been reset before {request}: load the program again")
        self._exchange(Request(Op.HELLO, self._chance.getrandbits(32)), self._number + 1)

    def ask_all(self, requests: list[Request], done: Callable[[int], None] = lambda k: None,
                ) -> list[bytes]:
        """Ask one after the other, without waiting for each answer; `done` is called with how many
        have been answered. Writes go up in address: where one was done, those before it were.

        Raises
        ------
        As `ask`.
        """
        found: list[bytes | None] = [None] * len(requests)
        at = 0
        while at < len(requests):
            found[at] = self.ask(requests[at])
            at += 1
            done(at)
            if at < len(requests):
                at = self._stream(requests, at, found, done)
        return [self.ask(r) if f is None and r.due else f or b""
                for r, f in zip(requests, found, strict=True)]

    def _stream(self, requests: list[Request], at: int, found: list[bytes | None],
                done: Callable[[int], None]) -> int:
        """Ask from the one at `at` on until all are answered, or an answer is missing; return how
        many have been done."""
        base, sent = self._number + 1 - at, at
        while at < len(requests):
            while sent < len(requests) and sent - at < _WINDOW:
                self._number, self._certain = base + sent & 0xFFFF, False
                self._transport.write(self._padded(requests, sent, base + sent))
                sent += 1
            first, behind = base + at, sent - at

            def expected(number: int, first: int = first, behind: int = behind) -> bool:
                return (number - first & 0xFFFF) < behind

            wait = self._timeout + self._byte_s * sum(
                2 * len(r.data) + 2 * r.due + self._gap + 64 for r in requests[at:sent])
            answer = self._answer(requests[at].op, expected, wait)
            if answer is None or answer[1] != Status.OK:
                self._drain()
                self._gap = min(2 * self._gap, _MOST_GAP_BYTES)
                self.repeats += 1
                return at
            number, _, data = answer
            k = number - base & 0xFFFF
            self.requests += 1
            if len(data) == requests[k].due:
                found[k] = data
            at = k + 1
            done(at)
        self._certain = True
        return at

    def _padded(self, requests: list[Request], k: int, number: int) -> bytes:
        """A request's frame; if others follow, then flags for as long as its answer takes."""
        request, content = requests[k], requests[k].frame(number)
        if k + 1 == len(requests):
            return content
        return content + bytes([FLAG]) * (self._gap + request.due + request.due // 16)

    def _drain(self) -> None:
        """Let answers go by that are still on their way."""
        for _ in range(_MOST_READS):
            if not self._transport.read_some(min(self._timeout, 0.05)):
                break
        self._deframer = Deframer()

    def _judge(self, request: Request, status: int, payload: bytes) -> bytes:
        """An answer's data; raises what it is otherwise."""
        if status == Status.OK:
            if len(payload) != request.due:
                raise LinkError(f"the board answers {request} with {len(payload)} bytes; "
                                f"{request.due} are due: is it another program's?")
            return payload
        if status == Status.NO_SESSION:
            raise BoardReset(f"the board has been reset before {request}: load the program again")
        if status == Status.SEQUENCE:
            raise BoardReset(f"the board has another session since {request}: does another "
                             "program use the port? load the program again")
        if status == Status.BUS_ERROR and request.op is not Op.HELLO:  # which has no address
            kind = "register" if "REGISTER" in request.op.name else "memory"
            raise ValueError(f"there is no {kind} at 0x{request.address:x}")
        raise LinkError(f"the board refuses {request} (status {status})")

    def _exchange(self, request: Request, number: int, tries: int = TRIES,
                  ) -> tuple[int, bytes]:
        """Ask under a number; return status and data of the answer."""
        self._number = number & 0xFFFF
        content = request.frame(self._number)
        expected = request.length or len(request.data) or 4
        wait = self._timeout + self._byte_s * 2 * (len(content) + expected + 32)
        for attempt in range(tries):
            self.repeats += attempt > 0
            self._transport.write(content)
            answer = self._answer(request.op, lambda got: got == self._number, wait)
            if answer is not None:
                return answer[1:]
            wait = min(2 * wait, MOST_WAIT_S)
        raise LinkTimeout(f"no answer to {request.op.name} after {tries} tries: is the board "
                          "powered, flashed, and the port the right one?")

    def _answer(self, op: Op, wanted: Callable[[int], bool], wait: float,
                ) -> tuple[int, int, bytes] | None:
        """Number, status and data of the next answer whose number is `wanted`, or None when the
        time is over."""
        deadline = self._clock() + wait
        while True:
            for content in self._deframer.waiting():
                kind, number, length, status = HEADER.unpack_from(content)
                data = content[HEADER.size:]
                if length == len(data) and kind == op | ANSWER and wanted(number):
                    return number, status, data
            left = deadline - self._clock()
            if left <= 0:
                return None
            self._deframer.take(self._transport.read_some(left))
