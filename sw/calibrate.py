"""Fit the energy model's coefficients to gates, and say how well it predicts gates it has not seen.

    python -m sw.calibrate --liberty sky130hd_tt.lib.gz             fit and report
    python -m sw.calibrate --liberty sky130hd_tt.lib.gz --write     also into sw/data/energy.json

Small accelerators are mapped to the library's cells by yosys, within a delay, with enabled
registers behind clock gates as the model credits them. The longest path's time is told by the
library's tables. The trained digits network runs on them in RTL, dense and pruned;
windows of it, and of an instance that waits, are the stimuli. The netlist is evaluated on the same
cycles, checked to be the RTL in each, and priced from the library's tables. Memories are macros
and not part of this. Clock tree and wires are not there before layout.

Exit codes: 0 done, 1 netlist and RTL differ, 2 usage, 3 yosys is missing, 5 input or output
failed, 130 interrupted.
"""

import sys

from hw.support.arguments import Parser, file_path, integer, real
from hw.support.errors import exit_code
from hw.support.interrupts import importing
from sw.terminal.options import add_options

__all__ = ["main", "parser"]


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m sw.calibrate", description=__doc__)
    parser.add_argument("--liberty", type=file_path, required=True, metavar="FILE",
                        help="cell library, gzipped or not")
    add_options(parser, "--arrays", default=[(2, 2), (4, 4), (4, 8), (8, 8)],
                note="default 2x2,4x4,4x8,8x8")
    parser.add_argument("--delay-ns", type=real(0.1, 1000), default=10.0, metavar="NS",
                        help="of logic between two edges of the clock, that gates are chosen for; "
                        "it is said whether it holds (default 10: 100 MHz)")
    parser.add_argument("--cycles", type=integer(64, 1_000_000), default=1024, metavar="N",
                        help="of a window (default 1024)")
    parser.add_argument("--windows", type=integer(1, 1000), default=6, metavar="N",
                        help="of each network on each array (default 6)")
    parser.add_argument("--write", action="store_true",
                        help="put the fit into sw/data/energy.json and the samples into "
                        "sw/data/calibration.json")
    add_options(parser, "--json")
    return parser


def run(argv: list[str]) -> int:
    """Calibrate and return the exit code; errors are raised."""
    args = parser().parse_args(argv)
    with importing():
        from sw.experiment.calibration import calibrate_as_asked
    return calibrate_as_asked(args)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m sw.calibrate")


if __name__ == "__main__":
    sys.exit(main())
