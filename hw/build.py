"""Generate the accelerator's RTL: Verilog, a JSON manifest and a summary.

Examples:
    python -m hw.build --instances 8
    python -m hw.build --preset ecp5-85k --out build/ulx3s
    python -m hw.build --instances 16 --rows 4 --cols 16 --memory private --json
    python -m hw.build --clock-gates --out build/asic
    python -m hw.build --preset ecp5-85k --instances 4 --estimate ecp5-85k   LUTs, DSPs, fmax

The top module is `partita`: AXI4 memory ports m0_axi_*, m1_axi_*, ... and AXI4-Lite control
s_axil_*. `core.v` holds one instance, `shell.v` the interconnect and registers.

Bitstreams for boards: python -m boards build BOARD.

Exit codes: 0 ok, 1 the run failed, 2 a value breaks a rule, 3 a tool is missing, 4 does not fit
the device, 5 input or output failed, 130 interrupted.
"""

import sys
from pathlib import Path

from hw.fpga.devices import DEVICES
from hw.fpga.routing import SEEDS
from hw.support.arguments import Parser, file_path, integer, word
from hw.support.errors import exit_code
from hw.support.interrupts import importing

from .options import JSON, add_config_arguments

__all__ = ["main", "parser"]


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m hw.build", description=__doc__)
    add_config_arguments(parser)
    parser.add_argument("--out", type=file_path, default=Path("build/rtl"), metavar="FOLDER",
                        help="where to write (default build/rtl)")
    parser.add_argument("--clock-gates", action="store_true",
                        help="give each instance its clock through a latch and a gate, for an ASIC "
                        "or a simulation of energy; without, as for an FPGA, flip-flops have "
                        "enables")
    parser.add_argument("--json", **JSON)
    parser.add_argument("--estimate", choices=DEVICES, metavar="DEVICE",
                        help="also synthesise, place and route for a device, without a board: "
                        + ", ".join(DEVICES))
    parser.add_argument("--placements", type=integer(1, len(SEEDS)), metavar="N",
                        help=f"that --estimate routes at most, up to {len(SEEDS)}, "
                        "until one reaches 90 MHz; the fastest counts (default 1)")
    parser.add_argument("--floorplan", type=file_path, metavar="FILE",
                        help="where --estimate has several instances' floorplan from; if it is "
                        "not there, the one found, in minutes, is kept in it")
    parser.add_argument("--board", type=word, metavar="NAME",
                        help="make a board's bitstream instead: as python -m boards build NAME, "
                        "from the board's own preset")
    return parser


def run(argv: list[str]) -> int:
    """Run the command and return its exit code; errors are raised."""
    handover = Parser(add_help=False)
    handover.add_argument("--board")
    known, others = handover.parse_known_args(argv)
    if known.board:
        from hw.support.commands import command  # takes as long to import as all else here
        return command("boards")(["build", known.board, *others])
    args = parser().parse_args(argv)
    with importing():
        from hw.rtl.command import generate_as_asked
    return generate_as_asked(args)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m hw.build")


if __name__ == "__main__":
    sys.exit(main())
