"""Tables in Markdown, and the markers that they stand between.

A table stands between `<!-- table:NAME -->` and `<!-- /table:NAME -->`; what is written there is
replaced, everything else stays.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from .arguments import nearest

__all__ = ["fill", "markdown_table", "markers"]

_MARKER = re.compile(r"<!-- (/?)table:([\w-]+) -->")


def markdown_table(header: Sequence[str], rows: Iterable[Sequence]) -> str:
    """A table; a bar in a cell is escaped."""
    def line(cells: Sequence) -> str:
        return "| " + " | ".join(str(c).replace("|", "\\|") for c in cells) + " |"

    return "\n".join([line(header), "|" + " --- |" * len(header), *map(line, rows)])


def markers(text: str, where: str) -> dict[str, tuple[int, int]]:
    """Table -> where it begins and ends, between its markers.

    Raises
    ------
    ValueError
        If a marker is not closed, closes nothing or stands twice; the message names `where`.
    """
    found: dict[str, tuple[int, int]] = {}
    opened: re.Match[str] | None = None
    for marker in _MARKER.finditer(text):
        closes, name = marker.groups()
        if not closes:
            if opened:
                break
            if name in found:
                raise ValueError(f"{where} has {marker[0]} twice; leave one")
            opened = marker
        elif opened is None or opened[2] != name:
            raise ValueError(f"{where}: {marker[0]} has no <!-- table:{name} --> before it")
        else:
            found[name] = (opened.end(), marker.start())
            opened = None
    if opened:
        raise ValueError(f"{where}: {opened[0]} is not closed; "
                         f"write <!-- /table:{opened[2]} --> behind the table")
    return found


def fill(text: str, tables: Mapping[str, Callable[[], str]], where: str) -> str:
    """Return `text` with what stands between each pair of markers replaced.

    Raises
    ------
    ValueError
        If markers are not in order, or name no table.
    """
    parts: list[str] = []
    done = 0
    for name, (begin, end) in markers(text, where).items():
        if name not in tables:
            raise ValueError(f"{where}: <!-- table:{name} --> names no table; there are "
                             + ", ".join(sorted(tables)) + nearest(name, tables))
        parts += [text[done:begin], f"\n{tables[name]()}\n"]
        done = end
    return "".join(parts) + text[done:]
