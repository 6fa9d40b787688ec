"""Predicts cycles from a network and a configuration, without a simulation.

The compiler's operations run on a model of each unit; where zero inputs are skipped, as if
none were zero. What takes many cycles is not stepped
through but flows: beats over the ports, shared fairly among those that want them, and weights
through the FIFO into the array. Time jumps from one change of these rates to the next. The few
constants are pipeline latencies of the RTL.
"""

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from hw.config import Config
from hw.isa import INSN_BYTES, READ_AHEAD_BYTES, Opcode

from .compiler.compile import Lowered, lower
from .compiler.layout import BANKS, PAGE_BYTES
from .compiler.ops import Op, Unit
from .graph import IntegerGraph

__all__ = ["Prediction", "predict", "predict_lowered"]

_NEVER = math.inf
_TINY = 1e-6

# Latencies in cycles.
_START = 10  # from START to the first request of a program
_ADDRESS = 9  # from a unit's instruction to its request at the memory, and its data's way back
_ASKING = 7  # from a free place in the weight FIFO to its request at the memory, and back
_TOKEN = 2  # from an operation's end to the start of one that waits for it
_FEED = 9  # from a COMPUTE's start to its first vector in the array
_FULL = 5  # from the array's last vector to post-processing's start
_REQUANTISE = 12  # from post-processing's last read to the bank's release
_BARRIER = 3
_ACKNOWLEDGE = 5  # from the memory's last beat or answer to a STORE's end
_PUT = 4  # from a LOAD's last beat to its end
_DISPATCH = 2
_END = 6  # from the last operation's end to that of the instance

_MEMORY_LATENCY = 40
_PAGE_MISS = 12
_PROGRAM_BURST_BYTES = 64
_FEEDER_VECTORS = 8  # that wait in front of the array
_LOAD_FIFO_BEATS = 64
_LOADS_AHEAD = 4
_WEIGHTS_AHEAD = 4
_OUTSTANDING = 32  # bursts on a port


@dataclass(frozen=True)
class Prediction:
    """Expected cycles.

    Members: `cycles` from START to the end of the last instance; `layer_cycles` as
    `RunResult`'s.
    """

    cycles: int
    layer_cycles: tuple[int, ...]


def predict(graph: IntegerGraph, config: Config, *, batch: int = 1, store_all: bool = True,
            active: int | None = None) -> Prediction:
    """Predict a network's cycles; weights' values are not looked at.

    Parameters
    ----------
    active : of a scalable program, only its first so many partitions

    Raises
    ------
    CompileError, ScalingError
        As `compile_graph`.
    """
    lowered = lower(graph, config, batch=batch, store_all=store_all, scalable=active is not None)
    return predict_lowered(replace(lowered, ops=lowered.ops[:active]))


def predict_lowered(lowered: Lowered) -> Prediction:
    """Predict what `lower` made."""
    ends = _Machine(lowered).run()
    cycles = [0] * len(lowered.stages)
    for (layer, _), (a, b) in zip(lowered.order, itertools.pairwise([0.0, *ends]), strict=True):
        cycles[layer] += round(b) - round(a)
    return Prediction(round(ends[-1]), tuple(cycles))


@dataclass(eq=False)
class _Flow:
    """Beats that are to cross a port: of a WEIGHTS, LOAD or STORE, or a program (no `op`).

    `most` is the rate that its unit can do, in beats per cycle; `burst` the mean length. A
    program's `left` is what its FIFO has room for.
    """

    op: Op | None
    left: float
    most: float
    burst: float
    ready: float
    rate: float = 0.0
    share: float = 0.0  # of its port, among those that want more than there is
    unit: Unit | None = None
    mask: int = 0

    def __post_init__(self) -> None:
        if self.op:
            self.unit, self.mask = self.op.unit, self.op.fields.get("mask", 0)


@dataclass
class _Block:
    """One output block of a COMPUTE: `tiles` of `pixels`, and what comes before its tiles."""

    op: Op
    tiles: int
    pixels: int
    params: int
    first: bool
    last: bool
    ends: bool  # the COMPUTE is over after it


class _Weights:
    """The weight FIFO and the tile loader of an instance; in chunks."""

    def __init__(self) -> None:
        self.flows: deque[_Flow] = deque()
        self.level = 0.0
        self.want = 0.0  # chunks that the loader still takes in its phase
        self.speed = 0.0  # chunks per cycle that it takes at most
        self.rate = 0.0
        # What is asked for when the FIFO is no longer full comes a memory's latency later.
        self.pace, self.pace_ends = _NEVER, 0.0
        self.was_full = False


