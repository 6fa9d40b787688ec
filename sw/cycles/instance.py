"""One instance: dispatch, queues, tokens and units."""

from collections import deque
from collections.abc import Callable
from functools import partial

from hw.config import Config
from sw.lowering.batch import Run
from sw.lowering.ops import Unit

from .array import ARRAY, DRAIN, Array
from .clock import TINY, Clock
from .fetcher import Fetcher
from .fifo import Fifo
from .flow import LOAD, STORE, WEIGHTS, Flow
from .loader import Loader
from .port import Port
from .program import Program
from .storer import Storer
from .work import Work

__all__ = ["Instance"]

# Latencies in cycles.
#: From a unit's instruction to its request at the memory, and its data's way back; one more where
#: instances share the port.
_ADDRESS = 12
_TOKEN = 3  # from an operation's end to the start of one that waits for it
_BARRIER = 5
_SENT = 4  # from a written burst's address to its first beat
_ACKNOWLEDGE = 2  # from the memory's answer to a STORE's end
_READ = 5  # from a STORE's start or end to when the array lacks a vector, or has it again
_DISPATCH = 3  # and what it takes to put the next instruction together

_LOADS_AHEAD = 4  # and one behind the queue, beside that which is put

#: Bits of `Instance.todo` beside those of the units and `ARRAY` and `DRAIN`: whether the next
#: instruction may be dispatched, and whether a transfer may have made room for the next.
_NEXT, _TRANSFERS = (1 << len(Unit) + k for k in (2, 3))
#: For each set of units, their numbers.
_UNITS = [tuple(u for u in range(len(Unit)) if units >> u & 1) for units in range(1 << len(Unit))]


