"""A program is read ahead as far as there is room, to the beat."""

import pytest

from hw.config import PRESETS
from hw.gateware.control.fetch import Fetch
from hw.isa import INSN_BYTES, READ_AHEAD_BYTES
from tests.support.blocks import send, simulate


@pytest.mark.parametrize("port_bytes", [4, 32, 64])
def test_no_more_is_asked_for_than_there_is_room(port_bytes):
    """While no instruction goes, and after each one that does."""
    dut = Fetch(PRESETS["tiny"].replace(port__bytes=port_bytes))
    room = READ_AHEAD_BYTES // port_bytes
    asked = returned = 0

    async def bench(ctx):
        nonlocal asked, returned
        await send(ctx, dut.start)
        ctx.set(dut.req.ready, 1)
        for instructions in range(6):
            for _ in range(3 * room + 40):
                burst = ctx.get(dut.req.valid) * ctx.get(dut.req.payload.beats)
                ctx.set(dut.ret.valid, int(returned < asked))
                returned += returned < asked
                asked += burst
                await ctx.tick()
            gone = instructions * INSN_BYTES // port_bytes
            inside = max(1, INSN_BYTES // port_bytes) + 1  # beyond the memory: in registers
            assert room - 8 <= asked - gone <= room + inside, "as much as there is room for"
            await send(ctx, dut.o.ready, dut.o.valid)

    simulate(dut, bench)
