"""No more credits are taken than there are, and all of those that are there."""

import pytest
from amaranth.hdl import Module, Signal

from hw.gateware.parts.credits import Credits
from tests.support.blocks import simulate
from tests.support.seeds import draws


@pytest.mark.parametrize("total", [1, 2, 5, 8])
def test_some_are_left_until_the_last_is_taken(total):
    m, rng = Module(), draws("credits", total)
    take, give, some, out = Signal(), Signal(), Signal(), Signal()
    credits = Credits(m, total, take=take, give=give)
    m.d.comb += [some.eq(credits.some), out.eq(credits.out)]

    async def bench(ctx):
        left = total
        for cycle in range(400):
            assert ctx.get(some) == (left > 0), "some can be taken"
            assert ctx.get(out) == (left < total), "some are out"
            eager = 0.8 if cycle // 40 % 2 else 0.2  # all are taken, and all given back
            takes, gives = left > 0 and rng.random() < eager, left < total and rng.random() < 0.5
            ctx.set(take, int(takes))
            ctx.set(give, int(gives))
            await ctx.tick()
            left += gives - takes

    simulate(m, bench)
