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

        async def released(arrive, alive, who):
            """From what they wait for on, nobody goes on before the latency."""
            for _ in range(Barrier.LATENCY):
                assert await cycle(arrive, alive) == 0
            assert await cycle(arrive, alive) == who

        for i, mask in enumerate((0b0011, 0b0011, 0b1100, 0b1100)):
            ctx.set(dut.masks[i], mask)
        for arrive in (0b0001, 0b0101):  # one of each pair
            for _ in range(Barrier.LATENCY + 1):
                assert await cycle(arrive) == 0
        await released(0b0111, 0b1111, 0b0011)  # who are then still seen to wait
        assert await cycle(0b0100) == 0, "a release lasts one cycle"
        await released(0b0100, 0b0111, 0b0100)  # the dead are not waited for

    simulate(dut, bench)
