"""Compare cycles and energy: dense on one instance against partition-pruned on N, in RTL.

Four arms run side by side, each layer of each in RTL on Verilator, each output checked bit for
bit against the golden model:

    dense-1   the unpruned network on one instance: the baseline
    dense-N   the unpruned network on N instances: what parallelism alone gives
    pruned-1  the pruned network on one instance: what pruning alone gives
    pruned-N  the pruned network on N instances: Partition Pruning

Examples:
    python -m sw.compare                               full TinyVGG16, 1 against 8 instances
    python -m sw.compare --layers fc1,fc2 --memory private
    python -m sw.compare --network digits              a trained network on real scans
    python -m sw.compare --network net.onnx --data images/ --report page.html
    python -m sw.compare --network net.py:make --weights net.safetensors --input-shape 3x32x32
    python -m sw.compare --network net.onnx --plan mine.plan.json
    python -m sw.compare --json --save result.json     for other programs

Where nothing of a network can be pruned, the arms are the two dense ones.

Exit codes: 0 all layers bit-exact, 1 a layer differs or the run failed, 2 usage,
3 a tool is missing, 4 the network does not fit the accelerator, 5 input or output failed,
130 interrupted.
"""

import argparse
import sys

from hw.options import add_config_arguments
from hw.support.arguments import JOBS, Items, Parser, file_path, integer, real
from hw.support.errors import exit_code
from hw.support.interrupts import importing
from sim.settings import MOST_STALL
from sw.experiment.names import ARMS, BIG
from sw.terminal.options import DATA, ENERGY, NETWORK, PARTS, add_options

__all__ = ["main", "parser", "run"]


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m sw.compare", description=__doc__)
    what = parser.add_argument_group("what runs")
    add_options(what, *NETWORK)
    add_options(what, "--partitions", default=None, note=PARTS)
    add_options(what, "--prune", default=None, note="default fc")
    add_options(what, "--partitioner", note="default: optimised for trained weights, identity for "
                "seeded ones")
    add_options(what, "--plan")
    what.add_argument("--layers", type=Items(str, "fc1,fc2"), metavar="A,B",
                      help="only these layers, by name; each run of "
                      "neighbours starts from the golden output of the layer before")
    what.add_argument("--arms", type=Items(str, ",".join(ARMS)), metavar="A,B",
                      help=f"which arms (default {','.join(ARMS)}, of these what the network has); "
                      f"{', '.join(BIG)}: one array with the MACs of all instances")
    add_options(what, "--images", note="default 1; digits 64; with --data 4; with "
                "--batch one batch")
    what.add_argument("--batch", type=integer(1, 1024), default=1, metavar="B",
                      help="images of a run (default 1): the fully connected layers at the end "
                      "take all together, and read their weights once")
    what.add_argument("--epsilon", type=_epsilons, metavar="E",
                      help="with --zero-skip: inputs of fully connected layers whose "
                      "magnitude is at most this many integer steps count as zero (default 0); for "
                      "single layers as fc1=2,fc2=3")
    add_options(what, "--seed")
    images = parser.add_argument_group("images of a network of your own")
    add_options(images, "--data", note="of tinyvgg16-slim the Tiny ImageNet folder")
    add_options(images, *DATA[1:])
    add_config_arguments(parser)
    how = parser.add_argument_group("external memory and simulation")
    add_options(how, "--latency")
    how.add_argument("--stall", type=real(0, MOST_STALL), default=0.0, metavar="P",
                     help="probability, 0 to 0.9, that a memory channel stalls in a cycle")
    how.add_argument("--no-toggles", action="store_true",
                     help="count no activity, so no energy: faster")
    how.add_argument("--search", action="store_true",
                     help="try other splits of each layer on the cycle model before compiling")
    add_options(how, "--jobs", default=2, note="arms; default 2")
    how.add_argument("--threads", type=JOBS, metavar="N",
                     help="that share the instances of an arm (default: the processors, divided "
                          "among the arms that run at a time)")
    add_options(parser.add_argument_group("energy"), *ENERGY)
    out = parser.add_argument_group("output")
    add_options(out, "--json", "--save")
    out.add_argument("--report", type=file_path, metavar="FILE", help="also write one page of HTML")
    add_options(out, "--quiet")
    return parser


def _epsilons(text: str) -> list[tuple[str, int]]:
    """The items of --epsilon: the layer's name, or "" for all, and its number."""
    found = []
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        try:
            found.append((name, integer(0, 127)(number)))
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(f"has an item that {error}") from None
    return found


def run(argv: list[str]) -> int:
    """Run the command and return its exit code; errors are raised."""
    args = parser().parse_args(argv)
    with importing():
        from sw.experiment.comparison import compare_as_asked
    return compare_as_asked(args, argv)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m sw.compare")


if __name__ == "__main__":
    sys.exit(main())
