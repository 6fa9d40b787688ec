"""Drives and watches a block cycle by cycle, with gaps on everything that may wait, which each
agent has by itself."""

import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from amaranth.lib import data
from cocotb.triggers import Timer

from .gaps import Gap, Gaps

__all__ = ["ActReads", "Bench", "Delay", "Pulse", "Sink", "Source", "Watch", "pack", "unpack"]


def pack(layout: data.StructLayout, **fields: int) -> int:
    """Bits of a payload; fields that are not given are 0."""
    value = 0
    for name, field in layout:
        number = int(fields.pop(name, 0))
        assert -(1 << field.width) <= 2 * number < 2 << field.width, f"{name} {number} is too wide"
        value |= (number & ((1 << field.width) - 1)) << field.offset
    assert not fields, f"no such fields: {fields}"
    return value


def unpack(layout: data.StructLayout, bits: int) -> dict[str, int]:
    """Fields of a payload, unsigned."""
    return {name: bits >> f.offset & ((1 << f.width) - 1) for name, f in layout}


class Bench:
    """A block under test, its clock, and what acts on it. The block's ports are those of `dut`
    that begin with its name.

    In each cycle every agent drives, the logic settles, every agent samples, the clock rises.
    """

    def __init__(self, dut, block: str, draw: random.Random, gaps: str):
        self.dut = dut
        self.block = block
        self.random = draw
        self.agents: list = []
        self.cycle = 0
        self._gaps = Gaps(gaps, draw)
        self._ports: dict[str, Any] = {}
        self._driven: dict[str, int] = {}

    def add(self, agent):
        """Let an agent take part; returns it."""
        self.agents.append(agent)
        return agent

    def gap(self) -> Gap:
        """When another agent may go, told at each cycle: see `go`."""
        return self._gaps.another()

    def get(self, name: str) -> int:
        """Value of an output."""
        return int(self._port(name).value)

    def set(self, name: str, value: int) -> None:
        """Drive an input."""
        if self._driven.get(name) != value:
            self._driven[name] = value
            self._port(name).value = value

    def _port(self, name: str):
        if name not in self._ports:
            self._ports[name] = getattr(self.dut, f"{self.block}__{name}")
        return self._ports[name]

    async def run(self, done: Callable[[], bool], limit: int = 100_000) -> None:
        """Reset, then clock until `done`."""
        self.dut.rst.value = 1
        for agent in self.agents:
            agent.idle()
        for _ in range(4):
            await self._settle()
            await self._rise()
        self.dut.rst.value = 0
        for self.cycle in range(limit):
            self._gaps.begin(self.cycle)
            for agent in self.agents:
                agent.drive()
            await self._settle()
            for agent in self.agents:
                agent.sample()
            if done():
                return
            await self._rise()
        raise AssertionError(f"not done after {limit} cycles")

    async def _settle(self) -> None:
        self.dut.clk.value = 0
        await Timer(1, "ns")

    async def _rise(self) -> None:
        self.dut.clk.value = 1
        await Timer(1, "ns")


class Source:
    """Sends items over a stream; once offered, an item stays until it is taken. With an item may
    come values of other inputs, which hold as long as it is offered."""

    def __init__(self, bench: Bench, name: str, items=()):
        self.bench, self.name, self.gap = bench, name, bench.gap()
        self.items = deque(items)
        self.offered = False
        self.taken = 0

    def idle(self) -> None:
        self.bench.set(f"{self.name}__valid", 0)

    def drive(self) -> None:
        if not self.offered and self.items and self.gap.go():
            self.offered = True
            item = self.items[0]
            payload, beside = item if isinstance(item, tuple) else (item, {})
            self.bench.set(f"{self.name}__payload", payload)
            for name, value in beside.items():
                self.bench.set(name, value)
        self.bench.set(f"{self.name}__valid", int(self.offered))

    def sample(self) -> None:
        if self.offered and self.bench.get(f"{self.name}__ready"):
            self.items.popleft()
            self.offered = False
            self.taken += 1


class Sink:
    """Takes items from a stream, and checks that an offer stands until it is taken."""

    def __init__(self, bench: Bench, name: str, each: Callable[[int], None] | None = None):
        self.bench, self.name, self.each, self.gap = bench, name, each, bench.gap()
        self.items: list[int] = []
        self.pending: int | None = None
        self.ready = False

    def idle(self) -> None:
        self.bench.set(f"{self.name}__ready", 0)

    def drive(self) -> None:
        self.ready = self.gap.go()
        self.bench.set(f"{self.name}__ready", int(self.ready))

    def sample(self) -> None:
        valid = self.bench.get(f"{self.name}__valid")
        payload = self.bench.get(f"{self.name}__payload") if valid else None
        assert self.pending is None or payload == self.pending, \
            f"{self.name}: an offer was changed or withdrawn"
        self.pending = None if self.ready else payload
        if self.ready and payload is not None:
            self.items.append(payload)
            if self.each is not None:
                self.each(payload)


class Pulse:
    """Drives a mask of pulses: bits that were asked for, each after a random delay."""

    def __init__(self, bench: Bench, name: str):
        self.bench, self.name, self.gap = bench, name, bench.gap()
        self.waiting: list[int] = []
        self.sent: list[int] = []

    def ask(self, bit: int) -> None:
        self.waiting.append(bit)

    def idle(self) -> None:
        self.bench.set(self.name, 0)

    def drive(self) -> None:
        now = [b for b in dict.fromkeys(self.waiting) if self.gap.go()]
        for b in now:
            self.waiting.remove(b)
        self.sent = now
        self.bench.set(self.name, sum(1 << b for b in now))

    def sample(self) -> None:
        pass


class Delay:
    """A memory's answers: `answer()` is asked in each cycle for the read that is taken, and the
    values are driven `latency` cycles later."""

    def __init__(self, bench: Bench, latency: int, answer: Callable[[], dict[str, int] | None]):
        self.bench, self.answer = bench, answer
        self.flight: deque = deque([None] * latency)

    def idle(self) -> None:
        pass

    def drive(self) -> None:
        now = self.flight.popleft()
        for name, value in (now or {}).items():
            self.bench.set(name, value)

    def sample(self) -> None:
        self.flight.append(self.answer())


class ActReads(Delay):
    """The activation memory behind a unit's port `acts`, which takes a read when it likes."""

    def __init__(self, bench: Bench, latency: int, words: Mapping[int, int] | Sequence[int]):
        super().__init__(bench, latency, self._answer)
        self.words, self.ready, self.gap = words, False, bench.gap()

    def idle(self) -> None:
        self.bench.set("acts__ready", 0)

    def drive(self) -> None:
        super().drive()
        self.ready = self.gap.go()
        self.bench.set("acts__ready", int(self.ready))

    def _answer(self) -> dict[str, int] | None:
        if not (self.ready and self.bench.get("acts__valid")):
            return None
        return {"acts__data": self.words[self.bench.get("acts__addr")]}


class Watch:
    """Looks at every cycle with a function."""

    def __init__(self, look: Callable[[], None]):
        self.look = look

    def idle(self) -> None:
        pass

    def drive(self) -> None:
        pass

    def sample(self) -> None:
        self.look()