class _Instance:
    def __init__(self, number: int, ops: list[Op]):
        self.number = number
        self.ops = ops
        self.at = 0
        self.dispatch_at = _NEVER
        self.queues: dict[Unit, deque[Op]] = {u: deque() for u in Unit}
        self.staged: dict[Unit, Op | None] = dict.fromkeys(Unit)
        self.tokens = [0] * 8
        self.program: deque[_Flow] = deque()
        self.missing = 0.0  # beats until the next instruction is complete
        self.weights = _Weights()
        self.loads: deque[_Flow] = deque()
        self.stores: deque[_Flow] = deque()
        self.asking = False
        self.barrier: Op | None = None
        self.arrived = self.leaving = False
        self.reading = False
        # compute
        self.blocks: deque[_Block] = deque()  # of dispatched COMPUTEs, not yet preloaded
        self.computes: deque[Op] = deque()  # accepted, in order
        self.loading: _Block | None = None
        self.loaded: _Block | None = None
        self.running: _Block | None = None
        self.array_free = True
        self.feed_at = 0.0
        self.claimed = self.opened = self.drained = 0
        # post-processing
        self.posts: deque[Op] = deque()
        self.post_left = 0
        self.post_busy = False
        self.full = 0


class _Machine:
    def __init__(self, lowered: Lowered):
        self.config = config = lowered.config
        self.now = 0.0
        self.instances = [_Instance(i, ops) for i, ops in enumerate(lowered.ops) if ops]
        self.timers: list[tuple[float, int, _Instance, Callable[[], None] | None]] = []
        self.changed: set[_Instance] = set()
        self.numbers = itertools.count()
        self.ends = dict.fromkeys(lowered.order, 0.0)
        self.beat_chunks = config.port.bytes / config.chunk_bytes
        self.tile_chunks, self.param_chunks = config.tile_chunks, config.param_chunks
        self.private = config.port.memory == "private"
        self.load_room = max(_LOAD_FIFO_BEATS, 2 * config.port.burst_beats)
        self.fifo = config.buffers.weight_fifo_beats * self.beat_chunks
        self.subs = config.array.cols // config.array.post_lanes
        self.insn_beats = INSN_BYTES / config.port.bytes
        latency = _MEMORY_LATENCY + _PAGE_MISS
        window = config.buffers.weight_fifo_beats  # beats; a page miss holds all of it up
        trip = (_MEMORY_LATENCY + _ASKING + config.port.burst_beats
                + _PAGE_MISS * window * config.port.bytes / PAGE_BYTES)
        self.window, self.trip = window, trip
        self.refill = _MEMORY_LATENCY + _ASKING
        self.open_pages: dict[tuple[int, int], int] = {}
        for x in self.instances:
            x.dispatch_at = _START + latency + _ADDRESS
            x.missing = self.insn_beats
            x.program.append(_Flow(None, READ_AHEAD_BYTES / config.port.bytes, 1.0,
                                   max(1.0, _PROGRAM_BURST_BYTES / config.port.bytes),
                                   x.dispatch_at))
            self.timer(x.dispatch_at, x)

    # -- engine --------------------------------------------------------------------------------
    def timer(self, time: float, x: _Instance, action: Callable[[], None] | None = None) -> None:
        """Look at an instance again at a time, after an action."""
        heapq.heappush(self.timers, (time, next(self.numbers), x, action))

    def run(self) -> list[float]:
        """Ends of what runs in turn, the last that of everything."""
        while True:
            while self.timers and self.timers[0][0] <= self.now + _TINY:
                _, _, x, action = heapq.heappop(self.timers)
                self.changed.add(x)
                if action is not None:
                    action()
            for x in sorted(self.changed, key=lambda x: x.number):  # not a set's order
                self.room(x)
                while self.step(x):
                    pass
                self.meet(x)
            self.changed.clear()
            flows = self.flows()
            self.share(flows)
            span = self.span(flows)
            if span == _NEVER:
                break
            self.advance(flows, span)
        *ends, last = self.ends.values()
        return list(itertools.accumulate([*ends, max(last, self.now) + _END], max))

    def span(self, flows: list[tuple[_Flow, list[_Instance]]]) -> float:
        """Until the next change."""
        span = self.timers[0][0] - self.now if self.timers else _NEVER
        for flow, members in flows:
            if flow.rate > 0:
                left = flow.left
                if flow.op is None and members[0].missing > 0:
                    left = min(left, members[0].missing)
                for x in members:
                    if x.asking and x.loads and x.loads[0] is flow:
                        over = sum(f.left for f in x.loads) - self.load_room
                        if _TINY < over < left:
                            left = over
                    if x.reading and x.stores and x.stores[0] is flow:
                        over = sum(f.left for f in x.stores) - 2 * self.config.port.burst_beats
                        if _TINY < over < left:
                            left = over
                span = min(span, left / flow.rate)
        for x in self.instances:
            w = x.weights
            if w.want > 0 and w.rate > 0:
                span = min(span, w.want / w.rate)
            inflow = self.inflow(x)
            change = inflow - w.rate
            if change > _TINY and w.level < self.fifo - _TINY:
                span = min(span, (self.fifo - w.level) / change)
            elif change < -_TINY and w.level > _TINY:
                span = min(span, w.level / -change)
        return max(span, 0.0)

    def inflow(self, x: _Instance) -> float:
        flows = x.weights.flows
        return flows[0].rate * self.beat_chunks if flows else 0.0

    def advance(self, flows: list[tuple[_Flow, list[_Instance]]], span: float) -> None:
        self.now += span
        for x in self.instances:
            w = x.weights
            w.level = min(self.fifo, max(0.0, w.level + (self.inflow(x) - w.rate) * span))
            if w.want > 0:
                w.want -= w.rate * span
                if w.want < _TINY:
                    w.want = 0.0
                    self.taken(x)
                    self.changed.add(x)
        for flow, members in flows:
            flow.left -= flow.rate * span
            if flow.op is None:
                x = members[0]
                x.missing -= flow.rate * span
                if x.missing < _TINY:
                    self.changed.add(x)
                continue
            if flow.rate > 0 and flow.unit != Unit.WEIGHTS:  # there may be room for more
                self.changed.update(x for x in members if x.asking or x.reading)
            for x in members:
                mine = self.queue(x, flow.unit)[0]
                if mine is not flow:
                    mine.left = flow.left
            if flow.left < _TINY:
                self.changed.update(members)
                for x in members:
                    self.ended(x, self.queue(x, flow.unit)[0])

    def queue(self, x: _Instance, unit: Unit | None) -> deque[_Flow]:
        """An instance's flows of a unit, or of its program."""
        return (x.weights.flows if unit == Unit.WEIGHTS else x.loads if unit == Unit.LOAD else
                x.stores if unit == Unit.STORE else x.program)

    # -- ports ---------------------------------------------------------------------------------
    def flows(self) -> list[tuple[_Flow, list[_Instance]]]:
        """Flows that may move, with the instances that take part."""
        found: list[tuple[_Flow, list[_Instance]]] = []
        for x in self.instances:
            for queue in (x.program, x.weights.flows, x.loads, x.stores):
                if not queue:
                    continue
                flow = queue[0]
                flow.rate = 0.0
                if flow.ready > self.now + _TINY:
                    continue
                if not flow.mask:
                    found.append((flow, [x]))
                    continue
                members = [y for y in self.instances if flow.mask >> y.number & 1]
                if x is not members[0]:
                    continue
                theirs = [self.queue(y, flow.unit) for y in members]
                if all(q and q[0].ready <= self.now + _TINY
                       and q[0].op and flow.op and q[0].op.run == flow.op.run for q in theirs):
                    found.append((flow, members))
        return found

    def share(self, flows: list[tuple[_Flow, list[_Instance]]]) -> None:
        """Give each flow its rate."""
        ports: dict[int, list[tuple[_Flow, float]]] = {}
        for x in self.instances:
            x.weights.rate = 0.0
        for flow, members in flows:
            most = flow.most
            if flow.op is None and flow.left < _TINY:
                most = 0.0
            if flow.unit == Unit.WEIGHTS:
                most = min(most, *(self.pace(x) for x in members))
            port = members[0].number if self.private else 0
            ports.setdefault(port, []).append((flow, most))
        for wanted in ports.values():
            # What a reader has asked for waits in one queue, so readers share by what they may
            # have under way; only where the port cannot take it all do they share burst by burst.
            windows = {id(f): self.room_for(f) for f, most in wanted if most > 0}
            queued = sum(windows[id(f)] / f.burst for f, most in wanted if most > 0)
            delay = sum(f.burst for f, most in wanted if most > 0)
            for k, (flow, most) in enumerate(wanted):
                flow.share = windows.get(id(flow), 0.0) if queued <= _OUTSTANDING else flow.burst
                if flow.unit == Unit.WEIGHTS:
                    wanted[k] = flow, min(most, self.window / (self.trip + delay - flow.burst))
            writes = [(f, m) for f, m in wanted if f.unit == Unit.STORE]
            reads = [(f, m) for f, m in wanted if f.unit != Unit.STORE]
            to_write, to_read = sum(m for _, m in writes), sum(m for _, m in reads)
            # Bursts alternate where both ways want more than the port has.
            given = min(to_write, max(0.5 if reads else 1.0, 1.0 - to_read))
            _fill(writes, given)
            _fill(reads, min(1.0 - given, to_read))
        for flow, members in flows:
            for x in members:
                self.queue(x, flow.unit)[0].rate = flow.rate
        for x in self.instances:
            w = x.weights
            if w.want > 0:
                w.rate = w.speed if w.level > _TINY else min(w.speed, self.inflow(x))

    def room_for(self, flow: _Flow) -> float:
        """Beats that a flow may have under way."""
        most = (self.window if flow.unit == Unit.WEIGHTS else self.load_room
                if flow.unit == Unit.LOAD else READ_AHEAD_BYTES / self.config.port.bytes
                if flow.op is None else flow.burst)
        return max(flow.burst, min(most, flow.left))

    def pace(self, x: _Instance) -> float:
        """Beats per cycle that an instance's weight FIFO has asked for."""
        w = x.weights
        if w.level >= self.fifo - _TINY:
            w.pace = (w.speed if w.want > 0 else 0.0) / self.beat_chunks
            w.was_full = True
            return w.pace
        if w.was_full:
            w.was_full = False
            w.pace_ends = self.now + self.refill
            self.timer(w.pace_ends, x)
        return w.pace if self.now < w.pace_ends - _TINY else _NEVER

    # -- instances -----------------------------------------------------------------------------
    def step(self, x: _Instance) -> bool:
        """Do one thing that can be done now."""
        if x.at < len(x.ops) and x.dispatch_at <= self.now + _TINY and x.missing < _TINY:
            op = x.ops[x.at]
            if len(x.queues[op.unit]) < self.config.buffers.queue_depth:
                x.queues[op.unit].append(op)
                x.at += 1
                if op.opcode == Opcode.COMPUTE:
                    self.cut(x, op)
                x.dispatch_at = self.now + _DISPATCH
                x.missing += self.insn_beats
                x.program[0].left += self.insn_beats
                self.timer(x.dispatch_at, x)
                return True
        for unit, queue in x.queues.items():
            if queue and x.staged[unit] is None and all(x.tokens[t] for t in queue[0].wait):
                op = queue.popleft()
                for t in op.wait:
                    x.tokens[t] -= 1
                x.staged[unit] = op
                return True
        for unit in Unit:
            waiting = x.staged[unit]
            if waiting is not None and self.accept(x, unit, waiting):
                x.staged[unit] = None
                return True
        return self.compute(x) or self.post(x)

    def accept(self, x: _Instance, unit: Unit, op: Op) -> bool:
        if unit == Unit.WEIGHTS:
            if len(x.weights.flows) > _WEIGHTS_AHEAD:
                return False
            beats = math.ceil(op.fields["chunks"] / self.beat_chunks)
            burst = min(beats, op.fields.get("row_beats") or self.config.port.burst_beats)
            x.weights.flows.append(_Flow(op, beats, 1.0, burst, self.reply(x, op)))
        elif unit == Unit.LOAD:
            if x.asking or x.barrier or x.leaving or len(x.loads) > _LOADS_AHEAD:
                return False
            if op.opcode == Opcode.BARRIER:
                x.barrier = op
                return True
            flow = self.transfer(op, self.reply(x, op))
            x.loads.append(flow)
            x.asking = True
            if op.fields["runs"] > 1:
                self.timer(self.now + 2 * op.fields["runs"], x)
        elif unit == Unit.STORE:
            if x.reading:
                return False
            flow = self.transfer(op, 0.0)
            flow.ready = self.now + flow.burst / flow.most + _ADDRESS
            self.timer(flow.ready, x)
            x.stores.append(flow)
            x.reading = True
        elif unit == Unit.COMPUTE:
            if len(x.computes) > 1:
                return False
            x.computes.append(op)
            if len(x.computes) == 1:
                x.feed_at = self.now + _FEED
                self.timer(x.feed_at, x)
        else:
            if len(x.posts) > 1:
                return False
            x.posts.append(op)
            if len(x.posts) == 1:
                x.post_left = op.fields["out_blocks"]
        return True

    def touch(self, x: _Instance, addr: int) -> bool:
        """Open an address's page; whether it was open."""
        page = addr // PAGE_BYTES
        bank = (x.number if self.private else 0, page % BANKS)
        was = self.open_pages.get(bank)
        self.open_pages[bank] = page
        return was == page

    def reply(self, x: _Instance, op: Op) -> float:
        """When the first beat of a request made now comes: after what the port still owes."""
        owed = bursts = 0.0
        for y in ([x] if self.private else self.instances):
            w = y.weights
            if w.flows and w.flows[0].rate > 0 and y.number == self.lead(w.flows[0], y):
                beats = min(w.flows[0].left, (self.fifo - w.level) / self.beat_chunks)
                owed, bursts = owed + beats, bursts + beats / w.flows[0].burst
            if y.program and y.program[0].rate > 0:
                beats = y.program[0].left
                owed, bursts = owed + beats, bursts + beats / y.program[0].burst
        owed *= min(1.0, _OUTSTANDING / max(bursts, 1.0))
        queue = max(0.0, owed - _MEMORY_LATENCY)
        ready = self.now + _ADDRESS + _MEMORY_LATENCY + queue + (
            0 if self.touch(x, op.fields["ext_addr"]) else _PAGE_MISS)
        self.timer(ready, x)
        return ready

    def lead(self, flow: _Flow, x: _Instance) -> int:
        return (flow.mask & -flow.mask).bit_length() - 1 if flow.mask else x.number

    def transfer(self, op: Op, ready: float) -> _Flow:
        """A LOAD's or STORE's flow: one word per cycle, and two cycles for each burst."""
        f, port, pitch = op.fields, self.config.port, self.config.word_pitch_bytes
        size = f["run_words"] * pitch
        longest = port.bytes * port.burst_beats
        beats = bursts = 0
        for run in range(f["runs"]):
            first = f["ext_addr"] + run * f["ext_stride"]
            past = first + size
            beats += -(-past // port.bytes) - first // port.bytes
            bursts += -(-past // longest) - first // longest
        cycles = max(f["run_words"] * f["runs"], beats, 2 * bursts)
        return _Flow(op, beats, beats / cycles, beats / bursts, ready)

    def finish(self, x: _Instance, op: Op, after: float) -> None:
        """An operation ends in so many cycles: its tokens, its mark."""
        def end() -> None:
            if op.mark:
                self.ends[op.run] = max(self.ends[op.run], self.now)
            if op.signal:
                def give() -> None:
                    for t in op.signal:
                        x.tokens[t] += 1
                self.timer(self.now + _TOKEN, x, give)
        self.timer(self.now + after, x, end)

    def ended(self, x: _Instance, flow: _Flow) -> None:
        """A flow's last beat has crossed the port."""
        assert flow.op is not None
        if flow.unit == Unit.WEIGHTS:
            x.weights.flows.popleft()
            self.finish(x, flow.op, 0)
        elif flow.unit == Unit.LOAD:
            x.loads.popleft()
            self.finish(x, flow.op, _PUT)
        else:
            x.stores.popleft()
            self.finish(x, flow.op, max(0.0, _MEMORY_LATENCY - flow.burst) + _ACKNOWLEDGE)

    def room(self, x: _Instance) -> None:
        """Whether LOAD and STORE can take up the next instruction."""
        if x.asking and sum(f.left for f in x.loads) <= self.load_room + _TINY:
            x.asking = False
        if x.reading and sum(f.left for f in x.stores) <= \
                2 * self.config.port.burst_beats + _TINY:
            x.reading = False

    def meet(self, x: _Instance) -> None:
        """Release those that wait at a barrier if an instance is the last to arrive."""
        if x.barrier is None or x.arrived or x.loads:
            return
        x.arrived = True
        mask = x.barrier.fields["mask"]
        members = [y for y in self.instances if mask >> y.number & 1]
        if all(y.arrived for y in members):
            for y in members:
                assert y.barrier is not None
                self.release(y, y.barrier)

    def release(self, x: _Instance, op: Op) -> None:
        x.arrived, x.barrier, x.leaving = False, None, True

        def go() -> None:
            x.leaving = False
            self.finish(x, op, 0)
        self.timer(self.now + _BARRIER, x, go)

    # -- compute and post-processing -------------------------------------------------------------
    def cut(self, x: _Instance, op: Op) -> None:
        f = op.fields
        count, last = f["out_blocks"], bool(f["last"])
        live = f.get("live_blocks", 0)
        if live:  # as if no input were zero
            beats = -(-live * self.config.array.cols // self.config.port.bytes)
            x.blocks.append(_Block(
                op, f["tiles"] * beats * self.config.port.bytes // self.config.array.cols, 1,
                live * self.param_chunks if last else 0, bool(f["first"]), last, True))
            return
        for k in range(count):
            x.blocks.append(_Block(op, f["tiles"], f["out_w"] * f["out_h"],
                                   self.param_chunks if last else 0, bool(f["first"]),
                                   last, k == count - 1))

    def compute(self, x: _Instance) -> bool:
        chunks, w = self.tile_chunks, x.weights
        if x.loading is None and x.loaded is None and x.blocks:
            block = x.blocks[0]
            if not block.params or x.claimed - x.drained < 2:
                x.claimed += bool(block.params)
                x.loading = x.blocks.popleft()
                w.want, w.speed = block.params + chunks, 1.0
                return True
        ready = x.loaded
        if (ready is not None and x.array_free and x.computes and x.computes[0] is ready.op
                and x.feed_at <= self.now + _TINY
                and (not ready.first or x.opened - x.drained < 2)):
            x.opened += ready.first
            x.array_free = False
            x.loaded = None
            x.running = ready
            if ready.tiles > 1:
                w.want = (ready.tiles - 1) * chunks
                w.speed = chunks / max(ready.pixels, chunks)
                x.loading = ready
            else:
                self.tail(x, ready)
            return True
        return False

    def taken(self, x: _Instance) -> None:
        """The loader has taken what it wanted."""
        block, x.loading = x.loading, None
        assert block is not None
        if x.running is block:
            self.tail(x, block)
        else:
            x.loaded = block

    def tail(self, x: _Instance, block: _Block) -> None:
        """The block's last tile."""
        def end() -> None:
            x.array_free = True
            x.running = None
            if block.last:
                def full() -> None:
                    x.full += 1
                self.timer(self.now + _FULL, x, full)
            if block.ends:
                x.computes.popleft()
        if block.ends:
            self.finish(x, block.op, max(0, block.pixels - _FEEDER_VECTORS))
        self.timer(self.now + block.pixels, x, end)

    def post(self, x: _Instance) -> bool:
        if not x.posts or x.post_busy or not x.full:
            return False
        op = x.posts[0]
        f = op.fields
        x.post_busy = True
        x.full -= 1
        cycles = f["out_w"] * f["out_h"] * max(f["pool_h"] * f["pool_w"], self.subs)

        def end() -> None:
            x.post_busy = False
            x.post_left -= 1

            def drained() -> None:
                x.drained += 1
            self.timer(self.now + _REQUANTISE, x, drained)
            if not x.post_left:
                x.posts.popleft()
                self.finish(x, op, _REQUANTISE)
                if x.posts:
                    x.post_left = x.posts[0].fields["out_blocks"]
        self.timer(self.now + cycles, x, end)
        return True


def _fill(wanted: list[tuple[_Flow, float]], room: float) -> None:
    """Divide `room` by shares; nobody gets more than it can take."""
    open_ = list(wanted)
    while open_:
        total = sum(f.share for f, _ in open_) or 1.0
        small = [(f, m) for f, m in open_ if m <= room * f.share / total + _TINY]
        if not small:
            for f, _ in open_:
                f.rate = room * f.share / total
            return
        for f, m in small:
            f.rate = m
            room = max(0.0, room - m)
        open_ = [(f, m) for f, m in open_ if (f, m) not in small]
