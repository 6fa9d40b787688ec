"""What `make demo` prints: full TinyVGG16, then a trained network on real scans.

    python -m sw.demo

Exit codes: those of `sw.compare`.
"""

import argparse
import sys

from hw.errors import exit_code

from . import compare

__all__ = ["main"]


def run(argv: list[str]) -> int:
    """Run both comparisons and return the worse exit code; errors are raised."""
    parser = argparse.ArgumentParser(prog="python -m sw.demo", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(argv)
    codes = [compare.run(["--network", "digits"])]
    print()
    codes.append(compare.run([]))
    return max(codes)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m sw.demo")


if __name__ == "__main__":
    sys.exit(main())
