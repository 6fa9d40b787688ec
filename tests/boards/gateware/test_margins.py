"""The SDRAM's clock comes at a phase that leaves time on every side, by what is known of delays."""

from dataclasses import replace

import pytest

from boards.catalogue import BOARDS, Board
from boards.gateware.margins import margins, windows
from tests.support.present import present

ULX3S = [b for b in BOARDS.values() if b.sdram]


def shifted(board: Board, degrees: int) -> float:
    """By which the SDRAM's clock comes later, ns, for a phase."""
    return replace(board, pll=board.pll | {"shift": degrees}).shift_ns


@pytest.mark.parametrize("board", ULX3S, ids=lambda b: b.name)
def test_every_margin_is_left_and_the_phase_lies_in_the_middle_of_the_window(board):
    least = {d: min(margins(board.sdram, board.clock_mhz, shifted(board, d)).values())
             for d in range(360)}
    window = [d for d, left in least.items() if left > 0]
    assert window == list(range(window[0], window[-1] + 1)), "one window"
    assert least[board.pll["shift"]] >= 1.6
    assert least[board.pll["shift"]] == pytest.approx(max(least.values()), abs=0.3)
    assert len(window) > 50


def test_the_chip_of_the_catalogue_is_as_slow_as_any_that_boards_carry():
    chip = present(BOARDS["ulx3s-25f"].sdram)
    for name, worst in (("t_rcd", 21), ("t_rp", 21), ("t_rc", 63), ("t_rfc", 63), ("t_ras", 42),
                        ("t_rrd", 14), ("t_ac", 7.5), ("t_is", 1.5), ("t_ih", 1.0)):
        assert getattr(chip, name) >= worst
    assert chip.t_oh <= 2.5
    assert chip.cycles("t_rcd", 50) == chip.cycles("t_rp", 50) == chip.cycles("t_wr", 50) == 2
    assert chip.cycles("t_wr", 25) == 2, "ISSI asks for two cycles whatever the clock"


def test_a_window_s_least_margin_is_the_least_of_all():
    for board in ULX3S:
        chip = present(board.sdram)
        left = min(margins(chip, board.clock_mhz, board.shift_ns).values())
        assert min(w.margin for w in windows(
            chip, board.clock_mhz, board.shift_ns).values()) == pytest.approx(left)
