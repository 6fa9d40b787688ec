"""Marks come out as they came in, or it is told that some do not."""

import random

import pytest

from hw.gateware.control.marks import MarkQueue
from tests.support.blocks import cycles_until, send, simulate


def queued(moments: list[dict[int, int]], every: int) -> tuple[list[int], int]:
    """Marks that come, in each cycle of units their layers, out of a queue of which one is taken in
    every so many cycles; and whether it tells that some were lost."""
    dut, found = MarkQueue(3), []

    async def bench(ctx):
        t = 0
        while t < len(moments) or ctx.get(dut.any):
            marks = moments[t] if t < len(moments) else {}
            for u in range(3):
                ctx.set(dut.marks[u], u in marks)
                ctx.set(dut.layers[u], marks.get(u, 0))
            ctx.set(dut.o.ready, t % every == 0)
            if ctx.get(dut.o.valid) and ctx.get(dut.o.ready):
                found.append(ctx.get(dut.o.payload))
            await ctx.tick()
            t += 1
        found.append(ctx.get(dut.lost))
        await send(ctx, dut.clear)
        assert not ctx.get(dut.lost) and not ctx.get(dut.any)

    simulate(dut, bench)
    return found[:-1], found[-1]


def test_a_mark_is_offered_after_the_latency():
    dut = MarkQueue(2)

    async def bench(ctx):
        ctx.set(dut.layers[1], 5)
        await send(ctx, dut.marks[1])
        assert 1 + await cycles_until(ctx, dut.o.valid) == MarkQueue.LATENCY
        assert ctx.get(dut.o.payload) == 5

    simulate(dut, bench)


def test_marks_of_one_unit_in_every_cycle_are_kept():
    """In its place, in the queue and behind it, until all are full."""
    layers = list(range(10, 10 + MarkQueue.DEPTH + 2))
    assert queued([{0: n} for n in layers], every=40) == (layers, 0)


@pytest.mark.parametrize("marks", [1, 2, 3, MarkQueue.DEPTH + 4])
def test_nothing_is_left_after_a_clear(marks):
    dut, found = MarkQueue(2), []

    async def bench(ctx):
        for layer in range(marks):
            ctx.set(dut.layers[0], layer)
            await send(ctx, dut.marks[0])
        await send(ctx, dut.clear)
        assert not ctx.get(dut.any) and not ctx.get(dut.lost)
        ctx.set(dut.layers[1], 77)
        await send(ctx, dut.marks[1])
        ctx.set(dut.o.ready, 1)
        for _ in range(6):
            if ctx.get(dut.o.valid):
                found.append(ctx.get(dut.o.payload))
            await ctx.tick()

    simulate(dut, bench)
    assert found == [77]


def test_what_is_lost_is_told():
    layers = list(range(10, 14 + MarkQueue.DEPTH))
    found, lost = queued([{0: n} for n in layers], every=40)
    assert lost and found == sorted(found) and set(found) < set(layers)


def test_no_mark_overtakes_one_that_came_before():
    """A later one of the first unit, and one that comes while two others wait."""
    moments = [{0: 1, 1: 2, 2: 3}, {0: 4}, {}, {}, {1: 5, 2: 6}, {0: 7}, {1: 8}]
    assert queued(moments, every=1) == ([1, 2, 3, 4, 5, 6, 7, 8], 0)


@pytest.mark.parametrize("every", [1, 2, 5])
def test_none_is_lost_or_doubled_that_is_not_told(every):
    rng = random.Random(every)
    for density in (0.05, 0.2, 0.6):
        moments, layer = [], 0
        for _ in range(300):
            marks = {}
            for u in range(3):
                if rng.random() < density / 3:
                    marks[u] = layer
                    layer += 1
            moments.append(marks)
        found, lost = queued(moments, every)
        assert len(found) == len(set(found)) <= layer
        assert lost == (len(found) < layer)
        assert lost or found == sorted(found)
