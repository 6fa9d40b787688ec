"""How far transfers to and from a board have come."""

import time
from collections.abc import Callable

__all__ = ["Transfers"]

#: A transfer of fewer bytes takes no time, even on a simulated board's line.
_LONG_BYTES = 1 << 12


class Transfers:
    """Tells of long transfers, one after the other: bytes, and the time that is left of each, or of
    all that are `expect`ed together.

    Parameters
    ----------
    tell : called with what is under way, in words
    clock : seconds
    """

    def __init__(self, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic):
        self._tell, self._clock = tell, clock
        self._began, self._first = 0.0, 0
        self._last = self._size = 0  # of the transfer under way: bytes moved, and in all
        self._moved = self._total = 0  # of what is expected: before this transfer, and in all

    def expect(self, total: int) -> None:
        """Take the transfers that follow, up to so many bytes, for one."""
        self._began, self._first = self._clock(), 0
        self._last = self._size = self._moved = 0
        self._total = total

    def __call__(self, done: int, total: int) -> None:
        """Take in how many bytes of how many have been moved."""
        now = self._clock()
        if done <= self._last or self._last == self._size:  # the next one
            self._moved += self._last
            if self._moved >= self._total:  # and nothing is expected
                self._moved = self._total = 0
                self._began, self._first = now, done
        self._last, self._size = done, total
        moved, whole = self._moved + done, self._total or total
        if whole > _LONG_BYTES and moved > self._first:
            seconds = (now - self._began) / (moved - self._first) * (whole - moved)
            time_left = f"{seconds:,.0f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"
            self._tell(f"{moved:,} of {whole:,} bytes, about {time_left} left")
