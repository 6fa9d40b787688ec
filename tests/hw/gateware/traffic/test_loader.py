"""Words of a beat that the memory could not give are not written."""

import pytest

from hw.config import PRESETS
from hw.gateware.traffic.loader import Loader
from hw.isa import ErrorCode
from tests.support.blocks import send, simulate

#: Two words to a beat; and a word of four beats.
NARROW, WIDE = PRESETS["tiny"], PRESETS["tiny"].replace(array__rows=32)


@pytest.mark.parametrize("gaps", [1, 3])
@pytest.mark.parametrize(("config", "beat", "good"), [
    (NARROW, 0, 0), (NARROW, 2, 4), (WIDE, 3, 0), (WIDE, 4, 1), (WIDE, 6, 1)])
def test_the_first_spoilt_word_stops_all_after_it(config, beat, good, gaps):
    """`beat` comes with an error, after `good` whole words; the memory takes one in so many cycles.
    A barrier behind it is not reached."""
    dut = Loader(config)
    words, beats = 6, 6 * config.word_bits // (8 * config.port.bytes)
    assert beats * 8 * config.port.bytes == words * config.word_bits

    async def bench(ctx):
        ctx.set(dut.req.ready, 1)
        ctx.set(dut.release, 1)
        ctx.set(dut.i.payload, {"run_words": words, "runs": 1, "layer": 5})
        await send(ctx, dut.i.valid, dut.i.ready)
        ctx.set(dut.i.payload, {"mask": 1, "layer": 6})
        ctx.set(dut.barrier, 1)
        ctx.set(dut.i.valid, 1)
        written, codes = [], []
        for cycle in range(beats + 20 * gaps):
            ctx.set(dut.acts.ready, cycle % gaps == 0)
            ctx.set(dut.ret.valid, cycle < beats)
            ctx.set(dut.ret.error, cycle == beat)
            ctx.set(dut.ret.data, cycle)
            if ctx.get(dut.acts.valid & dut.acts.ready):
                written.append(ctx.get(dut.acts.addr))
            codes.append(ErrorCode(ctx.get(dut.fault.code)))
            if codes[-1] == ErrorCode.BUS_ERROR:
                assert ctx.get(dut.fault.layer) == 5 and not ctx.get(dut.meets)
            assert not ctx.get(dut.done.valid | dut.arrive)
            await ctx.tick()
        assert written == list(range(good))
        first = codes.index(ErrorCode.BUS_ERROR)
        assert set(codes[:first]) == {ErrorCode.NONE}
        assert set(codes[first:]) == {ErrorCode.BUS_ERROR}

    simulate(dut, bench)
