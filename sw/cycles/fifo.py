"""A FIFO that a port fills: of weights, from which tiles are taken, or of what is loaded."""

from collections.abc import Callable
from typing import Protocol

from .clock import NEVER, TINY, Clock

__all__ = ["Fifo"]


class Supply(Protocol):
    """What a FIFO needs of its port: see `Port`."""

    dirty: bool
    stale: float

    def queue(self) -> float:
        """Cycles for which a request of now waits."""


class Fifo:
    """Chunks that flow in from a port and out to the array, or beats to the memory.

    Members
    -------
    level, want : chunks in it, and what the loader still takes in its phase, as of `since`
    awaited, told : chunks until the loader has taken what somebody waits for, and whom to tell
    busy : whether the loader takes any
    speed : chunks per cycle that the loader takes at most
    starved : share of time in which it is empty although it is full otherwise
    inflow, rate : chunks per cycle, in and out
    paced : whether `pace` is less than all that the port can give
    port : from which they come, None before the first
    """

    __slots__ = ("_clock", "_full", "_pace", "_pace_ends", "_refill", "_settling", "_stirred",
                 "_taken", "_was_full", "awaited", "beat_chunks", "busy", "due", "inflow", "level",
                 "paced", "port", "rate", "since", "size", "speed", "starved", "told", "want")

    def __init__(self, clock: Clock, size: float, beat_chunks: int, refill: float,
                 taken: Callable[[], None], settling: "list[Fifo]"):
        self._clock, self._refill, self._taken = clock, refill, taken
        self._settling, self._stirred = settling, False
        self.size, self.beat_chunks = size, beat_chunks
        self.level = self.want = self.speed = self.inflow = self.rate = self.since = 0.0
        self.starved, self.busy, self.due = 0.0, False, NEVER
        self.awaited, self.told = NEVER, taken
        self.port: Supply | None = None
        # What is asked for when the FIFO is no longer full comes a memory's latency later.
        self._pace, self._pace_ends = NEVER, 0.0
        self._full = self._was_full = self.paced = False

    def sync(self) -> None:
        """Bring level and want up to now."""
        span = self._clock.now - self.since
        if span > 0:
            self.level += (self.inflow - self.rate) * span
            self.want -= self.rate * span
            self.awaited -= self.rate * span
            self.since = self._clock.now

    def begin(self, want: float, speed: float) -> None:
        """The loader takes so many chunks."""
        self.sync()
        if self._full and not self.busy:  # nothing has been asked for
            self._full = self._was_full = False
            self._ask(0.0)
            self._hurry(None)
        elif not self.busy and self.inflow > TINY:  # what is under way now comes first
            self._stop_when_come(want / speed if speed > TINY else NEVER)
        self.want, self.speed, self.busy = want, speed, True
        self._stir()

    def _stop_when_come(self, span: float) -> None:
        """What is taken in this span is asked for now, and comes after what is under way."""
        comes = (self.size - self.level) / self.inflow
        if comes < min(span, self._refill):
            self._clock.at(self._clock.now + comes, self._stop, self._clock.now + self._refill)

    def _stop(self, until: float) -> None:
        if not self._full and self.busy:
            self._pace, self._pace_ends, self.paced = 0.0, until, True
            self._clock.at(until, self._hurry)
            self._hurry(None)

    def take(self, speed: float) -> None:
        """The loader takes so many chunks per cycle at most."""
        if speed != self.speed:
            self.sync()
            self.speed = speed
            self._stir()

    def starve(self, share: float) -> None:
        """For a share of time it is empty, although it is full otherwise."""
        if share != self.starved:
            self.sync()
            self.starved = share
            self._stir()

    def flow(self, beats: float) -> None:
        """Beats per cycle come in."""
        self.sync()
        self.inflow = beats * self.beat_chunks
        if not self._stirred:
            self._stirred = True
            self._settling.append(self)

    def under_way(self) -> float:
        """Beats that have been asked for, if there are as many left."""
        self.sync()
        return (self.size - self.level) / self.beat_chunks

    def await_taken(self, chunks: float, told: Callable[[], None]) -> None:
        """Tell somebody when so many chunks more have been taken."""
        self.sync()
        self.awaited, self.told = chunks, told
        self._stir()

    def credit(self, beats: float) -> None:
        """What rounding has left of a flow that has ended."""
        self.level += beats * self.beat_chunks

    def fire(self) -> None:
        """It has become full or empty, or the loader has what it wanted."""
        self.sync()
        if self.busy and self.want < TINY:
            self.level -= self.want  # so that rounding loses nothing
            self.want, self.rate, self.busy = 0.0, 0.0, False
            self._taken()
        if self.awaited < TINY:
            self.awaited = NEVER
            self.told()
        if self.level >= self.size - TINY:
            self._full = self.paced = True
        self._stir()

    def _stir(self) -> None:
        if self._full and self.port is not None:  # asks as it is emptied
            self.port.dirty = True
        if not self._stirred:
            self._stirred = True
            self._settling.append(self)

    def settle(self) -> bool:
        """Find the rate out and when something changes, once all that happens now is known;
        whether it is found to be full, so that the port is to be divided again."""
        self._stirred = filled = False
        self.sync()
        inflow, level, rate, span = self.inflow, self.level, 0.0, NEVER
        if self.busy:
            most = self.speed * (1.0 - self.starved)
            rate = most if level > TINY else min(most, inflow)
            if self.want < TINY:
                span = 0.0
            elif rate > 0:
                span = min(self.want, self.awaited) / rate
        change = inflow - rate
        if change > TINY:
            if level < self.size - TINY:
                span = min(span, (self.size - level) / change)
            elif not self._full and self.port is not None:
                self._full = self.paced = self.port.dirty = filled = True
        elif change < -TINY:
            if level > TINY:
                span = min(span, level / -change)
            if self._full and self.port is not None:
                self.port.stale = self._clock.now
        self.rate = rate
        self._clock.expect(self, span)
        return filled

    def pace(self) -> float:
        """Beats per cycle that have been asked for."""
        now = self._clock.now
        if self._full:
            self.sync()
            if self.level >= self.size - TINY:
                self._pace = (self.speed if self.busy else 0.0) / self.beat_chunks
                self._was_full = True
                return self._pace
            self._full = False
        if self._was_full:
            self._was_full = False
            self._ask(self._pace)
        if now < self._pace_ends - TINY:
            return self._pace
        self.paced = False
        return NEVER

    def _ask(self, pace: float) -> None:
        """Ask for more, which comes after a while and until then at a pace."""
        assert self.port is not None
        self._pace = pace
        self._pace_ends = self._clock.now + self._refill + self.port.queue()
        self._clock.at(self._pace_ends, self._hurry)

    def _hurry(self, _: None) -> None:
        if self.port is not None:
            self.port.dirty = True
