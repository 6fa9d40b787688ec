"""Which inputs are live, and in which order their weights are asked for."""

import pytest

from hw.config import PRESETS
from hw.gateware.compute.live import LiveInputs
from tests.support.blocks import simulate
from tests.support.seeds import draws

CONFIG = PRESETS["tiny"].replace(array__zero_skip=True)
ROWS = CONFIG.array.rows


@pytest.mark.parametrize("epsilon", [0, 1, 5, 126, 127])
def test_inputs_larger_than_epsilon_are_live_lowest_lane_first(epsilon):
    dut, rng = LiveInputs(CONFIG), draws("live", epsilon)
    corners = sorted({-128, -127, 127, 0, *(s * (epsilon + d) for s in (1, -1) for d in (0, 1))})
    words = [[rng.choice([v for v in corners if -128 <= v <= 127]) for _ in range(ROWS)]
             for _ in range(12)]
    expected = [ROWS * n + lane for n, word in enumerate(words)
                for lane, value in enumerate(word) if abs(value) > epsilon]
    found: list[int] = []

    async def bench(ctx):
        ctx.set(dut.rows.valid, 1)
        ctx.set(dut.release.ready, 1)
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.i.valid, 1)
        sent = 0
        for _ in range(1000):
            if sent < len(words):
                acts = int.from_bytes(bytes(v & 255 for v in words[sent]), "little")
                ctx.set(dut.i.payload, {"acts": acts, "live_blocks": 1, "epsilon": epsilon,
                                        "close": sent == len(words) - 1})
            else:
                ctx.set(dut.i.valid, 0)
            ctx.set(dut.needs.ready, int(rng.random() < 0.7))
            sent += ctx.get(dut.i.valid) and ctx.get(dut.i.ready)
            if ctx.get(dut.needs.valid) and ctx.get(dut.needs.ready):
                if ctx.get(dut.needs.payload.end):
                    break
                found.append(ctx.get(dut.needs.payload.index))
            await ctx.tick()

    simulate(dut, bench)
    assert found == expected
