"""Tables: chunks of the stream are where values of their lanes, columns and banks find them."""

import pytest

from hw.config import PRESETS
from hw.gateware.compute.lookup import LATENCY, Tables
from tests.support.blocks import simulate
from tests.support.seeds import draws

SHAPES = {  # rows, columns, lanes, bytes of the port
    "a chunk holds two entries of each lane": (4, 4, 4, 8),
    "a chunk is an entry of one lane of four": (8, 8, 4, 4),
    "an entry is two chunks, and some bytes are nobody's": (6, 12, 6, 4),
    "one lane has all columns": (4, 6, 1, 8),
}


@pytest.mark.parametrize("what", SHAPES)
def test_a_value_finds_its_entry(what):
    rows, cols, lanes, port = SHAPES[what]
    config = PRESETS["tiny"].replace(array__rows=rows, array__cols=cols, array__post_lanes=lanes,
                                     port__bytes=port, array__tables=True)
    rng, dut = draws(what), Tables(config)
    stream = [rng.randbytes(config.table_chunks * config.chunk_bytes) for _ in range(2)]

    def entry(bank: int, column: int, lane: int, value: int) -> int:
        return stream[bank][(256 * column + value) * config.table_pitch + lane]

    async def bench(ctx):
        ctx.set(dut.write.en, 1)
        for bank in range(2):
            ctx.set(dut.write.bank, bank)
            for k in range(config.table_chunks):
                at = k * config.chunk_bytes
                ctx.set(dut.write.number, k)
                ctx.set(dut.write.data, int.from_bytes(
                    stream[bank][at:at + config.chunk_bytes], "little"))
                await ctx.tick()
        ctx.set(dut.write.en, 0)
        held = None
        for _ in range(300):
            asks = rng.random() < 0.7
            bank, column = rng.randrange(2), rng.randrange(cols // lanes)
            values = [rng.randrange(256) for _ in range(lanes)]
            ctx.set(dut.en, asks)
            ctx.set(dut.bank, bank)
            ctx.set(dut.column, column)
            for lane, value in enumerate(values):
                ctx.set(dut.values[lane], value)
            if asks:
                held = [entry(bank, column, lane, value) for lane, value in enumerate(values)]
            await ctx.tick().repeat(LATENCY)
            if held:
                assert [ctx.get(x) for x in dut.results] == held

    simulate(dut, bench)
