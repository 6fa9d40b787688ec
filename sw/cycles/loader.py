"""An instance's LOADs as they come, and as their words are put into the activation memory."""

from collections import deque
from collections.abc import Callable

from hw.config import Config

from .clock import TINY, Clock
from .fifo import Fifo
from .flow import Flow
from .port import ASKING, Port
from .work import Work, meet

__all__ = ["Loader"]


class Loader:
    """Puts a word per cycle out of a FIFO of beats, which the port fills.

    Members
    -------
    flows : LOADs whose beats have not all come, in order
    works : those whose words are not all in the memory
    asking : whether requests of the last one are still to be made
    """

    def __init__(self, config: Config, clock: Clock, port: Port, put: Callable[[Work], None],
                 settling: list[Fifo]):
        self._size, self._put = config.load_fifo_beats, put
        self.fifo = Fifo(clock, self._size, 1, port.memory.latency + ASKING, self._taken, settling)
        self.flows: deque[Flow] = deque()
        self.works: deque[Work] = deque()
        self.asking, self._asks_until, self._asked = False, 0.0, 0.0
        self._clock = clock
        self._post: Work | None = None

    def turn(self, work: Work) -> float:
        """When it asks for a LOAD's first burst: after those of the LOAD before."""
        first = max(self._clock.now, self._asked)
        self._asked = first + work.asks
        return first

    def begin(self, work: Work, flow: Flow) -> None:
        """Ask for a LOAD's beats."""
        self.asking, self._asks_until = True, self._clock.now + work.asking
        self.flows.append(flow)
        self.works.append(work)
        if len(self.works) == 1:
            self.fifo.begin(work.beats, self._speed())

    def contend(self, post: Work | None) -> None:
        """A POST writes, or none: where its words and a LOAD's lie in one bank, its go first."""
        if post is not self._post:
            self._post = post
            if self.works and self.fifo.speed != (speed := self._speed()):
                self.fifo.take(speed)

    def over(self) -> float:
        """Beats beyond those with which it takes up the next LOAD."""
        return sum([flow.to_come() for flow in self.flows]) - self._size

    def has_room(self) -> bool:
        """Whether it can take up the next LOAD; if not, see that it is noticed when it can."""
        if self._asks_until > self._clock.soon:
            return False
        if self.over() <= TINY:
            return True
        lead = self.flows[0].lead
        if lead.rate > 0:
            lead.sync()
            lead.retime()
        return False

    def end_asking(self) -> bool:
        """Note that it has made all requests of the last one, if it has; return whether it had not
        before."""
        asked = self.asking and self.has_room()
        if asked:
            self.asking = False
        return asked

    def _speed(self) -> float:
        """Beats per cycle that it can put."""
        work, words = self.works[0], 1.0
        if self._post is not None:
            words -= self._post.speed * meet(work, self._post)
        return min(1.0, words * work.beats / work.words)

    def _taken(self) -> None:
        """All of a LOAD's words are in the memory."""
        self._put(self.works.popleft())
        if self.works:
            self.fifo.begin(self.works[0].beats, self._speed())
