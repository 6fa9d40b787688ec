"""The `partita` command: the same programs as the `python -m` forms."""

import sys
import textwrap
from importlib import metadata

from hw.support.commands import command, commands, program, summary
from hw.support.errors import exit_code
from hw.support.interrupts import end_while_starting

__all__ = ["main"]

_WIDTH = 80
_END = "`partita COMMAND --help` explains each; `partita --version` says which version this is."


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    if argv is None:
        end_while_starting()
        argv = sys.argv[1:]
    if argv and argv[0] in commands():
        return command(argv[0])(argv[1:])
    return exit_code(_about, argv, "partita")


def _about(argv: list[str]) -> int:
    if argv and argv[0] == "--version":
        print(f"partita {version()}")
    elif not argv or argv[0] in ("-h", "--help"):
        print(_help())
    else:
        command(argv[0])  # there is none: raises what says so
    return 0 if argv else 2


def _help() -> str:
    """What this is, and each command in the words of its own text."""
    found = commands()
    margin = max(map(len, found)) + 4
    listed = [textwrap.fill(f"{summary(point)} ({program(point)})", _WIDTH,
                            initial_indent=f"  {name}".ljust(margin),
                            subsequent_indent=" " * margin, break_on_hyphens=False)
              for name, point in found.items()]
    return "\n".join([(__doc__ or "").strip(), "", *listed, "", textwrap.fill(_END, _WIDTH)])


def version() -> str:
    """This package's version, or that it runs from a folder without being installed."""
    try:
        return metadata.version("partita")
    except metadata.PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    sys.exit(main())
