"""The check of a board, on a simulated one: through pseudo-terminal, link, controller and chip."""

import dataclasses
import json
import re

import pytest

from boards.__main__ import main
from boards.catalogue import BOARDS, Board
from boards.host import checking
from boards.host.check import Scope
from boards.host.clock import Interval, measure_clock
from boards.virtual.board import VirtualBoard
from boards.virtual.chip import Faults
from tests.support.systems import CONFIG, MICROCODED, RAM, SDRAM, backend

pytestmark = pytest.mark.builds

NAME = "ulx3s-85f"


@pytest.fixture
def small_board(monkeypatch):
    """The board of `SDRAM` under the name of another, and a small check."""
    monkeypatch.setattr(Board, "system", lambda self, config=None, **changes: SDRAM)
    monkeypatch.setitem(BOARDS, NAME, dataclasses.replace(BOARDS[NAME], config=CONFIG))
    monkeypatch.setattr(checking, "_VIRTUAL_SCOPE", Scope(
        link_bytes=1024, blocks=3, retention_s=0.004, clock_s=0.02))


def clock_in(found: str) -> tuple[float, float]:
    """A clock that a finding tells, in MHz, and by which it may be off."""
    match = re.search(r"([\d.]+) MHz, give or take ([\d.]+)", found)
    assert match, found
    return float(match[1]), float(match[2])


def test_a_simulated_board_is_in_order_and_the_form_is_filled_in(small_board, tmp_path, capsys):
    form = tmp_path / "form.txt"
    assert main(["check", NAME, "--virtual", "--json", "--report", str(form)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [f["what"] for f in told["findings"]] == [
        "identity", "link", "data pins", "address pins", "memory", "retention", "clock",
        "accelerator"]
    assert all(f["ok"] for f in told["findings"]), told
    mhz, doubt = clock_in(told["findings"][6]["found"])
    assert abs(mhz - 50) <= doubt < 2.5
    lines = form.read_text().splitlines()
    assert len(lines) == 10 and lines[0] == "Partita's board: ULX3S-85F (LFE5U-85F)"
    assert sum(line.endswith(": ?") for line in lines) == 5


@pytest.mark.parametrize(("fault", "first", "said"), [
    ("stuck-data-pin", "data pins", "DQ5 reads 1 always: open, or shorted to the supply"),
    ("swapped-address-pins", "address pins", "A8 as a column's has no effect: what was written to "
     "0x200 is at 0; as a row's A8 has one: it is swapped with a pin that columns do not use, A9"),
    ("no-refresh", "retention", "what is written fades: the memory is not refreshed"),
    ("dropped-bytes", "link", "bytes are lost or damaged on the way"),
    ("wrong-clock", "clock", "it answers at 1,000,000 baud, not 2,000,000: its clock is "),
    ("slow-clock", "clock", "; not 50: is the board's oscillator one of 25 MHz"),
])
def test_what_is_broken_about_a_simulated_board_is_told_in_words(
        fault, first, said, small_board, monkeypatch, capsys):
    # What is lost is waited for: one byte of a link's test, and few of what comes after it.
    lossy = fault == "dropped-bytes"
    scope = Scope(link_bytes=2600 if lossy else 600, blocks=2, core=False, clock_s=0.02,
                  retention_s=0.02 if fault == "no-refresh" else 1e-4)
    monkeypatch.setattr(checking, "_VIRTUAL_SCOPE", scope)
    monkeypatch.setattr(checking, "_LOST_S", 0.001)
    monkeypatch.setitem(checking.FAULTS, "dropped-bytes", Faults(drop_every=2500))
    monkeypatch.setitem(checking.FAULTS, "no-refresh", Faults(refresh=False, fades_after_s=0.018))
    assert main(["check", NAME, "--virtual", "--inject", fault, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    broken = [f for f in told["findings"] if not f["ok"]]
    assert broken[0]["what"] == first and said in broken[0]["found"], told
    if fault == "wrong-clock":
        mhz, doubt = clock_in(broken[0]["found"])
        assert abs(mhz - 25) <= doubt < 12


@pytest.mark.parametrize("system", [SDRAM, RAM, MICROCODED], ids=["sdram", "ram", "microcoded"])
def test_a_clock_is_measured_as_it_is(system):
    with VirtualBoard(system) as board:
        link = backend(board)
        began = board.cycles

        def now() -> float:
            return (board.cycles - began) / (0.9 * 1e6 * system.clock_mhz)

        found = measure_clock(system, link, Interval(seconds=0.004, now=now, sleep=lambda s:
                                                     board.run(round(s * system.clock_mhz * 1e6))))
        assert found.least <= 0.9 * system.clock_mhz <= found.most < 0.95 * system.clock_mhz
        assert not board.running
