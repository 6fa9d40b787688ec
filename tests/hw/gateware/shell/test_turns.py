"""Turns are fair."""

import pytest

from hw.gateware.shell.turns import RoundRobin
from tests.support.blocks import cycles_until, simulate
from tests.support.gaps import PATTERNS, Gaps
from tests.support.seeds import draws


def test_a_request_is_picked_after_the_latency():
    dut = RoundRobin(3)

    async def bench(ctx):
        ctx.set(dut.may, 1)
        ctx.set(dut.requests, 0b100)
        assert await cycles_until(ctx, dut.picked.any()) == RoundRobin.LATENCY
        assert ctx.get(dut.picked) == 0b100

    simulate(dut, bench)


def test_a_cleared_round_robin_begins_with_the_first_again():
    dut = RoundRobin(4)

    async def bench(ctx):
        ctx.set(dut.may, 1)
        ctx.set(dut.free, 1)
        for clear, chosen in ((0, 0b0001), (0, 0), (0, 0b0010), (0, 0), (1, 0), (0, 0b0001)):
            ctx.set(dut.clear, clear)
            ctx.set(dut.requests, 0 if clear else 0b1011)
            await ctx.tick()
            assert ctx.get(dut.picked) == chosen

    simulate(dut, bench)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("width", [1, 3, 8, 24])
def test_round_robin_serves_everyone_in_turn(width, pattern):
    """At random room, and with requesters that go away, which must not keep the turn."""
    dut = RoundRobin(width)
    rng = draws("turns", width, pattern)
    gaps = Gaps(pattern, rng)
    asks, room = [gaps.another() for _ in range(width)], gaps.another()

    async def bench(ctx):
        waiting = [0] * width  # grants of others since the request came
        requests = served = 0
        for cycle in range(600):
            gaps.begin(cycle)
            gone = 1 << rng.randrange(width) if rng.random() < 0.1 else 0
            requests &= ~gone
            for k in range(width):
                if not (requests | gone) >> k & 1 and asks[k].go():
                    requests |= 1 << k
                    waiting[k] = 0
            free = room.go()
            picked = ctx.get(dut.picked)
            ctx.set(dut.requests, requests)
            ctx.set(dut.may, int(not picked & gone))
            ctx.set(dut.free, int(free))
            grant = picked & ~gone
            assert picked & (picked - 1) == 0 and grant & ~requests == 0
            assert ctx.get(dut.serves) == (free and grant != 0)
            await ctx.tick()
            if free and grant:
                served += 1
                for k in range(width):
                    if requests >> k & 1 and not grant >> k & 1:
                        waiting[k] += 1
                        assert waiting[k] <= width - 1, "starved"
                requests &= ~grant
            if not picked:  # the next one is chosen when the one before has gone
                assert bool(ctx.get(dut.picked)) == bool(requests)
            elif not grant or free:
                assert ctx.get(dut.picked) == 0
            else:
                assert ctx.get(dut.picked) == picked
        assert served > 10

    simulate(dut, bench)
