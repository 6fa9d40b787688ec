"""The check of a board, on a simulated one: through pseudo-terminal, link, controller and chip."""

import dataclasses
import json

import pytest

from boards.__main__ import main
from boards.catalogue import BOARDS, Board
from boards.host import checking
from boards.host.check import Scope
from tests.support.systems import CONFIG, SDRAM

pytestmark = pytest.mark.builds

NAME = "ulx3s-85f"


@pytest.fixture
def small_board(monkeypatch):
    """The board of `SDRAM` under the name of another, and a small check."""
    monkeypatch.setattr(Board, "system", lambda self, config=None, **changes: SDRAM)
    monkeypatch.setitem(BOARDS, NAME, dataclasses.replace(BOARDS[NAME], config=CONFIG))
    monkeypatch.setattr(checking, "_VIRTUAL_SCOPE", Scope(
        link_bytes=4096, blocks=3, retention_s=0.004))


def test_a_simulated_board_is_in_order_and_the_form_is_filled_in(small_board, tmp_path, capsys):
    form = tmp_path / "form.txt"
    assert main(["check", NAME, "--virtual", "--json", "--report", str(form)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [f["what"] for f in told["findings"]] == [
        "identity", "link", "data pins", "address pins", "memory", "retention", "accelerator"]
    assert all(f["ok"] for f in told["findings"]), told
    lines = form.read_text().splitlines()
    assert len(lines) == 10 and lines[0] == "board: ULX3S-85F (LFE5U-85F)"
    assert sum(line.endswith(": ?") for line in lines) == 5
