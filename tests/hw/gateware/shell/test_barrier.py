"""Who waits at a barrier, and for whom."""

from hw.gateware.shell.barrier import Barrier
from tests.support.blocks import simulate


def test_a_barrier_waits_for_the_living_of_its_mask_and_for_no_one_else():
    dut = Barrier(4)

    async def bench(ctx):
        async def cycle(arrive, alive=0b1111):
            ctx.set(dut.arrive, arrive)
            ctx.set(dut.alive, alive)
            release = ctx.get(dut.release)
            await ctx.tick()
            return release

        for i, mask in enumerate((0b0011, 0b0011, 0b1100, 0b1100)):
            ctx.set(dut.masks[i], mask)
        assert Barrier.LATENCY == 2
        assert await cycle(0b0001) == 0
        assert await cycle(0b0101) == 0  # one of each pair
        assert await cycle(0b0111) == 0, "an arrival is seen a cycle later"
        assert await cycle(0b0111) == 0, "and a release comes a cycle after it is decided"
        assert await cycle(0b0111) == 0b0011, "those released are still seen to wait"
        assert await cycle(0b0100) == 0, "a release lasts one cycle"
        assert await cycle(0b0100, alive=0b0111) == 0
        assert await cycle(0b0100, alive=0b0111) == 0, "and who lives is known a cycle late"
        assert await cycle(0b0100, alive=0b0111) == 0b0100, "the dead are not waited for"

    simulate(dut, bench)
