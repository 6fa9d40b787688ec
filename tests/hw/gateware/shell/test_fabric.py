"""The fabric: requests to the port and beats back, as late as it says."""

import pytest

from hw.config import PRESETS
from hw.gateware.shell.fabric import Fabric
from tests.support.blocks import cycles_until, send, simulate


@pytest.mark.parametrize("instances", [1, 2])
def test_requests_reach_the_port_and_beats_their_instance_after_its_latencies(instances):
    dut = Fabric(PRESETS["tiny"], list(range(instances)))
    port, axi = dut.instances[-1], dut.axi

    async def bench(ctx):
        for p in dut.instances:
            ctx.set(p.alive, 1)
        await ctx.tick().repeat(3)
        for stream in (port.rd_load, port.wr):
            ctx.set(stream.payload.beats, 1)
        ctx.set(axi.arready, 1)
        ctx.set(port.rd_load.valid, 1)
        assert await cycles_until(ctx, axi.arvalid) == dut.READ_LATENCY
        assert ctx.get(port.rd_load.ready), "its instance is told in that cycle"
        await ctx.tick()
        ctx.set(port.rd_load.valid, 0)

        ctx.set(axi.rdata, 1234)
        await send(ctx, axi.rvalid, axi.rready)
        assert 1 + await cycles_until(ctx, port.ret_valid) == dut.RETURN_LATENCY
        assert ctx.get(port.ret_data) == 1234

        ctx.set(port.wr.valid, 1)
        assert await cycles_until(ctx, axi.awvalid) == dut.WRITE_LATENCY
        assert ctx.get(port.wr.ready)

    simulate(dut, bench)


def test_two_instances_reads_follow_each_other_in_every_second_cycle():
    dut = Fabric(PRESETS["tiny"], [0, 1])
    asked = []

    async def bench(ctx):
        ctx.set(dut.axi.arready, 1)
        for p in dut.instances:
            ctx.set(p.alive, 1)
            for stream in (p.rd_load, p.rd_weights):
                ctx.set(stream.payload.beats, 1)
                ctx.set(stream.valid, 1)
        for _ in range(24):
            asked.append(ctx.get(dut.axi.arvalid))
            await ctx.tick()

    simulate(dut, bench)
    first = asked.index(1)
    assert asked[first:first + 8] == [1, 0] * 4, asked


def test_masks_may_overlap_where_members_come_in_the_same_order():
    """Instance 0 waits for 1, which has one with 2 before."""
    dut = Fabric(PRESETS["tiny"].replace(instances=3), [0, 1, 2])
    wanted = {0: [(0b011, 0x100)], 1: [(0b110, 0x200), (0b011, 0x100)], 2: [(0b110, 0x200)]}
    asked = []

    async def bench(ctx):
        ctx.set(dut.axi.arready, 1)
        for p in dut.instances:
            ctx.set(p.alive, 1)
        await ctx.tick().repeat(3)
        for _ in range(40):
            for i, p in enumerate(dut.instances):
                ctx.set(p.rd_load.valid, bool(wanted[i]))
                if wanted[i]:
                    mask, addr = wanted[i][0]
                    for name, value in (("mask", mask), ("several", 1), ("addr", addr),
                                        ("beats", 1)):
                        ctx.set(getattr(p.rd_load.payload, name), value)
            if ctx.get(dut.axi.arvalid):
                asked.append(ctx.get(dut.axi.araddr))
            ready = [ctx.get(p.rd_load.ready) for p in dut.instances]
            await ctx.tick()
            for i, r in enumerate(ready):
                if r:
                    wanted[i].pop(0)

    simulate(dut, bench)
    assert asked == [0x200, 0x100] and not any(wanted.values())


@pytest.mark.parametrize("several", [0, 1], ids=["its own", "a multicast"])
@pytest.mark.parametrize("instances", [1, 2])
@pytest.mark.parametrize("cycles", range(12))
def test_a_read_is_asked_for_if_one_that_it_is_for_is_told_of_it(instances, cycles, several):
    """Whenever its instance stops: it ends when it has had what it knows of."""
    dut = Fabric(PRESETS["tiny"], list(range(instances)))
    told, asked = 0, 0
    members: set = set()

    async def bench(ctx):
        nonlocal told, asked
        ctx.set(dut.axi.arready, 1)
        for p in dut.instances:
            ctx.set(p.alive, 1)
        await ctx.tick().repeat(3)
        for p in dut.instances[:1 + several]:
            ctx.set(p.rd_load.payload.beats, 1)
            ctx.set(p.rd_load.payload.several, several)
            ctx.set(p.rd_load.payload.mask, several * 0b11)
            ctx.set(p.rd_load.valid, 1)
        for k in range(24):
            if k == cycles:
                ctx.set(dut.instances[0].alive, 0)
            if k == cycles + 1:
                ctx.set(dut.instances[0].rd_load.valid, 0)
            ready = [ctx.get(p.rd_load.ready) for p in dut.instances]
            assert k <= cycles + 1 or not ready[0], "who has stopped is told of nothing more"
            for p in dut.instances[1:]:
                assert ctx.get(p.rd_load.valid) or not ctx.get(p.rd_load.ready)
            told += any(ready)
            members.update(i for i, r in enumerate(ready) if r)
            asked += ctx.get(dut.axi.arvalid)
            await ctx.tick()
            for p, r in zip(dut.instances, ready, strict=True):
                if r:
                    ctx.set(p.rd_load.valid, 0)

    simulate(dut, bench)
    assert told == asked <= 1, "what several read crosses the port once, whoever stops"
    assert bool(members) == bool(asked)
