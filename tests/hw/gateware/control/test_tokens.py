"""Tokens are counted, and taken as late as the bank says."""

from hw.gateware.control.tokens import TokenBank
from hw.isa import Token
from tests.support.blocks import simulate


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

        gifts = [first | second, first] + [0] * TokenBank.LATENCY
        for give in gifts[:TokenBank.LATENCY]:
            assert (await cycle(give=give))[0] == 0, "it can be taken as late as the bank says"
        there, _ = await cycle(take=first | second)
        assert there == first | second
        assert (await cycle())[0] == 0, "a token of which one was taken rests for a cycle"
        assert (await cycle(take=first))[0] == first, "another of the same is left"
        await cycle()
        assert (await cycle())[0] == 0
        for _ in range(255):
            assert not (await cycle(give=first))[1]
        await cycle()
        await cycle()
        assert not (await cycle(give=first, take=first))[1], "one goes as another comes"
        assert not (await cycle(give=second))[1], "another has room"
        await cycle()
        assert (await cycle(give=first))[1] == first

    simulate(dut, bench)
