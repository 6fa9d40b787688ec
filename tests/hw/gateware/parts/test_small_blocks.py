"""Arithmetic at its corners, arbitration, tokens, barriers, counters, in Amaranth's simulator."""

import itertools
import random

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.sim import Simulator

from hw.config import PRESETS
from hw.gateware.control.counters import Counters
from hw.gateware.control.tokens import TokenBank
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
from hw.gateware.shell.barrier import Barrier
from hw.gateware.shell.turns import RoundRobin
from hw.isa import Cause, Token
from hw.registers import FINAL_WORDS, LOG_WORDS


def simulate(module, bench) -> None:
    simulator = Simulator(module)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


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


def test_a_cleared_round_robin_begins_with_the_first_again():
    dut = RoundRobin(4)

    async def bench(ctx):
        ctx.set(dut.may, 1)
        ctx.set(dut.free, 1)
        for clear, chosen in ((0, 0b0001), (0, 0), (0, 0b0010), (0, 0), (1, 0), (0, 0b0001)):
            ctx.set(dut.clear, clear)
            ctx.set(dut.requests, 0 if clear else 0b1011)
            await ctx.tick()
            assert ctx.get(dut.picked) == chosen

    simulate(dut, bench)


@pytest.mark.parametrize("width", [1, 3, 8, 24])
def test_round_robin_serves_everyone_in_turn(width):
    """At random room, and with requesters that go away, which must not keep the turn."""
    dut = RoundRobin(width)
    rng = random.Random(width)

    async def bench(ctx):
        waiting = [0] * width  # grants of others since the request came
        requests = served = 0
        for _ in range(600):
            gone = 1 << rng.randrange(width) if rng.random() < 0.1 else 0
            requests &= ~gone
            for k in range(width):
                if not (requests | gone) >> k & 1 and rng.random() < 0.4:
                    requests |= 1 << k
                    waiting[k] = 0
            free = rng.random() < 0.7
            picked = ctx.get(dut.picked)
            ctx.set(dut.requests, requests)
            ctx.set(dut.may, int(not picked & gone))
            ctx.set(dut.free, int(free))
            grant = picked & ~gone
            assert picked & (picked - 1) == 0 and grant & ~requests == 0
            assert ctx.get(dut.serves) == (free and grant != 0)
            await ctx.tick()
            if free and grant:
                served += 1
                for k in range(width):
                    if requests >> k & 1 and not grant >> k & 1:
                        waiting[k] += 1
                        assert waiting[k] <= width - 1, "starved"
                requests &= ~grant
            if not picked:  # the next one is chosen when the one before has gone
                assert bool(ctx.get(dut.picked)) == bool(requests)
            elif not grant or free:
                assert ctx.get(dut.picked) == 0
            else:
                assert ctx.get(dut.picked) == picked
        assert served > 100

    simulate(dut, bench)


def test_tokens_are_taken_once_and_counted():
    dut = TokenBank()
    first, second = (1 << t.value for t in list(Token)[:2])

    async def bench(ctx):
        async def cycle(give=0, take=0):
            ctx.set(dut.give, give)
            ctx.set(dut.take, take)
            there, overflow = ctx.get(dut.there), ctx.get(dut.overflow)
            await ctx.tick()
            return there, overflow

        assert (await cycle(give=first | second))[0] == 0
        assert (await cycle(give=first))[0] == 0, "it can be taken two cycles after it was given"
        there, _ = await cycle(take=first | second)
        assert there == first | second
        assert (await cycle())[0] == 0, "a token of which one was taken rests for a cycle"
        assert (await cycle(take=first))[0] == first, "another of the same is left"
        await cycle()
        assert (await cycle())[0] == 0
        for _ in range(256):
            _, overflow = await cycle(give=first)
            assert not overflow
        await cycle()
        _, overflow = await cycle()
        assert overflow

    simulate(dut, bench)


def test_a_barrier_waits_for_the_living_of_its_mask_and_for_no_one_else():
    dut = Barrier(4)

    async def bench(ctx):
        async def cycle(arrive, alive=0b1111):
            ctx.set(dut.arrive, arrive)
            ctx.set(dut.alive, alive)
            release = ctx.get(dut.release)
            await ctx.tick()
            return release

        for i, mask in enumerate((0b0011, 0b0011, 0b1100, 0b1100)):
            ctx.set(dut.masks[i], mask)
        assert await cycle(0b0001) == 0
        assert await cycle(0b0101) == 0  # one of each pair
        assert await cycle(0b0111) == 0, "an arrival is seen a cycle later"
        assert await cycle(0b0111) == 0, "and a release comes a cycle after it is decided"
        assert await cycle(0b0111) == 0b0011, "those released are still seen to wait"
        assert await cycle(0b0100) == 0, "a release lasts one cycle"
        assert await cycle(0b0100, alive=0b0111) == 0
        assert await cycle(0b0100, alive=0b0111) == 0, "and who lives is known a cycle late"
        assert await cycle(0b0100, alive=0b0111) == 0b0100, "the dead are not waited for"

    simulate(dut, bench)


def test_counters_sum_to_the_total_and_log_every_mark():
    config = PRESETS["tiny"]
    dut = Counters(config, 3)
    rng = random.Random(3)

    async def bench(ctx):
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        expected = dict.fromkeys(Cause, 0)
        marked, seen, moments, before = [], [], [], []
        for n in range(300):
            cause = rng.choice(list(Cause))
            counting = rng.random() < 0.9
            ctx.set(dut.counting, counting)
            ctx.set(dut.cause, cause)
            marks = [n % 30 == 5 and u in (0, 2) for u in range(3)]  # two in one cycle
            for u in range(3):
                ctx.set(dut.marks[u], int(marks[u]))
                ctx.set(dut.layers[u], n + u)
                if marks[u]:
                    marked.append(n + u)
            if ctx.get(dut.mark_valid):
                seen.append(ctx.get(dut.mark_layer))
                moments.append(dict(expected))
            for late in before:  # a cycle is counted in the next
                expected[late] += 1
            before = [cause] if counting else []
            await ctx.tick()
        for late in before:
            expected[late] += 1
        ctx.set(dut.counting, 0)
        await ctx.tick()
        while ctx.get(dut.busy):
            await ctx.tick()

        async def log(word):
            ctx.set(dut.log_select, word)
            await ctx.tick().repeat(2)
            return ctx.get(dut.log_data)

        assert seen == marked and ctx.get(dut.log_count) == len(marked)
        assert await log(FINAL_WORDS["TOTAL"]) == sum(expected.values())
        for cause in Cause:
            assert await log(FINAL_WORDS[cause.name]) == expected[cause]
        for entry in range(min(len(marked), config.buffers.log_entries)):
            words = [await log(entry << 4 | word) for word in range(len(LOG_WORDS))]
            moment = moments[entry]
            assert words == [marked[entry], sum(moment.values()), *moment.values()]
        assert np.all(np.diff(seen) > 0)

    simulate(dut, bench)
