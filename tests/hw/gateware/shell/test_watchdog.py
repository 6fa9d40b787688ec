"""Who hangs is stopped; who waits for others that move, or that wait for such, is not."""

import pytest

from hw.gateware.shell.watchdog import Watchdog
from tests.support.blocks import simulate

CYCLES, EVERYONE = 10, 0b111


def barks(moves, waits, *, cycles: int = 60, rewinds: dict[int, int] | None = None,
          running: int = EVERYONE) -> list[tuple[int, int]]:
    """Run three instances; `moves(t)` and `waits(t)` in each cycle, `rewinds` writes the register.
    Returns when someone hangs, and who."""
    dut, found = Watchdog(3), []

    async def bench(ctx):
        ctx.set(dut.cycles, CYCLES)
        ctx.set(dut.running, running)
        ctx.set(dut.starts, running)
        await ctx.tick()
        ctx.set(dut.starts, 0)
        alive = running
        for t in range(cycles):
            written = (rewinds or {}).get(t)
            if written is not None:
                ctx.set(dut.cycles, written)
            ctx.set(dut.winds, written is not None)
            ctx.set(dut.moves, moves(t))
            ctx.set(dut.waits, waits(t))
            hangs = ctx.get(dut.hangs)
            if hangs:
                found.append((t, hangs))
            alive &= ~hangs
            await ctx.tick()
            ctx.set(dut.running, alive)

    simulate(dut, bench)
    return found


def only(found: list[tuple[int, int]]) -> tuple[int, int]:
    """When someone hangs, and who, if that is so once."""
    assert len(found) == 1, found
    return found[0]


def test_nobody_hangs_who_moves_once_between_two_barks():
    assert not barks(lambda t: EVERYONE * (t % CYCLES == 3), lambda t: 0)


def test_who_moves_no_more_hangs_within_twice_the_cycles():
    for last in range(20, 30):
        when, who = only(barks(
            lambda t, last=last: EVERYONE if t <= last else 0b101, lambda t: 0))
        assert who == 0b010 and CYCLES <= when - last <= 2 * CYCLES + 1


def test_who_waits_for_one_that_moves_does_not_hang():
    assert not barks(lambda t: 0b001 if t > 3 else EVERYONE, lambda t: 0b110)


def test_who_waits_for_one_that_waits_for_one_that_moves_does_not_hang():
    assert not barks(lambda t: 0b100 if t > 3 else EVERYONE, lambda t: 0b011)


@pytest.mark.parametrize("circle", [0b011, 0b111])
def test_a_circle_ends_whenever_it_closes(circle):
    for last in range(20, 30):
        found = barks(lambda t, last=last: EVERYONE if t <= last else 0, lambda t: circle,
                      running=circle)
        when, who = only(found)
        assert who == circle and CYCLES <= when - last <= 2 * CYCLES + 1


def test_a_circle_ends_when_the_last_that_moves_has_ended():
    moves = {0: 0b111, 1: 0b100}  # the third goes on until 35
    found = barks(lambda t: moves[t > 3] if t < 35 else 0, lambda t: 0b011)
    assert found and found[0][1] & 0b011 == 0b011 and 35 <= found[0][0] <= 35 + 2 * CYCLES + 1


def test_who_does_not_run_neither_hangs_nor_helps():
    _, who = only(barks(lambda t: 0b100, lambda t: 0b011, running=0b011))
    assert who == 0b011


@pytest.mark.parametrize("to", [0, 5, 25])
def test_a_written_register_counts_from_the_write(to):
    """Also in the cycle in which it would have barked, or just has."""
    for when in range(5, 3 * CYCLES):
        found = barks(lambda t: 0, lambda t: 0, rewinds={when: to}, cycles=when + 60)
        first, _ = only(barks(lambda t: 0, lambda t: 0))
        if first < when:
            assert found == [(first, EVERYONE)]
        elif to == 0:
            assert not found
        else:
            at, who = only(found)
            assert who == EVERYONE and to <= at - when <= 2 * to + 2
