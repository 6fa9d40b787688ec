"""Requantisation as a pipeline: every value meets its own parameters and its own limits."""

from amaranth.hdl import Module, Signal, signed

from hw.gateware.compute.requantise import LATENCY, LIMITS_AT, OFFSET_AT, requantise
from hw.gateware.parts.arith import ACC_BITS
from hw.gateware.parts.delay import delay
from tests.support.blocks import simulate
from tests.support.requantise import requantised
from tests.support.seeds import draws


def test_values_with_gaps_are_requantised_each_by_its_own():
    m, rng = Module(), draws("requantise")
    value, param, valid = Signal(signed(ACC_BITS)), Signal(54), Signal()
    low, high, offset = Signal(signed(8)), Signal(signed(8)), Signal(signed(8))
    result, ends = Signal(signed(8)), Signal()
    valids = [flag for _, flag in delay(m, value, valid, LATENCY, names=("x_{}", "valid_{}"))]
    m.d.comb += [result.eq(requantise(m, 0, value, param, valids, offset, low, high)),
                 ends.eq(valids[-1])]
    cases: list[tuple[int, int, int, int, int, int] | None] = []
    for _ in range(600):
        shift = rng.randrange(48)
        size = rng.randrange(1, 31)
        cases.append((rng.randrange(-(1 << size), 1 << size), rng.randrange(-5000, 5000),
                      rng.choice([0, 1, rng.randrange(1 << 16), 65535]), shift,
                      rng.choice([0, -128, 127, -9]), rng.choice([-128, 0, -7]))
                     if rng.random() < 0.7 else None)

    async def bench(ctx):
        for cycle in range(len(cases) + LATENCY):
            case = cases[cycle] if cycle < len(cases) else None
            ctx.set(valid, int(case is not None))
            if case:
                acc, bias, mult, shift, _, _ = case
                ctx.set(value, acc)
                ctx.set(param, bias & 0xFFFFFFFF | mult << 32 | shift << 48)
            moved = cases[cycle - OFFSET_AT] if 0 <= cycle - OFFSET_AT < len(cases) else None
            ctx.set(offset, moved[-2] if moved else 3)
            limited = cases[cycle - LIMITS_AT] if 0 <= cycle - LIMITS_AT < len(cases) else None
            ctx.set(low, limited[-1] if limited else 5)
            ctx.set(high, 100 if limited else 4)
            before = cases[cycle - LATENCY] if cycle >= LATENCY else None
            assert ctx.get(ends) == (before is not None)
            if before:
                acc, bias, mult, shift, added, least = before
                assert ctx.get(result) == requantised(
                    acc + bias, mult, shift, least, 100, added), before
            await ctx.tick()

    simulate(m, bench)
