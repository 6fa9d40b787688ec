"""Tables in a terminal show whole numbers, however narrow it is."""

import pytest

from hw.support.console import console
from sw.report.console import print_report
from tests.sw.report.test_page import example


@pytest.mark.parametrize("width", [80, 120])
def test_no_number_is_cut(width, capsys):
    report, shown = example(images=4), console()
    shown.width = width
    print_report(report, shown)
    text = capsys.readouterr().out
    assert "…" not in text
    for arm in report.arms:
        assert f"{arm.cycles:,}" in text and f"{arm.name}: " in text
    assert "all 4 images" in text
    heads = [line.split() for line in text.splitlines() if line.startswith("arm  ")]
    assert any("memories" in words for words in heads) == (width > 100)
    assert max(map(len, text.splitlines())) <= width
