"""Every burst stays in its window to the byte, and a halted instance writes nothing more."""

import pytest

from hw.config import PRESETS
from hw.gateware.traffic.gates import ReadGate, WriteGate
from tests.support.blocks import cycles_until, send, simulate

CONFIG = PRESETS["tiny"].replace(port__address_bits=24)
PORT, TOP = CONFIG.port.bytes, 1 << CONFIG.port.address_bits
BASE = 0x345000
#: Window, and the burst's offset from its end in beats, and beats.
BURSTS = [(window, at, beats) for window in (4096, 8192 + PORT, 8192 + PORT - 1, TOP)
          for beats in (1, 2, CONFIG.port.burst_beats)
          for at in (-2 * beats, -beats - 1, -beats, 1 - beats, 0, 1)]


@pytest.mark.parametrize("kind", [ReadGate, WriteGate])
def test_a_burst_passes_if_all_of_it_is_in_the_window(kind):
    dut = kind(CONFIG)

    async def bench(ctx):
        ctx.set(dut.base, BASE)
        for window, at, beats in BURSTS:
            addr = window // PORT * PORT + at * PORT
            ctx.set(dut.window_bytes, window)
            ctx.set(dut.i.payload, {"addr": addr, "beats": beats, "layer": beats + 7})
            await send(ctx, dut.i.valid, dut.i.ready)
            inside = addr + beats * PORT <= window
            assert (ctx.get(dut.o.valid), ctx.get(dut.outside)) == (inside, not inside)
            assert ctx.get(dut.layer) == beats + 7
            assert not inside or ctx.get(dut.o.payload.addr) == (BASE + addr) % TOP
            assert ctx.get(dut.o.payload.beats) == beats
            await ctx.tick().repeat(3)
            assert ctx.get(dut.o.valid) == inside, "it waits until it is taken"
            if kind is WriteGate and not inside:
                ctx.set(dut.halt, 1)  # or else it is held back for ever
                await ctx.tick().repeat(2)
                ctx.set(dut.halt, 0)
                continue
            ctx.set(dut.i_data.valid if kind is WriteGate else dut.o.ready, 1)
            await send(ctx, dut.o.ready)
            for stream in (dut.o_data,) if kind is WriteGate else ():
                ctx.set(stream.ready, 1)
                await ctx.tick().repeat(beats + 3)
                assert not ctx.get(dut.owed)
                ctx.set(stream.ready, 0)
                ctx.set(dut.i_data.valid, 0)

    simulate(dut, bench)


@pytest.mark.parametrize("goes_on", [0, 1])
@pytest.mark.parametrize("sent", range(5))
def test_what_is_owed_at_a_halt_comes_with_no_strobe_and_nothing_else(sent, goes_on):
    """Of a granted burst of four beats some have come before the halt; those who give them may go
    on, or stop at once."""
    dut, beats, strobes = WriteGate(CONFIG), 4, (1 << PORT) - 1
    found: list[int] = []

    async def cycle(ctx):
        if ctx.get(dut.o_data.valid) and ctx.get(dut.o_data.ready):
            found.append(ctx.get(dut.o_data.payload.strb))
        await ctx.tick()

    async def bench(ctx):
        ctx.set(dut.window_bytes, 4096)
        ctx.set(dut.i.payload, {"addr": 64, "beats": beats})
        ctx.set(dut.i_data.payload.strb, strobes)
        await send(ctx, dut.i.valid, dut.i.ready)
        await cycles_until(ctx, dut.o.valid)
        await send(ctx, dut.o.ready)
        for _ in range(sent):
            await send(ctx, dut.i_data.valid, dut.i_data.ready)
            assert ctx.get(dut.o_data.valid) and ctx.get(dut.owed)
            ctx.set(dut.o_data.ready, 1)
            await cycle(ctx)
            ctx.set(dut.o_data.ready, 0)
        ctx.set(dut.i.valid, 1)  # another is not taken up any more
        ctx.set(dut.i_data.valid, goes_on)
        ctx.set(dut.halt, 1)
        ctx.set(dut.o_data.ready, 1)
        for _ in range(12):
            await cycle(ctx)
            assert not ctx.get(dut.o.valid)
        assert not ctx.get(dut.owed)

    simulate(dut, bench)
    assert found == [strobes] * sent + [0] * (beats - sent)
