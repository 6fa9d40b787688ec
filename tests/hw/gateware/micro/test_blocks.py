"""Blocks of the microcoded core take as long as they say."""

from hw.config import PRESETS
from hw.gateware.micro.loops import TileLoops
from hw.gateware.micro.machine import Put
from hw.gateware.micro.product import Product
from tests.support.blocks import cycles_until, simulate


def test_a_product_is_done_after_the_latency_and_its_shift():
    dut = Product()

    async def bench(ctx):
        ctx.set(dut.a, -300)
        ctx.set(dut.factor, 1000)
        ctx.set(dut.shift, 4)
        for scales in (0, 1):
            ctx.set(dut.scales, scales)
            ctx.set(dut.run, 1)
            assert await cycles_until(ctx, dut.done) == Product.LATENCY + 4 * scales
            assert ctx.get(dut.scaled if scales else dut.number) == -300_000 >> 4 * scales
            await ctx.tick()
            ctx.set(dut.run, 0)
            await ctx.tick()

    simulate(dut, bench)


def test_the_loops_take_a_cycle_a_pixel_and_the_latency():
    dut = TileLoops(PRESETS["ice40up5k"])
    fired = []

    async def put(ctx, what: Put, value: int) -> None:
        ctx.set(dut.put, what)
        ctx.set(dut.data, value)
        ctx.set(dut.strobe, 1)
        await ctx.tick()
        ctx.set(dut.strobe, 0)

    async def bench(ctx):
        for what, value in ((Put.STRIDE_W, 1), (Put.STRIDE_H, 1), (Put.IN_W, 3),
                            (Put.IN_H, 2), (Put.OUT_W, 3), (Put.OUT_H, 2), (Put.ROW_STEP, 3),
                            (Put.TILE_ADDR, 0)):
            await put(ctx, what, value)
        await put(ctx, Put.START, 1)
        while not ctx.get(dut.idle):
            fired.append(ctx.get(dut.fires))
            await ctx.tick()

    simulate(dut, bench)
    assert fired == [1] * 6 + [0] * TileLoops.LATENCY