class Instance:
    """State of one instance; `todo` is what may go on now.

    A unit takes an instruction from its queue once its tokens are there, and starts on it when it
    can.
    """

    def __init__(self, number: int, works: list[Work], config: Config, clock: Clock,
                 port: Port, settling: list[Fifo], ends: dict[Run, float]):
        self.number, self.works, self.config, self.clock = number, works, config, clock
        self.port, self.ends = port, ends
        port.parties.append(self)
        self.peers: list[Instance] = []
        self.todo = self.later = 0  # `later`: with the next event
        self.at = 0  # of the next instruction
        self.undone = len(works)
        self.queues: list[deque[Work]] = [deque() for _ in Unit]
        self.staged: list[Work | None] = [None] * len(Unit)
        self.loader = Loader(config, clock, port, self._put, settling)
        self.storer = Storer(config, clock, self._compete, partial(self._go, STORE))
        self.array = array = Array(self, config, clock, port, settling)
        self.fetcher = Fetcher(array.fifo, partial(self._go, WEIGHTS))
        self.fifos = {WEIGHTS: array.fifo, LOAD: self.loader.fifo}
        self.starts: list[Callable[[Work], bool]] = [
            self._load, self._store, self._weights, array.compute, array.post]
        self.tokens = [0] * 8
        #: Units that wait for a token.
        self.waiting = [sum({1 << w.unit for w in works if t in w.wait}) for t in range(8)]
        # memory
        self.flows: dict[int, deque[Flow]] = {
            LOAD: self.loader.flows, STORE: deque(), WEIGHTS: self.fetcher.flows}
        self.barrier: Work | None = None
        self.arrived = self.leaving = False
        meets = config.instances > config.ports
        self.address = _ADDRESS + meets
        self.program = Program(config, clock, port, self, meets)
        self.dispatch_at = self.program.flow.ready

    # -- what happens --------------------------------------------------------------------------
    def visit(self) -> None:
        """Do all that can be done now."""
        while todo := self.todo:
            self.todo = 0
            if todo & _TRANSFERS and self.loader.end_asking():
                self.todo |= 1 << LOAD
            if todo & _NEXT:
                self._dispatch()
            for unit in _UNITS[todo & 31]:
                self._go_on(unit)
            if todo & ARRAY:
                self.array.run()
            if todo & DRAIN:
                self.array.drain()
        if self.barrier is not None and not self.arrived and not self.loader.works:
            self._meet()
        self.todo, self.later = self.later, 0

    def fetched(self, _: None = None) -> None:
        """Some of the program has come, or it is time for its next instruction."""
        self.todo |= _NEXT

    def _dispatch(self) -> None:
        if self.at >= len(self.works) or self.dispatch_at > self.clock.soon:
            return
        program = self.program
        program.flow.sync()
        work = self.works[self.at]
        before = self.undone - (len(self.works) - self.at)
        if program.missing >= TINY or (work.fence and before):
            return
        if work.fence:
            self.undone -= 1
        else:
            queue = self.queues[work.unit]
            if len(queue) + (self.staged[work.unit] is not None) > self.config.buffers.queue_depth:
                return  # one more is in a register, whether it has its tokens or not
            queue.append(work)
            self.todo |= 1 << work.unit
            if work.blocks:
                self.array.blocks.extend(work.blocks)
                self.todo |= ARRAY
        self.at += 1
        self.dispatch_at = self.clock.now + _DISPATCH + program.insn_beats
        self.clock.at(self.dispatch_at, self.fetched)
        program.take(last=self.at == len(self.works))

    def _go_on(self, unit: int) -> None:
        """Start what a unit can start."""
        queue, staged, tokens = self.queues[unit], self.staged, self.tokens
        while True:
            work = staged[unit]
            if work is None:
                if not queue:
                    return
                work = queue[0]
                for t in work.wait:
                    if not tokens[t]:
                        return
                for t in work.wait:
                    tokens[t] -= 1
                staged[unit] = queue.popleft()
                self.todo |= _NEXT
            if not self.starts[unit](work):
                return
            staged[unit] = None

    def finish(self, work: Work, after: float) -> None:
        """An operation ends in so many cycles: its tokens, its mark."""
        self.clock.at(self.clock.now + after, self._end, work)

    def _end(self, work: Work) -> None:
        self.undone -= 1
        if self.at < len(self.works) and self.works[self.at].fence:
            self.todo |= _NEXT
        if work.mark:
            self.ends[work.run] = max(self.ends[work.run], self.clock.now)
        if work.signal:
            self.clock.at(self.clock.now + _TOKEN, self._signal, work)

    def _signal(self, work: Work) -> None:
        for t in work.signal:
            self.tokens[t] += 1
            self.todo |= self.waiting[t]

    # -- transfers -----------------------------------------------------------------------------
    def _weights(self, work: Work) -> bool:
        if not self.fetcher.has_room():
            return False
        self.flows[WEIGHTS].append(self._flow(work, self._reply(work), self.clock.now))
        return True

    def _load(self, work: Work) -> bool:
        if (self.loader.asking or self.barrier or self.leaving
                or len(self.loader.works) > _LOADS_AHEAD + 1):
            return False
        if work.barrier:
            self.barrier = work
            return True
        asked = self.loader.turn(work)
        comes = max(self._reply(work), asked + self.address + self.port.memory.latency)
        self.loader.begin(work, self._flow(work, comes, asked))
        if work.asking:
            self.clock.at(self.clock.now + work.asking, self.relieved)
        if self.loader.has_room():
            self.later |= _TRANSFERS
        return True

    def _put(self, work: Work) -> None:
        """A LOAD's words are in the memory."""
        self.finish(work, 0)
        self.todo |= 1 << LOAD

    def _store(self, work: Work) -> bool:
        if self.storer.work is not None:
            return False
        opened = self.port.touch(work.pages)
        flow = self._flow(work, self.clock.now + work.lag, self.clock.now)
        if work.opens and not opened:
            flow.miss = self.port.memory.page_miss
        self.flows[STORE].append(flow)
        self.storer.begin(work)
        return True

    def contend(self, post: Work | None) -> None:
        """A POST writes, or none."""
        self.loader.contend(post)

    def _go(self, unit: int) -> None:
        """A unit may take up its next instruction."""
        self.todo |= 1 << unit

    def _compete(self) -> None:
        """The STORE unit reads more words per cycle, or fewer."""
        if self.array.meets():
            self.clock.at(self.clock.now + _READ, self.array.settle)

    def _flow(self, work: Work, ready: float, asked: float) -> Flow:
        """The beats of a transfer, asked for and then ready to move."""
        self.clock.at(ready, self.ready, work.unit)
        flow = Flow(work.unit, work, work.beats, work.speed, work.burst, ready)
        flow.asked, flow.asks = asked, self._leads(work)
        return flow

    def ready(self, kind: int) -> None:
        """Let the first flow of a kind move if all that take part are ready."""
        if not self.flows[kind]:
            return
        flow = self.flows[kind][0]
        if flow.members or flow.ready > self.clock.soon:
            return
        assert flow.work is not None
        mask, run = flow.work.mask, flow.work.run
        if not mask:
            self.port.add(flow, [self])
            return
        members = [x for x in self.peers if mask >> x.number & 1]
        flows = []
        for x in members:
            queue = x.flows[kind]
            if not queue or queue[0].ready > self.clock.soon:
                return
            other = queue[0]
            assert other.work is not None
            if (other.work.run, other.work.mask) != (run, mask):
                return
            flows.append(other)
        for other in flows:
            other.lead, other.members = flows[0], members
        members[0].port.add(flows[0], members)

    def ended(self, kind: int) -> None:
        """A flow's last beat has crossed the port."""
        flow = self.flows[kind].popleft()
        assert flow.work is not None
        if kind == STORE:
            answer = self.port.memory.latency + flow.miss - _SENT - flow.work.tail
            self.finish(flow.work, max(0.0, answer) + _ACKNOWLEDGE)
        elif kind == WEIGHTS:
            self.finish(flow.work, 0)
        self.todo |= 1 << kind | _TRANSFERS

    def _reply(self, work: Work) -> float:
        """When the first beat of a request made now comes: after what the port still owes."""
        leads = self._leads(work)
        asked = self.port.ask() if leads else self.clock.now
        memory = self.port.memory
        miss = 0 if self.port.touch(work.pages) else memory.page_miss
        return asked + self.address + memory.latency + max(miss, self.port.queue(leads=leads))

    def over(self) -> float:
        """Beats of its LOADs beyond those with which it takes up the next."""
        return self.loader.over()

    def _leads(self, work: Work) -> bool:
        """Whether it asks for a transfer: of those that take part, the lowest does."""
        return not work.mask & ((1 << self.number) - 1)

    def relieved(self, _: int | None = None) -> None:
        """There may be room for the next LOAD."""
        self.todo |= _TRANSFERS

    def _meet(self) -> None:
        """Release those that wait at a barrier if this instance is the last to arrive."""
        assert self.barrier is not None
        self.arrived = True
        members = [x for x in self.peers if self.barrier.mask >> x.number & 1]
        if all(x.arrived for x in members):
            for x in members:
                x.arrived, x.leaving = False, True
                x.clock.at(x.clock.now + _BARRIER, x._leave, x.barrier)
                x.barrier = None

    def _leave(self, work: Work) -> None:
        self.leaving = False
        self.todo |= 1 << LOAD
        self.finish(work, 0)
