"""Where a command line has a board's build, and how progress is told."""

import argparse
import sys
from pathlib import Path

from boards.catalogue import Board

__all__ = ["check_place", "out_folder", "say"]


def check_place(args: argparse.Namespace) -> None:
    """Refuse a command line that does not name one board: plugged in, or a simulated one."""
    if args.virtual and args.port is not None:
        raise ValueError("--port names a board that is plugged in, --virtual a simulated one; "
                         "leave one out")
    if not args.virtual and args.port is None:
        raise ValueError("name the board's serial port with --port, or take --virtual")


def out_folder(args: argparse.Namespace, board: Board) -> Path:
    """The folder of a board's build."""
    return getattr(args, "out", None) or Path("build", board.name)


def say(text: str) -> None:
    """Tell what is under way."""
    print(f"  {text}", file=sys.stderr, flush=True)
