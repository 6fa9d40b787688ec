"""Tell in seconds whether a network runs, how fast and how right, before anything is built.

The first line is the answer; the last is what to type next. Between them: layers by their cycles
and what bounds them, memory, which layers can be partitioned and what that would gain, on which
boards it fits, and advice. Of a network that does not run: all that is in the way.

Examples:
    python -m sw.check net.onnx
    python -m sw.check net.onnx --board ulx3s-85f --data images/
    python -m sw.check net.py:make --weights net.safetensors --input-shape 3x32x32 --instances 4
    python -m sw.check net.onnx --json

Cycles are predicted by the cycle model; of large networks with the first splits of layers that go,
in place of those that the compiler finds best. Values of networks that come with it are not looked
at; for a board these are pruned as `boards run` prunes them, if --partitions does not say
otherwise.

Exit codes: 0 it runs, 1 something of it cannot run, 2 usage, 3 a tool is missing, 4 it does not fit
the machine, 5 input or output failed, 130 interrupted.
"""

import sys

from hw.options import add_config_arguments
from hw.support.arguments import Parser, word
from hw.support.errors import exit_code
from hw.support.interrupts import importing
from sw.terminal.networks import network_name
from sw.terminal.options import DATA, NETWORK, add_options

__all__ = ["main", "parser"]


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m sw.check", description=__doc__)
    parser.add_argument("network", type=network_name, metavar="NETWORK",
                        help="what is checked: a name, an ONNX file, a .pt2 file of torch.export, "
                        "or FILE.py:callable or package.module:callable")
    what = parser.add_argument_group("the network and its images")
    add_options(what, *NETWORK[1:], *DATA)
    add_options(what, "--partitions", default=None, note="default: what boards run takes for one "
                "that comes with it, else as it is")
    add_options(what, "--plan", "--seed")
    machine = parser.add_argument_group("the machine")
    machine.add_argument("--board", type=word, metavar="BOARD",
                         help="a board with its own configuration, memory and clock, in place of "
                         "--preset")
    add_options(machine, "--clock-mhz", default=None, note="default 100; a board has its own")
    add_config_arguments(parser)
    parser.set_defaults(preset=None)  # so that one that is given beside --board is seen
    out = parser.add_argument_group("output")
    add_options(out, "--json", "--save", "--quiet")
    return parser


def run(argv: list[str]) -> int:
    """Run the command and return its exit code; errors are raised."""
    args = parser().parse_args(argv)
    with importing():
        from sw.experiment.checking.command import check_as_asked
    return check_as_asked(args, argv)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m sw.check")


if __name__ == "__main__":
    sys.exit(main())
