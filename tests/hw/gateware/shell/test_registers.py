"""The control registers: a read is answered as late as they say."""

import pytest
from amaranth.hdl import Module

from hw import registers
from hw.config import PRESETS
from hw.gateware.control.counters import Counters
from hw.gateware.shell.registers import Control
from hw.isa import Cause
from hw.registers import FINAL_WORDS, address
from tests.support.blocks import cycles_until, send, simulate

TINY = PRESETS["tiny"]
LAST = TINY.instances - 1
#: What the last instance counts, and the program it is given.
CYCLES = {Cause.COMPUTE: 5, Cause.PORT: 3}
PROGRAM = 0x1c0


def with_counters(*, tells: bool = False) -> tuple[Module, Control, Counters]:
    """The registers, and the log of the last instance, which `tells` that it is busy."""
    m = Module()
    m.submodules.control = control = Control(TINY)
    m.submodules.counters = counters = Counters(TINY, units=1)
    port = control.instances[LAST]
    m.d.comb += [counters.log_select.eq(port.log_select), port.log_data.eq(counters.log_data),
                 port.log_count.eq(counters.log_count), port.log_lost.eq(counters.log_lost),
                 port.log_busy.eq(tells & counters.busy)]
    return m, control, counters


async def count(ctx, counters: Counters) -> None:
    """A run of `CYCLES`, and all of it in the log."""
    ctx.set(counters.clear, 1)
    await ctx.tick()
    ctx.set(counters.clear, 0)
    ctx.set(counters.counting, 1)
    for cause, cycles in CYCLES.items():
        ctx.set(counters.cause, cause)
        await ctx.tick().repeat(cycles)
    ctx.set(counters.counting, 0)
    await ctx.tick().repeat(40)


async def write(ctx, bus, where: int, value: int) -> None:
    for signal, number in ((bus.awaddr, where), (bus.wdata, value), (bus.wstrb, 0b1111),
                           (bus.wvalid, 1), (bus.bready, 1)):
        ctx.set(signal, number)
    await send(ctx, bus.awvalid, bus.awready)
    ctx.set(bus.wvalid, 0)
    await ctx.tick().repeat(4)


async def read(ctx, control: Control, where: int) -> tuple[int, int, int]:
    """Cycles, value and response."""
    bus = control.bus
    ctx.set(bus.araddr, where)
    await send(ctx, bus.arvalid, bus.arready)
    cycles = 1 + await cycles_until(ctx, bus.rvalid)
    return cycles, ctx.get(bus.rdata), ctx.get(bus.rresp)


@pytest.mark.parametrize("where,value,response", [
    (address("ID"), registers.MAGIC, 0),
    (address("INSTANCES"), TINY.instances, 0),
    (address("PROGRAM", LAST), PROGRAM, 0),
    (address("TOTAL", LAST), sum(CYCLES.values()), 0),
    (address("COMPUTE", LAST), CYCLES[Cause.COMPUTE], 0),
    (address("LOG_DATA", LAST), CYCLES[Cause.PORT], 0),
    (0xFF8, 0, 2),
])
def test_a_read_is_answered_after_its_latency(where, value, response):
    m, control, counters = with_counters()

    async def bench(ctx):
        await count(ctx, counters)
        await write(ctx, control.bus, address("PROGRAM", LAST), PROGRAM)
        await write(ctx, control.bus, address("LOG_SELECT", LAST), FINAL_WORDS["PORT"])
        cycles, found, answer = await read(ctx, control, where)
        assert (cycles, answer) == (Control.READ_LATENCY, response)
        assert response or found == value

    simulate(m, bench)


def test_the_log_is_read_as_it_is_when_all_is_in_it():
    """Asked for in the cycle in which a run has ended, with marks that are still to be logged."""
    m, control, counters = with_counters(tells=True)
    layers = [3, 4, 5]

    async def bench(ctx):
        ctx.set(control.bus.rready, 1)
        await count(ctx, counters)
        for layer in layers:
            ctx.set(counters.layers[0], layer)
            await send(ctx, counters.marks[0])
        _, found, _ = await read(ctx, control, address("LOG_COUNT", LAST))
        assert found == len(layers)
        _, found, _ = await read(ctx, control, address("LOG_LOST", LAST))
        assert found == 0
        for k in range(64):
            ctx.set(counters.layers[0], k)
            await send(ctx, counters.marks[0])
        _, found, _ = await read(ctx, control, address("LOG_LOST", LAST))
        assert found == 1

    simulate(m, bench)


@pytest.mark.parametrize("tells,earlier,total", [
    (True, 0, sum(CYCLES.values())), (False, 0, sum(CYCLES.values())), (False, 1, 0)])
def test_a_counter_is_there_as_soon_as_its_way_is_long(tells, earlier, total, monkeypatch):
    """A cycle earlier another word is still shown; the log, while it changes what it shows, is
    busy for a cycle."""
    monkeypatch.setattr(Control, "READ_LATENCY", Control.READ_LATENCY - earlier)
    m, control, counters = with_counters(tells=tells)

    async def bench(ctx):
        await count(ctx, counters)
        assert await read(ctx, control, address("TOTAL", LAST)) == (
            Control.READ_LATENCY + tells, total, 0)

    simulate(m, bench)
