"""Compare an ONNX model with onnxruntime layer by layer, each layer fed with onnxruntime's inputs.

Examples:
    python -m sw.agree model.int8.onnx
    python -m sw.agree model.int8.onnx --inputs images.npy --json
    python -m sw.agree model.onnx --inputs photographs.npy --images 2 --input-shape 3x224x224

Of a model that is quantised already (QuantizeLinear and DequantizeLinear, or QLinear operators) the
first line says whether what differs is rounding alone: each layer within 1 of onnxruntime's
integers, and equal in at least 99.98% of those that do not lie halfway between two, as near as 16
bits tell. onnxruntime scales sums by a float32 and rounds halves to even, the hardware by 16 bits
and a shift and rounds halves up, so of a mean over four an eighth differs. Of a model in real
numbers it says how much the quantisation loses that every command makes: signal over noise, in dB,
of each layer by itself.
Layers stand worst first; as each is fed with onnxruntime's inputs, none inherits what others differ
by.

Exit codes: 0 rounding alone (of a model in real numbers always), 1 more than that differs, 2 usage,
or a model that cannot run, 3 a tool is missing, 5 input or output failed, 130 interrupted.
"""

import sys

from hw.support.arguments import Parser, file_path
from hw.support.errors import exit_code
from hw.support.interrupts import importing
from sw.terminal.options import add_options

__all__ = ["main", "parser"]


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m sw.agree", description=__doc__)
    parser.add_argument("network", type=file_path, metavar="MODEL.onnx", help="what is compared")
    what = parser.add_argument_group("what it runs on")
    what.add_argument("--inputs", type=file_path, metavar="FILE.npy",
                      help="images as the model takes them, [N, C, H, W], which a model in real "
                      "numbers is also calibrated on (default: random ones)")
    add_options(what, "--images", note="default 4, or all of --inputs")
    add_options(what, "--input-shape", "--seed")
    how = parser.add_argument_group("what comes of it")
    add_options(how, "--json", "--save", "--quiet")
    return parser


def run(argv: list[str]) -> int:
    """Compare and print; errors are raised."""
    args = parser().parse_args(argv)
    with importing():
        from sw.experiment.agreement import compare_as_asked
    return compare_as_asked(args)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m sw.agree")


if __name__ == "__main__":
    sys.exit(main())
