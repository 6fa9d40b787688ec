"""Arithmetic at its corners, and queues, in Amaranth's simulator."""

import itertools
import random

import pytest
from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.sim import Simulator

from hw.gateware.parts.arith import (
    ACC_BITS,
    MULT_BITS,
    PRODUCT_BITS,
    add_tree,
    count_ones,
    nearest_half,
    round_half_up,
    saturate,
    shift_coarse,
    shift_fine,
)
from hw.gateware.parts.queues import SharedQueues
from tests.support.blocks import simulate


def requantised(acc: int, mult: int, shift: int, low: int, high: int) -> int:
    """The integer specification, in Python's own integers."""
    product = acc * mult
    if shift:
        product = (product + (1 << shift - 1)) >> shift
    return max(low, min(high, product))


def test_requantisation_at_every_rounding_corner():
    acc, mult, shift = Signal(signed(ACC_BITS)), Signal(MULT_BITS), Signal(6)
    low, high = Signal(signed(8)), Signal(signed(8))
    result = Signal(signed(8))
    m = Module()
    product = Signal(signed(PRODUCT_BITS))

    def held(value):
        """In a signal, which the simulator works out once, as registers are between stages."""
        signal = Signal(value.shape())
        m.d.comb += signal.eq(value)
        return signal

    fine = held(shift_fine(m, held(shift_coarse(m, product, shift)), shift))
    rounded = held(round_half_up(held(nearest_half(fine))))
    m.d.comb += [product.eq(acc * mult), result.eq(saturate(rounded, low, high))]
    cases = []
    edge = [-(1 << 31), (1 << 31) - 1, -1, 0, 1]
    for s in range(48):
        half = 1 << s >> 1
        # products just below, at and above every kind of half, of both signs
        near = [sign * (half * odd) + d for sign in (1, -1) for odd in (1, 3, 255)
                for d in (-1, 0, 1)]
        cases += [(p, 1, s) for p in near if -(1 << 31) <= p < 1 << 31]
        cases += [(a, k, s) for a in edge for k in (0, 1, 65535)]
    rng = random.Random(1)
    cases += [(rng.randrange(-(1 << 31), 1 << 31), rng.randrange(1 << 16), rng.randrange(48))
              for _ in range(500)]

    async def bench(ctx):
        for (a, k, s), (lo, hi) in zip(cases, itertools.cycle([(-128, 127), (0, 127), (-3, 90)]),
                                       strict=False):
            word, position = 0, 0  # set at once: the logic settles once
            for signal, value in ((acc, a), (mult, k), (shift, s), (low, lo), (high, hi)):
                word |= (value & (1 << len(signal)) - 1) << position
                position += len(signal)
            ctx.set(Cat(acc, mult, shift, low, high), word)
            assert ctx.get(result) == requantised(a, k, s, lo, hi), (a, k, s, lo, hi)

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    assert len(cases) > 1000


@pytest.mark.parametrize("count", [1, 2, 3, 7, 32])
def test_an_adder_tree_holds_its_extremes(count):
    terms = [Signal(signed(16)) for _ in range(count)]
    total = add_tree(terms)
    assert total.shape().width == 16 + max(0, count - 1).bit_length()
    m = Module()
    out = Signal(total.shape())
    m.d.comb += out.eq(total)

    async def bench(ctx):
        for value in (-32768, 32767):
            for t in terms:
                ctx.set(t, value)
            assert ctx.get(out) == value * count

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7])
def test_ones_are_counted(count):
    bits = Signal(count)
    m = Module()
    out = Signal(8)
    m.d.comb += out.eq(count_ones(m, "ones", list(bits)))

    async def bench(ctx):
        for value in range(1 << count):
            ctx.set(bits, value)
            assert ctx.get(out) == value.bit_count()

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("depth", [1, 2, 3, 8])
def test_queues_in_one_memory_keep_every_units_order(depth):
    taps, early = [[0, 1, 2, 3], [7, 0], [4, 5, 6]], [[6, 5], [], [0]]
    dut = SharedQueues(8, taps, early, depth)
    rng = random.Random(depth)

    def pick(word, bits):
        return sum((word >> b & 1) << k for k, b in enumerate(bits))

    async def bench(ctx):
        queued = [[] for _ in taps]
        offered = None  # (unit, word, cycles for which it could have entered)
        moved = 0
        for _ in range(1500):
            if offered is None and rng.random() < 0.8:
                offered = (rng.randrange(3), rng.randrange(256), 0)
            unit, word, age = offered or (0, 0, 0)
            ctx.set(dut.word, word)
            ctx.set(dut.target, 1 << unit if offered else 0)
            entered = ctx.get(dut.entered)
            assert not (entered and age == 0), "it entered in the cycle in which it was offered"
            pops = [ctx.get(dut.valid[u]) and rng.random() < 0.4 for u in range(3)]
            for u in range(3):
                if ctx.get(dut.valid[u]):
                    assert ctx.get(getattr(dut, f"head_{u}")) == pick(queued[u][0], taps[u])
                    if early[u]:
                        assert ctx.get(getattr(dut, f"early_{u}")) == pick(queued[u][0], early[u])
                ctx.set(dut.pop[u], int(pops[u]))
                if pops[u]:
                    queued[u].pop(0)
                    moved += 1
            await ctx.tick()
            if entered:
                queued[unit].append(word)
                offered = None
            elif offered:
                offered = (unit, word, age + 1 if len(queued[unit]) < depth else 1)
                assert age < 3, "there was room"
            assert all(len(q) <= depth + 1 for q in queued)
            assert ctx.get(dut.any) == any(queued)
        assert moved > 200

    simulate(dut, bench)
