"""Every board's platform has the pins and the clock that its system needs."""

import re

import pytest

from boards.catalogue import BOARDS
from boards.flow.platforms import BoardTop, make_platform

pytest.importorskip("amaranth_boards")


@pytest.mark.parametrize("name", [n for n, board in BOARDS.items() if board.platform])
def test_a_board_has_its_pins_and_makes_its_clock(name):
    board = BOARDS[name]
    platform = make_platform(board)
    files = platform.prepare(BoardTop(board, board.system()), name="top").files
    placed = files.get("top.lpf", files.get("top.pcf"))
    text = placed if isinstance(placed, str) else placed.decode()
    ports = re.findall(r'^(?:LOCATE COMP "|set_io )(\w+)_0__(\w+?)__io', text, re.MULTILINE)
    link = "partita_uart" if board.link_pins else "uart"
    assert {port for part, port in ports if part == link} == {"rx", "tx"}
    assert ports.count(("sdram", "dq")) == (board.sdram.data_bits if board.sdram else 0)
    clock_mhz = platform.default_clk_frequency / 1e6
    if board.pll:
        clock_mhz *= board.pll["CLKFB_DIV"] / board.pll["CLKI_DIV"]
        assert 400 <= clock_mhz * board.pll["CLKOP_DIV"] <= 800, "the VCO's range"
    assert clock_mhz == board.clock_mhz
