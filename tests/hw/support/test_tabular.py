"""What notebooks show of a result, and that pandas is asked for by name."""

import sys
from types import SimpleNamespace

import pytest

from hw.support.errors import ToolMissingError
from hw.support.tabular import Tabular


class Two(Tabular):
    def table(self):
        return [{"layer": "<conv>", "cycles": 12345, "share": 0.25}, {"layer": "fc", "exact": True}]


def test_rows_are_a_table_of_html():
    assert Two()._repr_html_() == (
        "<table><tr><th>layer</th><th>cycles</th><th>share</th><th>exact</th></tr>"
        "<tr><td>&lt;conv&gt;</td><td>12,345</td><td>0.25</td><td>-</td></tr>"
        "<tr><td>fc</td><td>-</td><td>-</td><td>yes</td></tr></table>")


def test_what_is_printed_is_a_table_of_text():
    assert repr(Two()) == ("Two\n"
                           "layer   cycles  share  exact\n"
                           "<conv>  12,345  0.25   -\n"
                           "fc      -       -      yes")


def test_rows_are_a_data_frame_where_there_is_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=tuple))
    assert Two().to_pandas() == tuple(Two().table())
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ToolMissingError, match="pandas is missing: pip install pandas"):
        Two().to_pandas()
