"""Queues that share a memory."""

import pytest

from hw.gateware.parts.queues import SharedQueues
from tests.support.blocks import simulate
from tests.support.gaps import PATTERNS, Gaps
from tests.support.seeds import draws


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("depth", [1, 2, 3, 8])
def test_queues_in_one_memory_keep_every_units_order(depth, pattern):
    taps, early = [[0, 1, 2, 3], [7, 0], [4, 5, 6]], [[6, 5], [], [0]]
    dut = SharedQueues(8, taps, early, depth)
    rng = draws("queues", depth, pattern)
    gaps = Gaps(pattern, rng)
    offers, takes = gaps.another(), [gaps.another() for _ in taps]

    def pick(word, bits):
        return sum((word >> b & 1) << k for k, b in enumerate(bits))

    async def bench(ctx):
        queued: list[list] = [[] for _ in taps]
        offered = None  # (unit, word, cycles for which it could have entered)
        moved = 0
        for cycle in range(1500):
            gaps.begin(cycle)
            if offered is None and offers.go():
                offered = (rng.randrange(3), rng.randrange(256), 0)
            unit, word, age = offered or (0, 0, 0)
            ctx.set(dut.word, word)
            ctx.set(dut.target, 1 << unit if offered else 0)
            entered = ctx.get(dut.entered)
            assert not (entered and age == 0), "it entered in the cycle in which it was offered"
            pops = [ctx.get(dut.valid[u]) and takes[u].go() for u in range(3)]
            for u in range(3):
                if ctx.get(dut.valid[u]):
                    assert ctx.get(getattr(dut, f"head_{u}")) == pick(queued[u][0], taps[u])
                    if early[u]:
                        assert ctx.get(getattr(dut, f"early_{u}")) == pick(queued[u][0], early[u])
                ctx.set(dut.pop[u], int(pops[u]))
                if pops[u]:
                    queued[u].pop(0)
                    moved += 1
            await ctx.tick()
            if entered:
                queued[unit].append(word)
                offered = None
            elif offered:
                offered = (unit, word, age + 1 if len(queued[unit]) < depth else 1)
                assert age < 3, "there was room"
            assert all(len(q) <= depth + 1 for q in queued)
            assert ctx.get(dut.any) == any(queued)
        assert moved > 100

    simulate(dut, bench)
