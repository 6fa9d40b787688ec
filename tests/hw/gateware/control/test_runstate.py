"""Every state of a run that can be reached, with every input: nothing is left out."""

import itertools

from hw.gateware.control.runstate import RunState
from hw.isa import ErrorCode
from tests.support.blocks import simulate

STATE = ("running", "halting", "done", "error", "code")
INPUTS = ("start", "fault", "finished", "clean")
#: Two faults, so that one that comes while the run halts for another is seen to change nothing.
EVERY = [dict(zip(INPUTS, values, strict=True)) for values in itertools.product(
    (0, 1), (ErrorCode.NONE, ErrorCode.WATCHDOG, ErrorCode.STOPPED), (0, 1), (0, 1))]


def transitions() -> list[tuple[dict, dict, dict, int]]:
    """(state, inputs, next state, catches) of all that can be reached from reset."""
    dut, found = RunState(), []

    async def bench(ctx):
        state = {name: ctx.get(getattr(dut, name)) for name in STATE}
        reached, todo = [state], [state]
        while todo:
            state = todo.pop()
            for inputs in EVERY:
                for name, value in {**state, **inputs}.items():
                    ctx.set(getattr(dut, name), value)
                catches = ctx.get(dut.catches)
                await ctx.tick()
                after = {name: ctx.get(getattr(dut, name)) for name in STATE}
                found.append((state, inputs, after, catches))
                if after not in reached:
                    reached.append(after)
                    todo.append(after)

    simulate(dut, bench)
    return found


def test_a_start_starts_and_a_fault_stops_whatever_else_comes():
    found = transitions()
    states = [s for k, (s, *_) in enumerate(found) if k % len(EVERY) == 0]
    assert len(states) == 7  # as after reset, running, done; halting and stopped for two reasons
    for state, inputs, after, catches in found:
        running, halting = state["running"], state["halting"]
        assert not halting or running
        assert state["running"] + state["done"] + state["error"] <= 1
        assert bool(state["code"]) == bool(halting or state["error"])
        assert catches == (running and not halting and not inputs["start"]
                           and inputs["fault"] != ErrorCode.NONE)
        if inputs["start"]:
            assert after == {"running": 1, "halting": 0, "done": 0, "error": 0, "code": 0}
        elif catches:
            assert after == {**state, "halting": 1, "code": inputs["fault"]}
        elif halting and inputs["clean"]:
            assert after == {**state, "running": 0, "halting": 0, "error": 1}
        elif running and not halting and inputs["finished"]:
            assert after == {**state, "running": 0, "done": 1}
        else:
            assert after == state
