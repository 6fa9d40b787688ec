"""What people read on a terminal: nothing of a user's, such as a layer's name, is taken for markup
or steers the terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .text import printable

__all__ = ["console", "print_next", "short"]


def short(name: str, most: int) -> Text:
    """A name for a table, in a line, of so many characters at most and without its middle where it
    has more; in a column that is not `no_wrap` it gives way to numbers."""
    name, half = printable(name), most // 2
    return Text(name if len(name) <= most else f"{name[:most - half - 1]}…{name[-half:]}",
                no_wrap=True, overflow="ellipsis")


class _Console(Console):
    def render_str(self, text: str, **options) -> Text:
        return super().render_str(printable(text), **options)

    def print(self, *objects, **options) -> None:
        if not self.is_terminal:  # no lines are drawn in a file or a pipe
            for table in objects:
                if isinstance(table, Table):
                    table.box, table.pad_edge = None, False
        super().print(*objects, **options)


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


def print_next(out: Console, command: str) -> None:
    """Print what to type next, the last line of what a command says."""
    out.print(f"next: {command}", highlight=False, soft_wrap=True)
