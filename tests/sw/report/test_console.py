"""Tables in a terminal show whole numbers, however narrow it is."""

from dataclasses import replace

import pytest

from hw.support.console import console
from sw.report.console import print_report
from tests.sw.report.test_page import example


@pytest.mark.parametrize("width", [80, 120])
def test_long_names_give_way_to_numbers(width, capsys):
    """As those of ONNX files; each keeps its beginning and its end."""
    report, shown = example(), console()
    shown.width = width
    big = [replace(x, name=f"/blocks/blocks.{k}/body/body.2/pool/GlobalAveragePool", macs=10 ** 9,
                   cycles=10 ** 7, port_bytes=10 ** 8)
           for k, x in enumerate(report.arms[0].layers)]
    print_report(replace(report, arms=(replace(report.arms[0], layers=tuple(big)),)), shown)
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("/blo"))
    assert line.split()[0].count("…") in (1, 2) and "1,000,000,000" in line
    assert "10,000,000 " in line and "100,000,000" in line


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


def test_there_is_no_table_against_an_arm_that_did_not_run(capsys):
    for arms, there in ((example().arms, True), (example().arms[1:], False)):
        print_report(example(arms=arms), console(wide=True))
        assert ("cycles, against dense-1" in capsys.readouterr().out) == there
