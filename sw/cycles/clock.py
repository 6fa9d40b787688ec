"""Events in order of time."""

import heapq
import math
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["NEVER", "TINY", "Clock"]

NEVER = math.inf
TINY = 1e-6  # cycles, beats or chunks that do not count


class _Due(Protocol):
    due: float

    def fire(self) -> None: ...


class Clock:
    """Time, and what is to be done when.

    Members: `now`, in cycles; `soon`, up to when what is due counts as due now.
    """

    __slots__ = ("_events", "_made", "now", "soon")

    def __init__(self) -> None:
        self.now, self.soon = 0.0, TINY
        self._events: list[tuple[float, int, Callable[[Any], None] | None, Any]] = []
        self._made = 0

    def at(self, time: float, do: Callable[[Any], None], what: Any = None) -> None:
        """Call `do(what)` at a time."""
        self._made += 1  # those of one time come in the order in which they were made
        heapq.heappush(self._events, (time, self._made, do, what))

    def expect(self, what: _Due, span: float) -> None:
        """Call `what.fire()` after a span, unless another is expected by then."""
        time = self.now + span
        if time == self.now and span > 0:  # late in a long run; time must go on
            time = math.nextafter(time, NEVER)
        if time != what.due:
            what.due = time
            if time < NEVER:
                self._made += 1
                heapq.heappush(self._events, (time, self._made, None, what))

    def step(self) -> bool:
        """Go on to the next events and do them; False if there are none."""
        events, done = self._events, False
        while events and (not done or events[0][0] <= self.soon):
            time, _, do, what = heapq.heappop(events)
            if do is None and what.due != time:
                continue
            if not done:
                self.soon = time + TINY
                done = True
            if time > self.now:
                self.now = time
            if do is None:
                what.due = NEVER
                what.fire()
            else:
                do(what)
        return done
