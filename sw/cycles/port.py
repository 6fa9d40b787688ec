"""A memory port: what crosses it, and how fast."""

from collections.abc import Sequence

from hw.config import Config
from hw.isa import READ_AHEAD_BYTES
from sw.lowering.layout import BANKS
from sw.lowering.ops import Unit

from .clock import NEVER, TINY, Clock
from .parties import Party
from .work import Work

__all__ = ["ASKING", "LOAD", "MEMORY_LATENCY", "PAGE_MISS", "PROGRAM", "STORE", "WEIGHTS", "Flow",
           "Port"]

MEMORY_LATENCY = 40
PAGE_MISS = 12
ASKING = 9  # cycles from a free place in the weight FIFO to its request at the memory, and back
_BETWEEN = 6  # cycles from one request of an instance to its next, with others in between
_WAIT = 0.75  # of the others' bursts that a request finds before it, where none waits long
_OUTSTANDING = 32  # bursts on a port
_TURN = 2  # cycles from one read that is asked for to the next
_IDLE = 3  # cycles from a burst's last written beat to the next one's first, in between

#: What a flow is of.
LOAD, STORE, WEIGHTS, PROGRAM = int(Unit.LOAD), int(Unit.STORE), int(Unit.WEIGHTS), len(Unit)
FILLED = LOAD, WEIGHTS  # that go into a FIFO of each instance


class Flow:
    """Beats that are to cross a port: of a WEIGHTS, LOAD or STORE, or a program (no `work`).

    Members
    -------
    left : beats, as of `since`; a program's is what its FIFO has room for
    most : the rate that its unit can do, in beats per cycle
    burst : the mean length of one
    ready : when the first beat can come
    rate : beats per cycle
    lead : itself, or the flow that moves for all that take part in a multicast
    members : those that take part, of a flow that moves
    room : beats that it may have under way
    fresh : until so many are left, what comes has been asked for at once
    want, share : the rate that can be had and the share of the port, as last divided
    """

    __slots__ = ("burst", "due", "fresh", "kind", "lead", "left", "members", "most", "port",
                 "rate", "ready", "most_left", "room", "share", "since", "want", "work")

    def __init__(self, kind: int, work: Work | None, left: float, most: float, burst: float,
                 ready: float):
        self.kind, self.work, self.left, self.most, self.burst = kind, work, left, most, burst
        self.ready, self.lead, self.due = ready, self, NEVER
        self.rate = self.want = self.share = self.since = self.room = 0.0
        self.fresh = NEVER
        self.members: Sequence[Party] = []
        self.port: Port | None = None

    def sync(self) -> None:
        """Bring `left` and what a program lacks up to now."""
        assert self.port is not None
        span = self.port.clock.now - self.since
        moved = self.rate * span
        self.left -= moved
        self.since = self.port.clock.now
        if self.kind == PROGRAM:
            self.members[0].missing -= moved

    def left_now(self) -> float:
        """`left`, without bringing it up to now."""
        assert self.port is not None
        return self.left - self.rate * (self.port.clock.now - self.since)

    def give(self, rate: float) -> None:
        """Move at a rate from now on."""
        self.sync()
        self.rate = rate
        self.retime()
        if self.kind == STORE:
            self.members[0].storer.flow(rate)
        elif self.kind in FILLED:
            for x in self.members:
                x.fifos[self.kind].flow(rate)

    def retime(self) -> None:
        """Expect the end, or before it that an instance may go on."""
        assert self.port is not None
        if self.rate <= 0:
            self.due = NEVER
            return
        left = self.left
        if self.kind == PROGRAM:
            if TINY <= self.members[0].missing < left:
                left = self.members[0].missing
        elif self.kind == LOAD:
            for x in self.members:
                over = x.over()
                if TINY < over < left:
                    left = over
        self.port.clock.expect(self, max(0.0, left) / self.rate)

    def fire(self) -> None:
        """It has ended, or an instance may go on."""
        assert self.port is not None
        self.sync()
        if self.kind == PROGRAM:
            self.members[0].fetched()
            if self.left < TINY:
                self.port.remove(self)
            else:
                self.retime()
        elif self.left < TINY:
            self.port.remove(self)
            for x in self.members:
                if self.kind in FILLED:
                    x.fifos[self.kind].credit(self.left)
                x.ended(self.kind)
            for x in self.members:
                x.ready(self.kind)
        else:
            for x in self.members:
                x.relieved()
            self.retime()


