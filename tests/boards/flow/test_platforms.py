"""Every board's platform has the pins and the clock that its system needs."""

import re
from functools import cache

import pytest

from boards.catalogue import BOARDS
from boards.flow.platforms import RESET_CYCLES, BoardTop, make_platform

pytest.importorskip("amaranth_boards")

PLACED = [n for n, board in BOARDS.items() if board.platform]
#: Pins of lights that a design can dim or light, and of the button that resets it, by the boards'
#: own constraint files (github.com/emard/ulx3s, github.com/orangecrab-fpga/orangecrab-hardware,
#: github.com/icebreaker-fpga/icebreaker).
LIGHTS = {"ulx3s": {"B2", "C2", "C1"}, "orangecrab": {"K4", "M3", "J3"}, "icebreaker": {"11", "37"}}
BUTTONS = {"ulx3s": "R1", "orangecrab": "J17", "icebreaker": "10"}


@cache
def files(name: str) -> tuple[dict, float]:
    """The pin of each port and the RTLIL of a board's top, and its oscillator's MHz."""
    board = BOARDS[name]
    platform = make_platform(board)
    found = platform.prepare(BoardTop(board, board.system()), name="top").files
    texts = {k: v if isinstance(v, str) else v.decode() for k, v in found.items()}
    text = texts.get("top.lpf") or texts["top.pcf"]
    pins = dict(re.findall(r'^(?:LOCATE COMP "|set_io )(\S+?)"? (?:SITE ")?(\w+)',
                           text, re.MULTILINE))
    return {"pins": pins, "rtlil": texts["top.il"]}, platform.default_clk_frequency / 1e6


@pytest.mark.parametrize("name", PLACED)
def test_a_board_has_its_pins_and_makes_its_clock(name):
    board = BOARDS[name]
    found, clock_mhz = files(name)
    ports = [re.fullmatch(r"(\w+?)_\d+__(\w+?)__io(?:\[\d+\])?", p) for p in found["pins"]]
    parts = [p.groups() for p in ports if p]
    link = "partita_uart" if board.link_pins else "uart"
    assert {port for part, port in parts if part == link} == {"rx", "tx"}
    assert parts.count(("sdram", "dq")) == (board.sdram.data_bits if board.sdram else 0)
    if board.pll:
        clock_mhz *= board.pll["CLKFB_DIV"] / board.pll["CLKI_DIV"]
        assert 400 <= clock_mhz * board.pll["CLKOP_DIV"] <= 800, "the VCO's range"
    assert clock_mhz == board.clock_mhz


@pytest.mark.parametrize("name", PLACED)
def test_lights_shine_a_button_resets_and_what_must_not_float_is_held(name):
    board, kind = BOARDS[name], name.split("-")[0]
    pins = set(files(name)[0]["pins"].values())
    assert pins & LIGHTS[kind] and len(pins & LIGHTS[kind]) == len(board.lights)
    assert BUTTONS[kind] in pins
    if kind == "ulx3s":  # wifi_gpio0 of the two kinds of board that are sold
        assert {"L2", "F1"} <= pins
        tops = files(name)[0]["rtlil"].split("\nmodule ")
        held = [text for text in tops if re.match(r"\\top\.held_\d\n", text)]
        assert len(held) == 2 and all(re.search(r"connect \\o\S* 1'1\n", text) for text in held)


@pytest.mark.parametrize("name", [n for n in PLACED if BOARDS[n].sdram])
def test_every_pin_to_the_sdram_has_a_register_of_its_own_at_the_pad(name):
    """But the data's way back, which is bounded (`tests/boards/flow/test_pads.py`)."""
    rtlil = files(name)[0]["rtlil"]
    [memory] = [x for x in rtlil.split("\nmodule ") if x.startswith("\\top.system.memory\n")]
    wires = re.findall(r"attribute \\syn_useioff 1\n  wire width (\d+) ", memory)
    assert sum(map(int, wires)) == 3 + 2 + 13 + 2 + 16
    off = re.findall(r"attribute \\syn_useioff 1\n  attribute \\ioff_dir \"output\"\n"
                     r"  cell \\TRELLIS_FF \\chip_dq_off_\d+\n", rtlil)
    assert len(off) == 16, "what turns DQ's drivers on"


def test_reset_outlasts_the_time_in_which_an_ice40_reads_zeros():
    assert RESET_CYCLES / BOARDS["icebreaker"].clock_mhz > 3 * 5
