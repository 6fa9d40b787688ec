"""Who dozes sleeps until something comes, and is told for how long it did."""

from hw.gateware.shell.doze import Doze
from hw.gateware.signatures.ports import SLEPT_BITS
from tests.support.blocks import simulate
from tests.support.seeds import draws


def test_sleepers_wake_in_the_cycle_of_their_event_with_all_that_counted():
    dut, rng, most = Doze(3), draws("doze"), (1 << SLEPT_BITS) - 1
    longest = 0

    async def bench(ctx):
        nonlocal longest
        slept = [0] * 3
        for cycle in range(4000):
            often = 0.3 if cycle < 400 else 0.002
            events, stirs, counting = (rng.random() < often for _ in range(3))
            dozing = 0b111 if cycle >= 400 else rng.randrange(8)
            one = rng.randrange(3)
            counts = 0b111 if cycle >= 400 or counting else 0b010
            for signal, value in ((dut.events, events << one), (dut.stir, stirs),
                                  (dut.dozing, dozing), (dut.counting, counts)):
                ctx.set(signal, int(value))
            wake, asleep = ctx.get(dut.wake), ctx.get(dut.asleep)
            for i in range(3):
                woken = stirs or (events and i == one) or slept[i] == most
                sleeps = bool(dozing >> i & 1 and not woken)
                assert (wake >> i & 1, asleep >> i & 1) == (woken, sleeps)
                assert ctx.get(dut.slept[i]) == slept[i]
                slept[i] = slept[i] + (counts >> i & 1) if sleeps else 0
                longest = max(longest, slept[i])
            await ctx.tick()

    simulate(dut, bench)
    assert longest == most, "someone was woken before the count overflows"
