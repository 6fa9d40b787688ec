"""Which files a command line names to be read."""

import argparse
from collections.abc import Iterator
from pathlib import Path

__all__ = ["files_read"]

#: Options and arguments that name a file, or a callable in one.
_NAMES = ("network", "weights", "checkpoint", "data", "calibration", "labels", "inputs",
          "plan")


def files_read(args: argparse.Namespace) -> Iterator[Path]:
    """Files that arguments name to be read, of `FILE.py:callable` the file."""
    for name in _NAMES:
        text = str(getattr(args, name, None) or "")
        for place in (text, text.rpartition(":")[0]):
            if place and Path(place).is_file():
                yield Path(place)
