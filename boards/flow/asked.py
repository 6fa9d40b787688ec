"""Where a command line has a board's build, and how progress is told."""

import argparse
import sys
from pathlib import Path

from boards.catalogue import Board

__all__ = ["out_folder", "say"]


def out_folder(args: argparse.Namespace, board: Board) -> Path:
    """The folder of a board's build."""
    return getattr(args, "out", None) or Path("build", board.name)


def say(text: str) -> None:
    """Tell what is under way."""
    print(f"  {text}", file=sys.stderr, flush=True)
