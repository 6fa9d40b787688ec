"""Beats that cross a memory port."""

from collections.abc import Sequence
from typing import Protocol

from sw.lowering.ops import Unit

from .clock import NEVER, TINY, Clock
from .parties import Party
from .work import Work

__all__ = ["FILLED", "LOAD", "PROGRAM", "STORE", "WEIGHTS", "Flow"]

#: What a flow is of.
LOAD, STORE, WEIGHTS, PROGRAM = int(Unit.LOAD), int(Unit.STORE), int(Unit.WEIGHTS), len(Unit)
FILLED = LOAD, WEIGHTS  # that go into a FIFO of each instance


class Carrier(Protocol):
    """What a flow needs of its port."""

    clock: Clock

    def remove(self, flow: "Flow") -> None:
        """It has ended, or a program's FIFO is full."""


class Flow:
    """Beats that are to cross a port: of a WEIGHTS, LOAD or STORE, or a program (no `work`).

    Members
    -------
    left : beats, as of `since`; a program's is what its FIFO has room for
    most : the rate that its unit can do, in beats per cycle
    burst : the mean length of one
    asks, asked : whether it asks for those that take part; when its first burst was asked for
    ready : when the first beat can come
    rate : beats per cycle
    lead : itself, or the flow that moves for all that take part in a multicast
    members : those that take part, of a flow that moves
    whole : beats as it began to move, of a LOAD with those of all behind it
    room : beats that it may have under way
    miss : cycles that its last burst waits for a page to be opened
    fresh : until so many are left, what comes has been asked for at once
    want, share : the rate that can be had and the share of the port, as last divided
    """

    __slots__ = ("asked", "asks", "burst", "due", "fresh", "kind", "lead", "left", "members",
                 "miss", "most", "port", "rate", "ready", "room", "share", "since", "want",
                 "whole", "work")

    def __init__(self, kind: int, work: Work | None, left: float, most: float, burst: float,
                 ready: float):
        self.kind, self.work, self.left, self.most, self.burst = kind, work, left, most, burst
        self.ready, self.lead, self.due = ready, self, NEVER
        self.rate = self.want = self.share = self.since = self.room = self.whole = 0.0
        self.miss = self.asked = 0.0
        self.asks = True
        self.fresh = NEVER
        self.members: Sequence[Party] = []
        self.port: Carrier | None = None

    def sync(self) -> None:
        """Bring `left` and what a program lacks up to now."""
        assert self.port is not None
        span = self.port.clock.now - self.since
        moved = self.rate * span
        self.left -= moved
        self.since = self.port.clock.now
        if self.kind == PROGRAM:
            self.members[0].program.missing -= moved

    def left_now(self) -> float:
        """`left`, without bringing it up to now."""
        assert self.port is not None
        return self.left - self.rate * (self.port.clock.now - self.since)

    def to_come(self) -> float:
        """Beats of the one that moves for it, without bringing them up to now."""
        lead = self.lead
        return lead.left_now() if lead.rate > 0 else lead.left

    def give(self, rate: float) -> None:
        """Move at a rate from now on; of what does not move nothing starves."""
        self.sync()
        self.rate = rate
        self.retime()
        if self.kind == LOAD and not rate:
            self.starve(0.0)
        if self.kind == STORE:
            self.members[0].storer.flow(rate)
        elif self.kind in FILLED:
            for x in self.members:
                x.fifos[self.kind].flow(rate)

    def starve(self, share: float) -> None:
        """What it fills runs empty for a share of time."""
        for x in self.members:
            x.fifos[self.kind].starve(share)

    def retime(self) -> None:
        """Expect the end, or before it that an instance may go on."""
        assert self.port is not None
        if self.rate <= 0:
            self.due = NEVER
            return
        left = self.left
        if self.kind == PROGRAM:
            missing = self.members[0].program.missing
            if TINY <= missing < left:
                left = missing
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
