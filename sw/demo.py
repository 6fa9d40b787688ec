"""What `make demo` prints: a trained network on real scans, then full TinyVGG16.

    python -m sw.demo

Exit codes: those of `sw.compare`.
"""

import sys

from hw.support.arguments import Parser
from hw.support.errors import exit_code
from sw.experiment.names import DEMO_ARMS

from . import compare

__all__ = ["main"]


def parser() -> Parser:
    """The command's options: none."""
    return Parser(prog="python -m sw.demo", description=__doc__)


def run(argv: list[str]) -> int:
    """Run both comparisons and return the worse exit code; errors are raised."""
    parser().parse_args(argv)
    codes = [compare.run(["--network", "digits"])]
    print()
    codes.append(compare.run(["--arms", ",".join(DEMO_ARMS)]))
    return max(codes)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m sw.demo")


if __name__ == "__main__":
    sys.exit(main())
