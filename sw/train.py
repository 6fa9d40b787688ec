"""Train a network, partition it, fine-tune it under the mask, and measure float and int8.

Examples:
    python -m sw.train --network digits --partitions 4
    python -m sw.train --data tiny-imagenet-200                    full TinyVGG16, P = 8, on a GPU
    python -m sw.train --data tiny-imagenet-200 --ablation         the table of sw/training, full
    python -m sw.train --data tiny-imagenet-200 --width 0.125 --classes 20 --per-class 300 \\
        --epochs 20 --tune-epochs 3 --ablation                     the same in an hour on 2 cores
    python -m sw.train --network net.py:make --weights net.safetensors --input-shape 3x32x32 \\
        --data images/ --partitions 4                              a network of your own

Tiny ImageNet comes in its published folder layout. Everything follows from the seed. The run's
folder keeps finished weights (safetensors, as --weights takes them), results.json, and the state of
what is under way: interrupt it at any second and the same command goes on, to the same weights.

Exit codes: 0 done, 2 usage or bad data, 5 input or output failed, 130 interrupted.
"""

import argparse
import sys
from pathlib import Path

from hw.support.arguments import Items, Parser, file_path, integer, real, word
from hw.support.errors import exit_code
from hw.support.interrupts import importing
from sw.terminal.options import DATA, add_options
from sw.training.recipe import AUGMENTS, PRECISIONS

__all__ = ["main", "parser"]


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m sw.train", description=__doc__)
    what = parser.add_argument_group("network and data")
    add_options(what, "--network", help="what is trained: tinyvgg16, digits, or, fine-tuned from "
                "the weights that it comes with, FILE.py:callable or package.module:callable that "
                "gives a torch.nn.Module")
    add_options(what, "--list-networks", "--weights", "--input-shape")
    add_options(what, "--data", help="the Tiny ImageNet folder; of a network of your own images "
                "with labels, a fifth of which are held out: a folder with a folder for each "
                "class, an .npz file (images, labels), or FILE.py:callable")
    add_options(what, *DATA[1:])
    what.add_argument("--width", type=real(0.05, 2), metavar="W",
                      help="of TinyVGG16's hidden layers, 1 for the full ones (default 1)")
    what.add_argument("--classes", type=integer(2, 200), metavar="N",
                      help="only the first N classes")
    what.add_argument("--per-class", type=integer(1, 500), metavar="N",
                      help="only N training images of each")
    what.add_argument("--checkpoint", type=file_path, metavar="FILE",
                      help="safetensors with the dense network's weights, batch norm kept, to "
                      "start from; of a network of your own the same as --weights")
    prune = parser.add_argument_group("partitioning")
    add_options(prune, "--partitions", default=None, note="default 8")
    prune.add_argument("--prune", type=word, metavar="fc|all|NAMES",
                       help="prune the linear layers but the classifier, or all layers but the "
                       "first and the classifier, or layers by name, neighbours, commas between "
                       "(default fc)")
    add_options(prune, "--partitioner", note="default optimised")
    add_options(prune, "--plan", note="in place of the three before")
    prune.add_argument("--ablation", action="store_true",
                       help="P in 2, 4, 8 with every partitioner, fc and all")
    prune.add_argument("--seeds", type=integer(1, 1000), default=1, metavar="N",
                       help="repeat the largest P with N seeds of fine-tuning (default 1)")
    _add_training(parser)
    out = parser.add_argument_group("output")
    out.add_argument("--out", type=file_path, default=Path("runs"), metavar="DIR",
                     help="folder of the run (default runs)")
    out.add_argument("--restart", action="store_true",
                     help="drop the earlier run that the folder holds")
    add_options(out, "--json", "--quiet")
    return parser


def _add_training(parser: Parser) -> None:
    """Add how to train."""
    how = parser.add_argument_group("training")
    how.add_argument("--epochs", type=integer(0, 100_000), metavar="N",
                     help="of training, of the dense network (default 60; digits 25; 0 from a "
                     "--checkpoint, and of a network of your own)")
    how.add_argument("--tune-epochs", type=integer(0, 100_000), metavar="N",
                     help="of fine-tuning under the mask (default 20; digits 15)")
    how.add_argument("--qat-epochs", type=integer(0, 100_000), metavar="N", default=2,
                     help="in int8, where quantisation loses over 0.5 points; 0 for never "
                     "(default 2)")
    how.add_argument("--batch", type=integer(2, 65_536), metavar="N",
                     help="images of a step (default 256; 64 on a CPU)")
    how.add_argument("--rate", type=real(0, 10, above=True), metavar="R",
                     help="peak learning rate (default 1e-3; digits 3e-3); fine-tuning takes a "
                     "half")
    how.add_argument("--gradual", type=real(0, 1), default=0.3, metavar="SHARE",
                     help="pruned weights fade over this share of fine-tuning (default 0.3); 0 "
                     "for one shot: what is left is refitted to the dense network by least squares "
                     "and then fine-tuned")
    how.add_argument("--distil", type=real(0, 1), default=0.5, metavar="SHARE",
                     help="of the fine-tuning loss, from the dense network as teacher; 0 for none "
                     "(default 0.5)")
    how.add_argument("--dropout", type=real(0, 0.9), metavar="SHARE",
                     help="of the inputs that drop-out takes, where the network has it (default: "
                     "the network's own, of TinyVGG16 0.5)")
    how.add_argument("--precision", choices=PRECISIONS,
                     help="of a step's products (default float32; bfloat16 on a GPU, and faster "
                     "on CPUs that have it)")
    how.add_argument("--augment", type=Items(_change, ",".join(AUGMENTS)), metavar="A,B",
                     help="change training images of a network of your own in each step: flip, "
                     "left and right; crop, by up to an eighth of a side (default: as they are)")
    add_options(how, "--seed")
    how.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto",
                     help="what trains (default auto)")


def _change(text: str) -> str:
    """An item of --augment."""
    if text not in AUGMENTS:
        raise argparse.ArgumentTypeError(f"is {text[:40]!r}; there are {', '.join(AUGMENTS)}")
    return text


def run(argv: list[str]) -> int:
    """Train as asked and return the exit code; errors are raised."""
    args = parser().parse_args(argv)
    with importing():
        from sw.experiment.training import train_as_asked
    return train_as_asked(args, argv)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m sw.train")


if __name__ == "__main__":
    sys.exit(main())
