"""An offset beyond all memory is told as it is, for the window's gate to see."""

import pytest

from hw.config import PRESETS, ceil_log2
from hw.gateware.compute.live import LiveInputs
from hw.gateware.traffic.weights import WeightFetch
from tests.support.blocks import cycles_until, send, simulate

CONFIG = PRESETS["tiny"].replace(array__zero_skip=True, port__address_bits=16)
BEAT = CONFIG.port.bytes
TOP = 1 << CONFIG.port.address_bits


@pytest.mark.parametrize("table,beats,index", [
    (0x100, 1, 3), (TOP - BEAT, 1, 0), (TOP - BEAT, 1, 1), (TOP - 8 * BEAT, 4, 2),
    (0x100, 1, TOP // BEAT), (0x100, 8, TOP // BEAT), (TOP - BEAT, 8, 2 * TOP // BEAT - 1)])
def test_a_row_of_weights_lies_where_its_input_says_or_beyond(table, beats, index):
    dut = WeightFetch(CONFIG)

    async def bench(ctx):
        ctx.set(dut.i.payload.ext_addr, table // BEAT)
        ctx.set(dut.i.payload.chunks, 1)
        ctx.set(dut.i.payload.row_beats, beats)
        await send(ctx, dut.i.valid, dut.i.ready)
        ctx.set(dut.needs.payload.index, index)
        await send(ctx, dut.needs.valid, dut.needs.ready)
        await cycles_until(ctx, dut.req.valid)
        lies = table + index * BEAT * beats
        assert ctx.get(dut.req.payload.addr) == (lies if lies < TOP else TOP | lies % TOP)

    simulate(dut, bench)


def test_inputs_beyond_all_memory_stay_there():
    """However many are searched, of which none is live, before one is."""
    config = CONFIG.replace(port__bytes=64, port__burst_beats=2)
    dut = LiveInputs(config)
    words = TOP // config.port.bytes // config.array.rows

    async def bench(ctx):
        ctx.set(dut.i.payload.live_blocks, 1)
        ctx.set(dut.i.valid, 1)
        for dead in (words - 1, words, 2 * words):
            ctx.set(dut.i.payload.acts, 0)
            for _ in range(dead):
                await cycles_until(ctx, dut.i.ready)
                await ctx.tick()
            ctx.set(dut.i.payload.acts, 1)
            await cycles_until(ctx, dut.i.ready)
            await ctx.tick()
            ctx.set(dut.i.payload.acts, 0)
            await cycles_until(ctx, dut.needs.valid)
            beyond = ctx.get(dut.needs.payload.index) >> (
                CONFIG.port.address_bits - ceil_log2(config.port.bytes))
            assert beyond == (dead >= words)
            await send(ctx, dut.needs.ready)

    simulate(dut, bench)
