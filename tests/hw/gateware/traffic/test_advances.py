"""Blocks that move data tell of every change, so that none dozes amid its work."""

import random

import pytest

from hw.config import PRESETS
from hw.gateware.traffic.loader import Loader, beat_geometry
from hw.gateware.traffic.storer import Storer
from tests.support.advances import told

#: Rows of words of one beat, and of 2, 4 and 8, of a port of four bytes.
ROWS = {4: 1, 8: 2, 16: 4, 32: 8}


def config_of(rows: int):
    return PRESETS["tiny"].replace(instances=1, array__rows=rows, array__post_lanes=1,
                                   port__bytes=4)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("slow", [1, 0.1])
def test_the_store_unit_tells_while_it_packs(rows, slow):
    config, rng = config_of(rows), random.Random(rows)
    assert beat_geometry(config)[1] == ROWS[rows]
    dut = Storer(config)
    due: list[int] = []

    def bench(ctx, t):
        ctx.set(dut.i.valid, t % 300 < 40)
        ctx.set(dut.i.payload, {"run_words": 5, "runs": 3, "act_stride": 9, "ext_stride": 64,
                                "layer": t // 40, "ext_addr": 4 * rows})
        ctx.set(dut.acts.ready, 1)
        ctx.set(dut.acts.data, rng.getrandbits(8 * rows))
        for ready in (dut.req.ready, dut.data.ready):
            ctx.set(ready, rng.random() < slow)
        if ctx.get(dut.req.valid) and ctx.get(dut.req.ready):
            due.append(t + rng.randrange(100))
        answers = bool(due) and due[0] <= t
        if answers:
            due.pop(0)
        ctx.set(dut.ret.valid, answers)

    assert told(dut, bench, 600) > 80


@pytest.mark.parametrize("rows", [4, 32])
def test_the_load_unit_tells_of_every_change(rows):
    rng = random.Random(rows)
    dut = Loader(config_of(rows))
    due: list[int] = []

    def bench(ctx, t):
        ctx.set(dut.i.valid, t % 300 < 60)
        ctx.set(dut.barrier, t % 300 > 50)
        ctx.set(dut.i.payload, {"run_words": 5, "runs": 3, "act_stride": 9, "ext_stride": 64,
                                "layer": t // 40, "mask": 1})
        ctx.set(dut.release, ctx.get(dut.arrive) and rng.random() < 0.05)
        ctx.set(dut.req.ready, rng.random() < 0.1)
        ctx.set(dut.acts.ready, rng.random() < 0.8)
        if ctx.get(dut.req.valid) and ctx.get(dut.req.ready):
            due.extend([t + rng.randrange(60)] * ctx.get(dut.req.payload.beats))
        answers = bool(due) and due[0] <= t
        if answers:
            due.pop(0)
        ctx.set(dut.ret.valid, answers)
        ctx.set(dut.ret.data, rng.getrandbits(32))

    assert told(dut, bench, 600) > 80
