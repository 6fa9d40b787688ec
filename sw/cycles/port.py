"""A memory port: what crosses it, and how fast."""

from collections.abc import Sequence

from hw.config import Config
from hw.isa import READ_AHEAD_BYTES
from sw.lowering.layout import BANKS

from .clock import NEVER, Clock
from .flow import FILLED, LOAD, PROGRAM, STORE, WEIGHTS, Flow
from .memory import SIMULATED, MemoryTiming
from .queueing import ASKING, Asker, wait
from .shares import TURN, give

__all__ = ["ASKING", "Port"]

_WAIT = 0.75  # of the others' bursts that a request finds before it, where none waits long; fitted


class Port:
    """Flows that share a port.

    Members: `memory`, what is behind it; `parties`, whose they are; `active`, those that may move;
    `dirty` if the shares must be found again, and `stale`, after when they must with the next
    event.
    """

    def __init__(self, config: Config, clock: Clock, memory: MemoryTiming = SIMULATED):
        self.clock, self.memory = clock, memory
        self.active: list[Flow] = []
        self.parties: list[Asker] = []
        self.dirty, self.stale = False, NEVER
        self._trip = memory.latency + ASKING + config.port.burst_beats * memory.beat
        #: Beats that a flow may have under way.
        self._rooms = {WEIGHTS: config.buffers.weight_fifo_beats,
                       LOAD: config.load_fifo_beats, STORE: 0,
                       PROGRAM: READ_AHEAD_BYTES / config.port.bytes}
        self._pages: dict[int, int] = {}
        self._turn = 0.0  # when a read was last asked for

    def touch(self, pages: list[int]) -> bool:
        """Open pages in turn; whether the first was open."""
        was = self._pages.get(pages[0] % BANKS)
        for page in pages:
            self._pages[page % BANKS] = page
        return was == pages[0]

    def ask(self) -> float:
        """Take a reader's first request: when it is its turn."""
        self._turn = max(self._turn + TURN, self.clock.now)
        return self._turn

    def add(self, flow: Flow, members: Sequence[Asker]) -> None:
        """Let a flow move."""
        flow.port, flow.members, flow.since = self, members, self.clock.now
        if flow.kind in FILLED:
            for x in members:
                x.fifos[flow.kind].port = self
        flow.room = self._rooms[flow.kind]
        flow.whole = flow.left
        if flow.kind == LOAD:  # those behind it are under way, too
            flow.whole = sum([f.left for f in members[0].flows[flow.kind]])
        if flow.work is not None and flow.ready > self.clock.now - 1:  # follows no other
            flow.fresh = max(0.0, flow.left - flow.room)
        self.active.append(flow)
        self.dirty = True

    def remove(self, flow: Flow) -> None:
        """A flow has ended, or a program's FIFO is full."""
        flow.give(0.0)
        self.active.remove(flow)
        self.dirty = True

    def queue(self, *, leads: bool = True) -> float:
        """Cycles for which a request of now waits: see `wait`."""
        return wait(self.active, self.parties, self.clock.now, leads=leads, memory=self.memory)

    def divide(self) -> None:
        """Give each flow its rate."""
        self.dirty, self.stale = False, NEVER
        reads: list[Flow] = []
        writes: list[Flow] = []
        delay = together = often = 0.0
        for flow in self.active:
            most = flow.most
            if flow.kind in FILLED:
                for x in flow.members:
                    fifo = x.fifos[flow.kind]
                    if fifo.paced:
                        most = min(most, fifo.pace())
                if most <= 0:
                    if flow.rate:
                        flow.give(0.0)
                    continue
                if flow.kind == WEIGHTS and most < flow.most:
                    together, often = together + flow.burst, max(often, most / flow.burst)
            flow.want = most
            delay += flow.burst
            (writes if flow.kind == STORE else reads).append(flow)
        for flow in reads:
            if flow.work is not None:
                trip = self._trip + self.memory.page_miss * flow.work.misses * flow.room
                if flow.kind == WEIGHTS:
                    trip += (delay - flow.burst) * self.memory.beat * _WAIT
                if flow.room < flow.want * trip:
                    flow.want = flow.room / trip
                if flow.kind == LOAD:
                    lost = self._starved(flow, trip, together, often)
                    flow.starve(lost)
                    flow.want *= 1.0 - lost
        self.stale = self.clock.now + give(reads, writes, self.memory)

    @staticmethod
    def _starved(load: Flow, trip: float, together: float, often: float) -> float:
        """Share of time in which a LOAD's full FIFO runs empty, as bursts of instances' weights
        come together: they pause, and go on, at once, as their arrays are in step. Its beats then
        wait for `together` of theirs, `often` times in a cycle, longer than those that it has
        asked for last."""
        if not any(x.fifos[LOAD].paced for x in load.members):
            return 0.0
        slack = load.room / load.want - trip
        return min(1.0, often * max(0.0, together - slack))
