"""Accuracy, time and energy of a network with 1 to all of its partitions, at levels of supply.

A network is trained incrementally, one partition after another, and compiled once, a partition on
each instance. Then it runs in RTL with 1, 2, ... of them active: the others are dropped through a
register, with no recompile, and their clocks are off. Every layer of every run is compared bit for
bit with the golden model of the network without them.

Examples:
    python -m sw.scale                                 digits on 8 instances of 4x4
    python -m sw.scale --levels 1V@1,0.8V@0.5 --plot scaling.svg
    python -m sw.scale --preset tiny --epochs 3 --images 1
    python -m sw.scale --network net.onnx --data images/ --instances 2
    python -m sw.scale --rows 8 --cols 8 --memory private --json

A network of your own is pruned into as many partitions as there are instances, without training:
its accuracies say what dropping costs one that was not made for it. One that is tuned already, as
sw.train does it, is pruned by its own --plan.

A level is a supply voltage and a clock, as shares of the nominal ones: 0.8V@0.5 is 80% of the
voltage at half of the clock. Cycles and activity are measured, and what a level makes of them is a
model: energy of what switches goes with the square of the voltage, leakage with voltage times
time, external memory keeps its own supply. Points that no other beats in accuracy, time and energy
at once are marked with *.

Exit codes: 0 all layers bit-exact, 1 a layer differs or a run failed, 2 usage, 3 a tool is missing,
4 the network does not fit the accelerator, 5 input or output failed, 130 interrupted.
"""

import argparse
import sys

from hw.options import add_config_arguments
from hw.support.arguments import Parser
from hw.support.errors import exit_code
from hw.support.interrupts import importing
from sw.energy.levels import DEFAULT_LEVELS, Level
from sw.terminal.options import DATA, ENERGY, NETWORK, add_options
from sw.training.recipe import INCREMENTAL

__all__ = ["main", "parser"]


def _levels(text: str) -> list[Level]:
    try:
        levels = [Level.parse(x) for x in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if len(set(levels)) != len(levels):
        raise argparse.ArgumentTypeError(f"{text!r} names a level twice")
    return levels


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m sw.scale", description=__doc__)
    what = parser.add_argument_group("what runs")
    add_options(what, "--network", default="digits", note="of which partitions are dropped, as "
                "many as instances; default digits, trained for it, as wide as the array needs")
    add_options(what, *NETWORK[1:])
    add_options(what, "--prune", default=None, note="a network of your own; default all")
    add_options(what, "--plan", note="as many as instances")
    add_options(what, "--epochs", note=f"of each partition of digits; default {INCREMENTAL.epochs}")
    add_options(what, "--images", default=4, note="for each number of active partitions; default 4")
    add_options(what, "--seed")
    add_options(parser.add_argument_group("images of a network of your own"), *DATA)
    add_config_arguments(parser, preset="ecp5-85k")
    energy = parser.add_argument_group("levels and energy")
    energy.add_argument("--levels", type=_levels, default=list(DEFAULT_LEVELS), metavar="V@F,V@F",
                        help=f"default {','.join(map(str, DEFAULT_LEVELS))}")
    add_options(energy, *ENERGY)
    out = parser.add_argument_group("output")
    add_options(out, "--plot", note="energy over time")
    add_options(out, "--json", "--quiet")
    return parser


def run(argv: list[str]) -> int:
    """Measure and print; errors are raised."""
    args = parser().parse_args(argv)
    with importing():
        from sw.experiment.dropping import drop_as_asked
    return drop_as_asked(args, argv)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m sw.scale")


if __name__ == "__main__":
    sys.exit(main())
