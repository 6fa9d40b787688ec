"""Every cycle is counted once, and every mark logged."""

from hw.config import PRESETS
from hw.gateware.control.counters import Counters
from hw.isa import Cause
from hw.registers import FINAL_WORDS, LOG_WORDS
from tests.support.blocks import cycles_until, send, simulate
from tests.support.seeds import draws


def test_a_mark_is_known_after_the_latency():
    dut = Counters(PRESETS["tiny"], 2)

    async def bench(ctx):
        ctx.set(dut.layers[1], 5)
        await send(ctx, dut.marks[1])
        assert 1 + await cycles_until(ctx, dut.mark_valid) == Counters.LATENCY
        assert ctx.get(dut.mark_layer) == 5

    simulate(dut, bench)


def test_marks_of_one_unit_in_every_cycle_are_logged():
    """As those of stores that the memory acknowledges one after the other."""
    dut, layers = Counters(PRESETS["tiny"], 2), list(range(10, 22))

    async def bench(ctx):
        for layer in layers:
            ctx.set(dut.layers[0], layer)
            await send(ctx, dut.marks[0])
        while ctx.get(dut.busy):
            await ctx.tick()
        found = []
        for entry in range(ctx.get(dut.log_count)):
            ctx.set(dut.log_select, entry << 4 | LOG_WORDS.index("LAYER"))
            await ctx.tick().repeat(Counters.READ_LATENCY)
            found.append(ctx.get(dut.log_data))
        assert found == layers

    simulate(dut, bench)


def test_counters_sum_to_the_total_and_log_every_mark():
    config = PRESETS["tiny"]
    dut = Counters(config, 3)
    rng = draws("counters")

    async def bench(ctx):
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        expected = dict.fromkeys(Cause, 0)
        marked: list = []
        seen: list = []
        moments: list = []
        before: list = []
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
            await ctx.tick().repeat(Counters.READ_LATENCY)
            return ctx.get(dut.log_data)

        assert seen == marked and ctx.get(dut.log_count) == len(marked)
        assert await log(FINAL_WORDS["TOTAL"]) == sum(expected.values())
        for cause in Cause:
            assert await log(FINAL_WORDS[cause.name]) == expected[cause]
        for entry in range(min(len(marked), config.buffers.log_entries)):
            words = [await log(entry << 4 | word) for word in range(len(LOG_WORDS))]
            moment = moments[entry]
            assert words == [marked[entry], sum(moment.values()), *moment.values()]
        assert seen == sorted(set(seen))

    simulate(dut, bench)
