"""How long a request waits for what has been asked for before it."""

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from .clock import NEVER, TINY
from .flow import FILLED, PROGRAM, STORE, Flow
from .memory import SIMULATED, MemoryTiming
from .parties import Fetched, Party
from .shares import BETWEEN, TURN
from .work import READS_APART

__all__ = ["ASKING", "Asker", "wait"]

ASKING = 9  # cycles from a free place in the weight FIFO to its request at the memory, and back
_APART = (READS_APART + BETWEEN) / 2  # cycles from a reader's request to its next, on average


class Ahead(Fetched, Protocol):
    """A program that is read ahead: see `Program`."""

    flow: Flow
    fetching: bool


class Asker(Party, Protocol):
    """An instance, which asks for beats: those of its transfers and of its program."""

    flows: dict[int, deque[Flow]]

    @property
    def program(self) -> Ahead:
        """Its program."""


def wait(active: Sequence[Flow], parties: Sequence[Asker], now: float, *, leads: bool = True,
         memory: MemoryTiming = SIMULATED) -> float:
    """Cycles for which a request of now waits for those before it, with what is written meanwhile.

    Parameters
    ----------
    active, parties : what moves over the port, and who asks
    leads : if not, it joins a request of others, and waits for what has begun to come alone
    memory : MemoryTiming
    """
    owed = bursts = later = 0.0  # `later`: of what has not begun to come
    written = stored = 0.0  # beats per cycle, and beats
    comes = NEVER
    for flow in active:
        if flow.kind == STORE:
            written, stored = written + flow.rate, stored + flow.left_now()
        elif flow.kind == PROGRAM and flow.rate > 0:
            beats = min(flow.left_now(), flow.room)
            owed, bursts = owed + beats, bursts + beats / flow.burst
    for x in parties:
        if x.program.fetching and leads:
            later, comes = later + x.program.flow.left, min(comes, x.program.flow.ready)
    asking = [(x, kind) for x in parties for kind in FILLED if x.flows[kind]]
    apart = max(_APART, TURN * len(asking))
    for x, kind in asking:
        first = x.flows[kind][0]
        begun = first.lead.port is not None
        beats = _under_way(x, kind, apart, now) if begun or leads else 0.0
        bursts += beats / first.burst
        if begun:
            owed += beats
        elif beats:
            later, comes = later + beats, min(comes, first.ready)
    beats = owed + later
    each = 1.0 / memory.capacity(beats / bursts if bursts and beats else 1.0)  # cycles of a beat
    reads = each * owed
    if later:
        reads = max(reads, comes - now) + each * later
    reads *= min(1.0, memory.outstanding / max(bursts, 1.0))
    # Bursts alternate where both ways want more than the port has.
    waits = min(reads / (1.0 - min(each * written, 0.5)), reads + each * stored)
    return max(0.0, waits - ASKING - memory.latency)


def _under_way(x: Asker, kind: int, apart: float, now: float) -> float:
    """Beats of a kind that an instance has asked for, in bursts that are so many cycles apart: all
    who take part have room for them."""
    flows = x.flows[kind]
    if not any(flow.asks for flow in flows):
        return 0.0
    first = flows[0]
    room = min([y.fifos[kind].under_way() for y in first.lead.members or [x]])
    room = min(room, first.burst * (1.0 + (now - first.asked) / apart))
    beats = 0.0
    for flow in flows:
        if room < TINY:
            break
        left = min(room, flow.to_come())
        room -= left
        if flow.asks:
            beats += left
    return beats
