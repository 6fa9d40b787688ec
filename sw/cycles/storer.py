"""An instance's STOREs as they are read: words of the activation memory, put into beats."""

from collections.abc import Callable

from hw.config import Config

from .clock import NEVER, TINY, Clock
from .work import Work

__all__ = ["Storer"]

_READ_AHEAD = 8  # words between the memory and the beats
_REQUESTS = 4 + 1  # bursts that wait for the port, and one at its gate


class Storer:
    """Reads a word per cycle into a FIFO of beats, which the port empties.

    Members
    -------
    work : which is read, None for none
    reads : words that it reads per cycle
    """

    __slots__ = ("_beats", "_changed", "_clock", "_end", "_level", "_outflow", "_rate", "_room",
                 "_since", "_want", "due", "reads", "work")

    def __init__(self, config: Config, clock: Clock, changed: Callable[[], None],
                 end: Callable[[], None]):
        self._clock, self._changed, self._end = clock, changed, end
        self._beats = 2 * config.port.burst_beats
        self.work: Work | None = None
        self.due, self.reads = NEVER, 0.0
        # beats in the FIFO, that it has place for, that are to be read, as of `since`, and rates
        self._level = self._room = self._want = self._since = self._rate = self._outflow = 0.0

    def begin(self, work: Work) -> None:
        """Read the words of a STORE."""
        self._sync()
        self.work, self._want = work, work.beats
        self._room = min(self._beats, _REQUESTS * work.burst) \
            + _READ_AHEAD * work.beats / work.words
        self._settle()

    def flow(self, beats: float) -> None:
        """So many beats per cycle go out."""
        self._sync()
        self._outflow = beats
        self._settle()

    def fire(self) -> None:
        """The FIFO is full, or all is read."""
        self._sync()
        if self._want < TINY:
            self.work = None
            self._settle()
            self._end()
        else:
            self._settle()

    def _sync(self) -> None:
        span = self._clock.now - self._since
        self._level += (self._rate - self._outflow) * span
        self._want -= self._rate * span
        self._since = self._clock.now

    def _settle(self) -> None:
        """Find the rate out, and when it changes."""
        if self.work is None:
            self._rate = reads = 0.0
        else:
            each = self.work.words / self.work.beats
            most = min(1.0, 1.0 / each)
            full = self._level >= self._room - TINY
            self._rate = min(most, self._outflow) if full else most
            reads = self._rate * each
            span = self._want / self._rate if self._rate > 0 else NEVER
            if self._rate > self._outflow and not full:
                span = min(span, (self._room - self._level) / (self._rate - self._outflow))
            self._clock.expect(self, max(0.0, span))
        if reads != self.reads:
            self.reads = reads
            self._changed()
