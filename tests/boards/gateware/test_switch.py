"""The switch between accelerator and link: each master's data lands where its address says."""

import pytest

from boards.gateware.memory import AxiSwitch
from hw.config import PRESETS
from hw.gateware.convert import to_verilog
from hw.gateware.verilog import top_ports
from tests.support.blocks import send, simulate
from tests.support.runner import run_bench

CONFIG = PRESETS["tiny"]


def test_data_waits_with_its_address_where_that_is_held_back():
    """Of a slave that takes data at once and addresses never."""
    dut = AxiSwitch(CONFIG)

    async def bench(ctx):
        ctx.set(dut.slave.wready, 1)
        ctx.set(dut.slave.arready, 1)
        await send(ctx, dut.first.arvalid, dut.first.arready)
        ctx.set(dut.second.awvalid, 1)  # the second waits for the first's read
        await ctx.tick().repeat(2)
        ctx.set(dut.first.awvalid, 1)
        ctx.set(dut.first.wvalid, 1)
        for _ in range(8):
            assert not ctx.get(dut.slave.awvalid)
            assert not (ctx.get(dut.first.wready) or ctx.get(dut.slave.wvalid))
            await ctx.tick()

    simulate(dut, bench)


def test_no_data_passes_before_its_address_or_is_withdrawn():
    """Of a burst of two beats whose data is taken before its address, the next one's waits."""
    dut = AxiSwitch(CONFIG)
    first, slave = dut.first, dut.slave

    async def bench(ctx):
        ctx.set(first.wvalid, 1)
        await ctx.tick()
        assert not ctx.get(slave.wvalid)
        ctx.set(first.awvalid, 1)
        assert ctx.get(slave.wvalid) and ctx.get(slave.awvalid)
        ctx.set(dut.second.arvalid, 1)  # what is offered stays
        await ctx.tick().repeat(3)
        assert ctx.get(slave.wvalid) and ctx.get(slave.awvalid)
        ctx.set(slave.wready, 1)
        await ctx.tick()
        ctx.set(first.wlast, 1)
        await ctx.tick()
        assert ctx.get(slave.awvalid) and not ctx.get(slave.wvalid)
        ctx.set(slave.awready, 1)
        await ctx.tick()
        assert not ctx.get(slave.awvalid) and not ctx.get(slave.wvalid)

    simulate(dut, bench)


@pytest.mark.parametrize("reads,writes", [(1, 0), (0, 1), (2, 1)])
def test_the_second_waits_for_all_of_the_firsts_answers(reads, writes):
    dut = AxiSwitch(CONFIG)
    first, slave = dut.first, dut.slave

    async def bench(ctx):
        for ready in (slave.arready, slave.awready, slave.wready, first.rready, first.bready):
            ctx.set(ready, 1)
        ctx.set(first.wlast, 1)
        for _ in range(reads):
            await send(ctx, first.arvalid, first.arready)
        for _ in range(writes):
            ctx.set(first.wvalid, 1)
            await send(ctx, first.awvalid, first.awready)
            ctx.set(first.wvalid, 0)
        ctx.set(dut.second.arvalid, 1)
        ctx.set(slave.rlast, 1)
        for answer, count in ((slave.rvalid, reads), (slave.bvalid, writes)):
            for _ in range(count):
                await ctx.tick().repeat(4)
                assert not ctx.get(dut.second.arready)
                await send(ctx, answer)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.second.arready) and ctx.get(slave.arvalid)

    simulate(dut, bench)


@pytest.mark.builds
def test_masters_and_a_memory_that_are_not_ours(tmp_path):
    pytest.importorskip("cocotbext.axi", reason="cocotbext-axi is missing: "
                        "pip install 'partita[test]'")
    switch = AxiSwitch(CONFIG)
    run_bench(to_verilog(switch, "switch", ports=top_ports(switch)), "switch",
              ["tests.boards.gateware.switch_bench"], tmp_path,
              {"PARTITA_BEAT": str(CONFIG.port.bytes)})