class Port:
    """Flows that share a port.

    Members: `active`, those that may move; `dirty` if the shares must be found again, and
    `stale`, after when they must with the next event.
    """

    def __init__(self, config: Config, clock: Clock):
        self.clock = clock
        self.active: list[Flow] = []
        self.dirty, self.stale = False, NEVER
        self._trip = MEMORY_LATENCY + ASKING + config.port.burst_beats
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
        self._turn = max(self._turn + _TURN, self.clock.now)
        return self._turn

    def add(self, flow: Flow, members: Sequence[Party]) -> None:
        """Let a flow move."""
        flow.port, flow.members, flow.since = self, members, self.clock.now
        if flow.kind in FILLED:
            for x in members:
                x.fifos[flow.kind].port = self
        flow.room = self._rooms[flow.kind]
        flow.most_left = flow.left
        if flow.work is not None and flow.ready > self.clock.now - 1:  # follows no other
            flow.fresh = max(0.0, flow.left - flow.room)
        self.active.append(flow)
        self.dirty = True

    def remove(self, flow: Flow) -> None:
        """A flow has ended, or a program's FIFO is full."""
        flow.give(0.0)
        self.active.remove(flow)
        self.dirty = True

    def queue(self) -> float:
        """Cycles for which a request of now waits for those before it, with what is written
        meanwhile."""
        owed = bursts = written = 0.0
        for flow in self.active:
            if flow.kind == STORE:
                written += flow.rate
            elif flow.rate > 0:
                beats = min(flow.left_now(), self._under_way(flow))
                owed, bursts = owed + beats, bursts + beats / flow.burst
        return max(0.0, owed * min(1.0, _OUTSTANDING / max(bursts, 1.0)) / (1.0 - written)
                   - MEMORY_LATENCY)

    def _under_way(self, flow: Flow) -> float:
        """Beats that a flow has asked for, if there are as many left."""
        if flow.kind == PROGRAM:
            return flow.room
        fifo = flow.members[0].fifos[flow.kind]
        fifo.sync()
        return (fifo.size - fifo.level) / fifo.beat_chunks

    def divide(self) -> None:
        """Give each flow its rate."""
        self.dirty, self.stale = False, NEVER
        now = self.clock.now
        reads: list[Flow] = []
        writes: list[Flow] = []
        delay = to_read = to_write = together = often = 0.0
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
                trip = self._trip + PAGE_MISS * flow.work.misses * flow.room
                if flow.kind == WEIGHTS:
                    trip += (delay - flow.burst) * _WAIT
                if flow.room < flow.want * trip:
                    flow.want = flow.room / trip
                if flow.kind == LOAD:
                    lost = 0.0
                    if flow.members[0].fifos[LOAD].paced:
                        slack = flow.room / flow.want - trip
                        lost = often * max(0.0, together - slack)
                    for x in flow.members:
                        x.fifos[LOAD].starve(lost)
                    flow.want *= 1.0 - lost
            to_read += flow.want
        for flow in writes:
            to_write += flow.want
        bursts = sum([f.want / f.burst for f in reads])
        room = _room_to_write(writes, to_read, bursts)
        if to_write <= room and to_read + to_write <= 1.0 and bursts <= 1.0 / _TURN:
            for flow in reads + writes:
                if flow.want != flow.rate:
                    flow.give(flow.want)
            return
        moving = reads + writes
        queued = _share(moving)
        read = sum([f.share for f in reads]) / (sum([f.share / f.burst for f in reads]) or 1.0)
        # Bursts alternate where both ways want more than the port has.
        given = min(to_write, max(room, _alternate(read, writes)))
        _fill(writes, given)
        _fill(reads, min(1.0 - given, to_read, read / _TURN))
        self.stale = now + (_crowd_lasts(moving, queued) if queued > _OUTSTANDING else
                            _shares_last(moving))


def _room_to_write(writes: list[Flow], to_read: float, bursts: float) -> float:
    """Beats per cycle that can be written at most beside so many that are read, in so many bursts:
    between written ones the port idles unless it reads meanwhile."""
    if not writes:
        return 0.0
    write = sum([f.burst for f in writes]) / len(writes)
    return write / (write + _IDLE) * (1.0 - max(0.0, to_read - _IDLE * bursts))


def _alternate(read: float, writes: list[Flow]) -> float:
    """Beats per cycle that are written if each burst is followed by one of so many that are
    read."""
    if not read or not writes:
        return 0.0
    write = sum([f.burst for f in writes]) / len(writes)
    return write / (write + max(_IDLE, read))


def _share(flows: list[Flow]) -> float:
    """Find the flows' shares of the port; return how many bursts they want under way.

    What a reader has asked for waits in one queue, so readers share by what they may have under
    way. What is asked for at once comes together. If the port cannot take it all, as many bursts
    of each wait in the queue, fewer of those that may not have as many.
    """
    queued = established = 0.0
    fresh = []
    for flow in flows:
        left = flow.left_now()
        flow.share = max(flow.burst, min(flow.most_left if flow.work else left, flow.room))
        queued += max(flow.burst, min(left, flow.room)) / flow.burst
        if left > flow.fresh:
            fresh.append(flow)
        else:
            established += flow.share
    if queued > _OUTSTANDING:
        places, rest = float(_OUTSTANDING), len(flows)
        for flow in sorted(flows, key=_most_bursts):
            bursts = min(_most_bursts(flow), places / rest)
            places, rest = places - bursts, rest - 1
            flow.share = bursts * flow.burst
    else:
        for flow in fresh:
            flow.share = (established or 1.0) * flow.burst / _BETWEEN
    return queued


def _most_bursts(flow: Flow) -> float:
    return max(1.0, flow.room / flow.burst)


def _crowd_lasts(flows: list[Flow], queued: float) -> float:
    """Cycles, at least, until the port can take all that is asked for."""
    return (queued - _OUTSTANDING) / sum([f.rate / f.burst for f in flows])


def _shares_last(flows: list[Flow]) -> float:
    """Cycles until a flow is not fresh any more, or one of a program has less under way."""
    lasts = NEVER
    for flow in flows:
        left = flow.left_now()
        over = left - flow.fresh
        if over > 0:
            if over < lasts * flow.rate:
                lasts = over / flow.rate
        elif flow.work is None and left > flow.burst:
            return 0.0
    return lasts


def _fill(wanted: list[Flow], room: float) -> None:
    """Divide `room` by shares; nobody gets more than it can take."""
    while wanted:
        total = sum([f.share for f in wanted]) or 1.0
        level = room / total
        small = [f for f in wanted if f.want <= level * f.share + TINY]
        if not small:
            for f in wanted:
                rate = level * f.share
                if rate != f.rate:
                    f.give(rate)
            return
        for f in small:
            if f.want != f.rate:
                f.give(f.want)
            room = max(0.0, room - f.want)
        wanted = [f for f in wanted if f.want > level * f.share + TINY]
