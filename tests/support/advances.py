"""Blocks in Amaranth's simulator, held to what they tell of themselves."""

from amaranth.hdl import Fragment, Signal, Value
from amaranth.sim import Simulator

__all__ = ["told"]


def _registers(fragment: Fragment) -> list[Signal]:
    """Signals that a clock edge may change."""
    mine = [s for statement in fragment.statements.get("sync", ())
            for s in statement._lhs_signals()]
    return [*mine, *(s for inner, *_ in fragment.subfragments for s in _registers(inner))]


def told(dut, bench, cycles: int) -> int:
    """Run a bench for so many cycles, with `bench(ctx, t)` at the beginning of each. Returns in how
    many registers changed.

    Raises
    ------
    AssertionError
        If one changed though `dut.advances` was 1 neither then nor a cycle before or after.
    """
    fragment = Fragment.get(dut, None)
    registers = _registers(fragment)
    history: list[tuple[bool, list[str]]] = []

    async def watch(ctx):
        before = [ctx.get(Value.cast(r)) for r in registers]
        for t in range(cycles):
            bench(ctx, t)
            advances = ctx.get(dut.advances)
            await ctx.tick()
            after = [ctx.get(Value.cast(r)) for r in registers]
            history.append((bool(advances), [
                r.name for r, a, b in zip(registers, before, after, strict=True) if a != b]))
            before = after

    simulator = Simulator(fragment)
    simulator.add_clock(1e-6)
    simulator.add_testbench(watch)
    simulator.run()
    for t, (_, changed) in enumerate(history):
        near = history[max(0, t - 1):t + 2]
        assert not changed or any(advances for advances, _ in near), f"cycle {t}: {changed}"
    return sum(bool(changed) for _, changed in history)
