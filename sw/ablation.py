"""What each of the compiler's optimisations brings: cycles in RTL without each of them.

A network is compiled and run as it is, then again with each optimisation switched off by itself;
every layer of every run is compared with the golden model. The three workloads are the pruned
network on N instances behind one port, the network pruned throughout with a port for each, and the
unpruned convolutions on N instances; of a network of your own those that it has.

Examples:
    python -m sw.ablation                          TinyVGG16, eight instances: ten minutes
    python -m sw.ablation --network digits --only multicast,prefetch

Exit codes: 0 ok, 1 a run differs from the golden model or failed, 2 usage, 3 a tool is missing,
4 the network does not fit the accelerator, 5 input or output failed, 130 interrupted.
"""

import sys

from hw.options import add_config_arguments
from hw.support.arguments import Items, Parser
from hw.support.errors import exit_code
from hw.support.interrupts import importing
from sw.experiment.names import SWITCHES
from sw.terminal.options import NETWORK, PARTS, add_options

__all__ = ["main", "parser"]


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m sw.ablation", description=__doc__)
    add_options(parser, *NETWORK)
    add_options(parser, "--partitions", default=None, note=PARTS)
    add_options(parser, "--plan")
    parser.add_argument("--only", type=Items(str, "multicast,prefetch"), metavar="A,B",
                        help=f"of {', '.join(SWITCHES)}")
    add_options(parser, "--latency", "--seed", "--json", "--save", "--quiet")
    add_config_arguments(parser)
    return parser


def run(argv: list[str]) -> int:
    """Run the command and return its exit code; errors are raised."""
    args = parser().parse_args(argv)
    with importing():
        from sw.experiment.ablation import ablate_as_asked
    return ablate_as_asked(args)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m sw.ablation")


if __name__ == "__main__":
    sys.exit(main())
