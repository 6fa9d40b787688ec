"""Results that notebooks show: as a table of HTML, and as a DataFrame of pandas."""

import html
from collections.abc import Sequence
from typing import Any

from .errors import ToolMissingError
from .text import printable

__all__ = ["Tabular"]

Row = dict[str, Any]


class Tabular:
    """A result that is a table: what has `table` has `to_pandas`, and shows `summary`, or the same,
    in a notebook."""

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

    def _repr_html_(self) -> str:
        rows = self.summary()
        heads = dict.fromkeys(name for row in rows for name in row)
        lines = [_line("th", heads), *(_line("td", [row.get(x) for x in heads]) for row in rows)]
        return f"<table>{''.join(lines)}</table>"


def _line(tag: str, cells: Any) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(_text(x))}</{tag}>" for x in cells) + "</tr>"


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1e4 else \
        f"{value:,.0f}" if isinstance(value, float) else printable(str(value))
