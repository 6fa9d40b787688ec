"""Text that shows on any stream, and steers no terminal."""

import io
import sys
from collections.abc import Sequence

__all__ = ["listed", "printable", "show_everything"]


def printable(text: str) -> str:
    """Text with what cannot be seen, but spaces and ends of lines, as a Python escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


def listed(names: Sequence[str], most: int) -> str:
    """Names with commas between, so many at most, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def show_everything() -> None:
    """Let stdout and stderr show what their encoding lacks as escapes, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
