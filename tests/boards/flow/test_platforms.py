"""Every board's platform has the pins and the clock that its system needs."""

import re

import pytest

from boards.catalogue import BOARDS
from boards.flow.platforms import GOWIN_TOP, RESET_CYCLES, gowin_constraints
from tests.support.present import present
from tests.support.tops import top_of

pytest.importorskip("amaranth_boards")

PLACED = [n for n, board in BOARDS.items() if board.platform]
#: Pins of lights that a design can dim or light, and of the button that resets it, by the boards'
#: own constraint files (github.com/emard/ulx3s, github.com/orangecrab-fpga/orangecrab-hardware,
#: github.com/icebreaker-fpga/icebreaker; the Tang Nano's by github.com/litex-hub/litex-boards).
LIGHTS = {"ulx3s": {"B2", "C2", "C1"}, "orangecrab": {"K4", "M3", "J3"}, "icebreaker": {"11", "37"},
          "tangnano20k": {"15", "16", "17"}}
BUTTONS = {"ulx3s": "R1", "orangecrab": "J17", "icebreaker": "10", "tangnano20k": "88"}


@pytest.mark.parametrize("name", PLACED)
def test_a_board_has_its_pins_and_makes_its_clock(name):
    board = BOARDS[name]
    top = top_of(name)
    ports = [re.fullmatch(r"(\w+?)_\d+__(\w+?)__io(?:\[\d+\])?", p) for p in top.pins]
    parts = [p.groups() for p in ports if p]
    link = "partita_uart" if board.link_pins else "uart"
    assert {port for part, port in parts if part == link} == {"rx", "tx"}
    assert parts.count(("sdram", "dq")) == (board.sdram.data_bits if board.sdram else 0)
    clock_mhz = present(top.oscillator_mhz)
    if board.pll:
        clock_mhz *= board.pll["CLKFB_DIV"] / board.pll["CLKI_DIV"]
        assert 400 <= clock_mhz * board.pll["CLKOP_DIV"] <= 800, "the VCO's range"
    assert clock_mhz == board.clock_mhz


@pytest.mark.parametrize("name", BOARDS)
def test_lights_shine_a_button_resets_and_what_must_not_float_is_held(name):
    board, kind = BOARDS[name], name.split("-")[0]
    top = top_of(name)
    pins = set(top.pins.values())
    assert pins & LIGHTS[kind] and len(pins & LIGHTS[kind]) == len(board.lights or LIGHTS[kind])
    assert BUTTONS[kind] in pins
    if kind == "ulx3s":  # wifi_gpio0 of the two kinds of board that are sold
        assert {"L2", "F1"} <= pins
        tops = top.sources["top.il"].split("\nmodule ")
        held = [text for text in tops if re.match(r"\\top\.held_\d\n", text)]
        assert len(held) == 2 and all(re.search(r"connect \\o\S* 1'1\n", text) for text in held)


@pytest.mark.parametrize("name", [n for n in PLACED if BOARDS[n].sdram])
def test_every_pin_to_the_sdram_has_a_register_of_its_own_at_the_pad(name):
    """But the data's way back, which is bounded (`tests/boards/flow/test_pads.py`)."""
    rtlil = top_of(name).sources["top.il"]
    [memory] = [x for x in rtlil.split("\nmodule ") if x.startswith("\\top.system.memory\n")]
    wires = re.findall(r"attribute \\syn_useioff 1\n  wire width (\d+) ", memory)
    assert sum(map(int, wires)) == 3 + 2 + 13 + 2 + 16
    off = re.findall(r"attribute \\syn_useioff 1\n  attribute \\ioff_dir \"output\"\n"
                     r"  cell \\TRELLIS_FF \\chip_dq_off_\d+\n", rtlil)
    assert len(off) == 16, "what turns DQ's drivers on"


def test_reset_outlasts_the_time_in_which_an_ice40_reads_zeros():
    assert RESET_CYCLES / BOARDS["icebreaker"].clock_mhz > 3 * 5


def test_a_gowin_s_pins_are_all_of_its_top_s():
    board, pins = BOARDS["tangnano20k"], top_of("tangnano20k").pins
    assert pins == {name: str(pin) for name, pin in board.pins.items()}
    top = GOWIN_TOP.split(");")[0]
    assert {name.split("[")[0] for name in pins} == set(re.findall(r"(\w+)(?=,|$)", top))
    assert (pins["clk"], pins["uart_rx"], pins["uart_tx"]) == ("4", "70", "69")
    assert 'IO_PORT "button" IO_TYPE=LVCMOS33 PULL_MODE=DOWN;' in gowin_constraints(board)
