"""The SDRAM's clock comes at a phase that leaves time on every side, by what is known of delays."""

import pytest

from boards.catalogue import BOARDS
from boards.gateware.margins import margins
from tests.support.present import present

ULX3S = [b for b in BOARDS.values() if b.sdram]


def shift_ns(degrees: float, clock_mhz: float, divide: int) -> float:
    """What the PLL makes of a phase: eighths of its VCO's period."""
    eighths = int(degrees * divide * 8 // 360)
    return eighths * 1000 / clock_mhz / (8 * divide)


@pytest.mark.parametrize("board", ULX3S, ids=lambda b: b.name)
def test_every_margin_is_left_and_the_phase_lies_in_the_middle_of_the_window(board):
    divide = board.pll["CLKOP_DIV"]
    least = {d: min(margins(board.sdram, board.clock_mhz,
                            shift_ns(d, board.clock_mhz, divide)).values()) for d in range(360)}
    window = [d for d, left in least.items() if left > 0]
    assert window == list(range(window[0], window[-1] + 1)), "one window"
    assert least[board.pll["shift"]] >= 1.9
    assert least[board.pll["shift"]] == pytest.approx(max(least.values()), abs=0.3)
    assert len(window) > 60


def test_the_chip_of_the_catalogue_is_as_slow_as_any_that_boards_carry():
    chip = present(BOARDS["ulx3s-25f"].sdram)
    for name, worst in (("t_rcd", 21), ("t_rp", 21), ("t_rc", 63), ("t_rfc", 63), ("t_ras", 42)):
        assert getattr(chip, name) >= worst
    assert chip.cycles("t_rcd", 50) == chip.cycles("t_rp", 50) == chip.cycles("t_wr", 50) == 2
    assert chip.cycles("t_wr", 25) == 2, "ISSI asks for two cycles whatever the clock"
