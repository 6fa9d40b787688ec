"""Arithmetic at its corners."""

import itertools

import pytest
from amaranth.hdl import Cat, Module, Signal, signed

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
from tests.support.blocks import simulate
from tests.support.requantise import requantised
from tests.support.seeds import draws


def test_requantisation_at_every_rounding_corner():
    acc, mult, shift = Signal(signed(ACC_BITS)), Signal(MULT_BITS), Signal(6)
    low, high, offset = Signal(signed(8)), Signal(signed(8)), Signal(signed(8))
    result = Signal(signed(8))
    m = Module()
    product = Signal(signed(PRODUCT_BITS))

    def held(value):
        """In a signal, which the simulator works out once, as registers are between stages."""
        signal = Signal(value.shape())
        m.d.comb += signal.eq(value)
        return signal

    fine = held(shift_fine(m, held(shift_coarse(m, product, shift)), shift))
    rounded = held(round_half_up(held(nearest_half(fine)), offset))
    m.d.comb += [product.eq(acc * mult), result.eq(saturate(rounded, low, high))]
    cases = []
    edge = [-(1 << 31), (1 << 31) - 1, -1, 0, 1]
    for s in range(48):
        half = 1 << s >> 1
        # products just below, at and above every kind of half, of both signs
        near = [sign * (half * odd) + d for sign in (1, -1) for odd in (1, 3, 255, 509, 511, 513)
                for d in (-1, 0, 1)]
        cases += [(p, 1, s) for p in near if -(1 << 31) <= p < 1 << 31]
        cases += [(a, k, s) for a in edge for k in (0, 1, 65535)]
    rng = draws("arith")
    cases += [(rng.randrange(-(1 << 31), 1 << 31), rng.randrange(1 << 16), rng.randrange(48))
              for _ in range(500)]

    async def bench(ctx):
        limits = itertools.cycle([(-128, 127), (0, 127), (-3, 90)])
        offsets = itertools.cycle([0, -128, 127, 1, -77])
        for (a, k, s), (lo, hi), o in zip(cases, limits, offsets, strict=False):
            word, position = 0, 0  # set at once: the logic settles once
            for signal, value in ((acc, a), (mult, k), (shift, s), (low, lo), (high, hi),
                                  (offset, o)):
                word |= (value & (1 << len(signal)) - 1) << position
                position += len(signal)
            ctx.set(Cat(acc, mult, shift, low, high, offset), word)
            assert ctx.get(result) == requantised(a, k, s, lo, hi, o), (a, k, s, lo, hi, o)

    simulate(m, bench)
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

    simulate(m, bench)


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

    simulate(m, bench)
