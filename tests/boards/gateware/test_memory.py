"""Block RAM behind AXI4 answers as late as it says."""

from boards.gateware.memory import AxiRam
from hw.config import PRESETS
from tests.support.blocks import cycles_until, send, simulate


def test_a_read_is_answered_after_its_latency():
    dut = AxiRam(PRESETS["tiny"], 1024)

    async def bench(ctx):
        ctx.set(dut.axi.rready, 1)
        ctx.set(dut.axi.arlen, 1)
        await send(ctx, dut.axi.arvalid, dut.axi.arready)
        assert 1 + await cycles_until(ctx, dut.axi.rvalid) == AxiRam.READ_LATENCY
        await ctx.tick()
        assert ctx.get(dut.axi.rvalid) and ctx.get(dut.axi.rlast), "a beat every cycle"

    simulate(dut, bench)
