"""What notebooks show: as a table of HTML or of text, and as a DataFrame of pandas."""

import html
from collections.abc import Sequence
from typing import Any

from .errors import ToolMissingError
from .text import printable

__all__ = ["Tabular"]

Row = dict[str, Any]


class Tabular:
    """What can be shown as a table: what has `table` has `to_pandas`, and shows `summary`, or the
    same, in a notebook and where it is printed, instead of its arrays. A dataclass of this kind has
    `repr=False`."""

    def table(self) -> Sequence[Row]:
        """Rows, by the names of their columns."""
        raise NotImplementedError

    def summary(self) -> Sequence[Row]:
        """The rows that are shown."""
        return self.table()

    def to_pandas(self) -> Any:
        """The table as a `pandas.DataFrame`; raises ToolMissingError without pandas."""
        try:
            import pandas
        except ImportError:
            raise ToolMissingError("pandas is missing: pip install pandas (table() gives the same "
                                   "rows as dictionaries)") from None
        return pandas.DataFrame(list(self.table()))

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        """Heads of what is shown, and the cells of each row."""
        rows = self.summary()
        heads = list(dict.fromkeys(name for row in rows for name in row))
        return heads, [[_text(row.get(x)) for x in heads] for row in rows]

    def _repr_html_(self) -> str:
        heads, rows = self._cells()
        lines = [_line("th", heads), *(_line("td", row) for row in rows)]
        return f"<table>{''.join(lines)}</table>"

    def __repr__(self) -> str:
        heads, rows = self._cells()
        widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
        lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in (heads, *rows))
        return "\n".join((type(self).__name__, *lines))


def _line(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(x)}</{tag}>" for x in cells) + "</tr>"


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1e4 else \
        f"{value:,.0f}" if isinstance(value, float) else printable(str(value))
