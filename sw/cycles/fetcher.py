"""An instance's WEIGHTS as they are asked for, one after the other."""

from collections import deque
from collections.abc import Callable

from .clock import TINY
from .fifo import Fifo
from .flow import Flow

__all__ = ["Fetcher"]

_AHEAD = 4  # and one behind the queue, beside that which comes


class Fetcher:
    """Asks for bursts as its FIFO has room for them.

    Members: `flows`, WEIGHTS whose beats have not all come, in order.
    """

    def __init__(self, fifo: Fifo, again: Callable[[], None]):
        self._fifo, self._again = fifo, again
        self.flows: deque[Flow] = deque()

    def has_room(self) -> bool:
        """Whether it can take up the next WEIGHTS: all bursts but the last of those before have
        been asked for. If not, see that it is noticed when it can."""
        if not self.flows:
            return True
        if len(self.flows) > _AHEAD + 1:
            return False
        fifo, left = self._fifo, sum([flow.to_come() for flow in self.flows])
        left -= fifo.under_way() + self.flows[-1].burst
        if left > TINY:
            fifo.await_taken(left * fifo.beat_chunks, self._again)
        return left <= TINY
