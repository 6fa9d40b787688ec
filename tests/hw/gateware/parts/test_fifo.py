"""Queues keep what enters, in its order, and say at once whether there is something, or room."""

from collections import deque

import pytest

from hw.gateware.parts.fifo import Fifo, Relay
from tests.support.blocks import simulate
from tests.support.gaps import PATTERNS, Gaps
from tests.support.seeds import draws

_CYCLES = 300


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("depth", [2, 3, 8])
def test_a_fifo_keeps_order_and_says_what_it_has(depth, pattern):
    dut, rng = Fifo(8, depth), draws("fifo", depth, pattern)
    gaps = Gaps(pattern, rng)
    writes, reads = gaps.another(), gaps.another()
    kept: deque = deque()

    async def bench(ctx):
        gone = 0
        for cycle in range(_CYCLES):
            gaps.begin(cycle)
            shown = ctx.get(dut.r_rdy)
            assert ctx.get(dut.any) == bool(kept) >= shown
            assert ctx.get(dut.w_rdy) == (len(kept) - shown < depth)
            assert not shown or ctx.get(dut.r_data) == kept[0]
            enters, leaves, word = writes.go(), reads.go(), rng.randrange(256)
            enters = enters and ctx.get(dut.w_rdy)
            for signal, value in ((dut.w_en, enters), (dut.w_data, word), (dut.r_en, leaves)):
                ctx.set(signal, int(value))
            await ctx.tick()
            if shown and leaves:
                kept.popleft()
                gone += 1
            if enters:
                kept.append(word)
        assert gone > _CYCLES // 20

    simulate(dut, bench)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_relay_holds_two_items_and_passes_one_in_every_cycle(pattern):
    dut, rng = Relay(8), draws("relay", pattern)
    gaps = Gaps(pattern, rng)
    offers, takes = gaps.another(), gaps.another()
    kept: deque = deque()

    async def bench(ctx):
        for cycle in range(_CYCLES):
            gaps.begin(cycle)
            assert ctx.get(dut.o.valid) == bool(kept)
            assert ctx.get(dut.i.ready) == (len(kept) < 2)
            assert not kept or ctx.get(dut.o.payload) == kept[0]
            offered, taken, word = offers.go(), takes.go(), rng.randrange(256)
            enters = offered and len(kept) < 2
            for signal, value in ((dut.i.valid, offered), (dut.i.payload, word),
                                  (dut.o.ready, taken)):
                ctx.set(signal, int(value))
            await ctx.tick()
            if kept and taken:
                kept.popleft()
            if enters:
                kept.append(word)

    simulate(dut, bench)
