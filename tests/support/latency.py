"""Counts cycles from what a block takes to what comes of it, in Amaranth's simulator."""

from collections.abc import Sequence

from amaranth.hdl import ValueLike

from .blocks import simulate

__all__ = ["latency"]

#: Values of a block's inputs, each held until another is given.
Inputs = Sequence[tuple[ValueLike, object]]


def latency(dut, drive: Inputs, cause: ValueLike, effect: ValueLike, *, before: Inputs = (),
            before_cycles: int = 24, limit: int = 100) -> int:
    """Return the cycles from the first one in which `cause` is not 0 to the first one in which
    `effect` is not.

    Parameters
    ----------
    drive : inputs from then on when they are watched
    before : inputs in the `before_cycles` before
    """
    found: dict[str, int] = {}

    async def bench(ctx):
        for value, number in before:
            ctx.set(value, number)
        if before:
            await ctx.tick().repeat(before_cycles)
        for value, number in drive:
            ctx.set(value, number)
        for cycle in range(limit):
            for name, value in (("cause", cause), ("effect", effect)):
                if name not in found and ctx.get(value):
                    found[name] = cycle
            if len(found) == 2:
                return
            await ctx.tick()

    simulate(dut, bench)
    assert len(found) == 2, f"not seen within {limit} cycles; seen: {found}"
    return found["effect"] - found["cause"]
