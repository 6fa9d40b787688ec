"""What people read on a terminal: nothing of a user's, such as a layer's name, is taken for markup
or steers the terminal."""

import io
import sys

from rich.console import Console
from rich.text import Text

__all__ = ["console", "printable", "show_everything"]


def printable(text: str) -> str:
    """Text with what cannot be seen, but spaces and ends of lines, as a Python escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


def show_everything() -> None:
    """Let stdout and stderr show what their encoding lacks as escapes, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class _Console(Console):
    def render_str(self, text: str, **options) -> Text:
        return super().render_str(printable(text), **options)


def console(*, stderr: bool = False, wide: bool = False) -> Console:
    """A console that shows text as it is; what is to be bold or red is a `rich.text.Text`.

    Parameters
    ----------
    stderr : on stderr instead of stdout
    wide : tables keep their columns where it is a file or a pipe
    """
    found = _Console(stderr=stderr, markup=False, emoji=False)
    if wide and not found.is_terminal:
        found.width = 120
    return found
