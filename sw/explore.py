"""Predict a network's cycles on many configurations, and say which are worth building.

Examples:
    python -m sw.explore --network tinyvgg16 --instances 1,2,4,8 --arrays 4x4,8x8
    python -m sw.explore --network digits --device ecp5-85k --arrays 2x2,4x4,4x8 --plot plan.svg
    python -m sw.explore --network digits --instances 1,2 --arrays 4x4 --rtl
    python -m sw.explore --scheduler tcp://host:8786 --instances 1,2,4,8,16,32 --rtl

Every combination of the lists is predicted by the cycle model (sw/cycles). The table shows the
Pareto front: configurations that no other beats in cycles, DSP blocks and block RAMs at once, for
each number of partitions, as accuracy depends on that. --rtl also runs the front in RTL with random
weights, checks each output, and tells the model's error. Points run in local processes, or on an
existing Dask cluster whose workers have this package.

Exit codes: 0 ok, 1 RTL and golden model differ, 2 usage, 3 a tool is missing, 4 nothing fits,
5 input or output failed, 130 interrupted.
"""

import sys

from hw.fpga.devices import DEVICES
from hw.options import add_config_arguments
from hw.support.arguments import PARTITIONS, Items, Parser, integer, integers, word
from hw.support.errors import exit_code
from hw.support.interrupts import importing
from hw.support.processors import processors
from sw.terminal.options import NETWORK, add_options

__all__ = ["main", "parser"]


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m sw.explore", description=__doc__)
    what = parser.add_argument_group("what is combined")
    add_options(what, *NETWORK)
    what.add_argument("--partitions", type=Items(PARTITIONS, "1,8"), metavar="P,P",
                      help="diagonal blocks of the pruned layers; 1 is the dense network (default "
                      "1,8; of a network of your own 1 and the most up to 8 that go)")
    add_options(what, "--prune", default=None, note="default fc")
    add_options(what, "--plan", note="beside the dense network")
    what.add_argument("--instances", type=integers(1, 32, "1,2,4"), default=[1, 2, 4, 8],
                      metavar="N,N", dest="counts",
                      help="identical instances (default 1,2,4,8)")
    add_options(what, "--arrays", default=[(4, 4), (8, 8)], note="default 4x4,8x8")
    what.add_argument("--buffers", type=Items(integer(), "1024,4096"), metavar="W,W",
                      help="activation memories in words (default: the preset's)")
    what.add_argument("--fifos", type=Items(integer(), "32,64"), metavar="B,B",
                      help="weight FIFOs in beats (default: the preset's)")
    add_config_arguments(parser, only=("--memory", "--port-bytes", "--tables"))
    how = parser.add_argument_group("how")
    how.add_argument("--device", choices=tuple(DEVICES),
                     help="keep what its DSP blocks and block RAMs hold")
    how.add_argument("--rtl", action="store_true", help="also run the front in RTL")
    add_options(how, "--jobs", default=processors(),
                note="points, in local processes; default: one for each core")
    how.add_argument("--scheduler", type=word, metavar="ADDRESS",
                     help="a Dask scheduler, such as tcp://host:8786")
    how.add_argument("--all", action="store_true", help="print every point, not only the front")
    add_options(how, "--plot", note="cycles over DSP blocks")
    add_options(how, "--json", "--quiet")
    return parser


def run(argv: list[str]) -> int:
    """Explore and print; errors are raised."""
    args = parser().parse_args(argv)
    with importing():
        from sw.experiment.exploration import explore_as_asked
    return explore_as_asked(args)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m sw.explore")


if __name__ == "__main__":
    sys.exit(main())
