"""Look inside a run: signals of instance 0 as FST or VCD, all instances' layers as a timeline.

Examples:
    python -m sw.trace --network digits --layer fc1 --out fc1.fst
    python -m sw.trace --network digits --timeline run.json
    python -m sw.trace --layer conv3_2 --start 5000 --cycles 400 --out window.vcd

The file of signals opens in GTKWave or Surfer; its name's ending, .fst or .vcd, says which it is.
A unit of its time is a clock cycle, and names are the generator's: core.path.array.product_0_0 is
the product of column 0, row 0. The timeline opens in Perfetto (ui.perfetto.dev) or
chrome://tracing: a span for each layer of each instance, a microsecond for each cycle, with the
cycles by cause.

Exit codes: 0 written, 1 the run failed, 2 usage, 3 a tool is missing, 4 does not fit, 5 input or
output failed, 130 interrupted.
"""

import sys

from hw.options import add_config_arguments
from hw.support.arguments import Parser, file_path, integer, word
from hw.support.errors import exit_code
from hw.support.interrupts import importing
from sw.terminal.options import NETWORK, PARTS, add_options

__all__ = ["main", "parser"]

_MOST_CYCLES = 100_000
_LAST_START = 2 ** 32 - 1


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m sw.trace", description=__doc__)
    what = parser.add_argument_group("what runs")
    add_options(what, *NETWORK)
    what.add_argument("--form", choices=("dense", "pruned"),
                      help="before or after pruning (default pruned, where something can be)")
    add_options(what, "--partitions", default=None, note=PARTS)
    add_options(what, "--plan")
    add_options(what, "--seed")
    add_config_arguments(parser)
    window = parser.add_argument_group("the window, and where it goes")
    window.add_argument("--layer", type=word, metavar="NAME",
                        help="where it begins (default: the first)")
    window.add_argument("--start", type=integer(0, _LAST_START), metavar="N",
                        help="cycles after the layer's begin (default 0)")
    window.add_argument("--cycles", type=integer(1, _MOST_CYCLES), metavar="N",
                        help="how many (default 1000)")
    window.add_argument("--out", type=file_path, metavar="FILE.fst",
                        help="signals of instance 0, as .fst or .vcd")
    window.add_argument("--timeline", type=file_path, metavar="FILE.json",
                        help="all instances' layers and what they waited for")
    add_options(window, "--quiet")
    return parser


def run(argv: list[str]) -> int:
    """Write what was asked for; errors are raised."""
    args = parser().parse_args(argv)
    with importing():
        from sw.experiment.tracing import trace_as_asked
    return trace_as_asked(args)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m sw.trace")


if __name__ == "__main__":
    sys.exit(main())
