"""The check of a board that is plugged in, as a command line asks for it."""

import dataclasses
import json

import pytest

from boards.__main__ import main
from boards.catalogue import BOARDS
from boards.host import checking
from boards.host.clock import RATES
from boards.host.memorytest import blocks
from boards.protocol import MOST_WAIT_S
from tests.support.fakeboard import FakeBoard
from tests.support.present import present

NAME, SIZE = "ulx3s-25f", 1 << 18
#: Above the middle, in a block that is not among those that are tested where nobody says.
UPPER = next(k for k in range(SIZE * 3 // 4, SIZE, 1024) if k not in blocks(SIZE, most=128))


@pytest.fixture
def check(monkeypatch, tmp_path, capsys):
    """Check a board in Python with faults, and return what was found of it, by name."""
    board = BOARDS[NAME]
    chip = dataclasses.replace(present(board.sdram), rows=64)
    monkeypatch.setitem(BOARDS, NAME, dataclasses.replace(board, sdram=chip))

    def ask(*options: str, **faults) -> dict[str, dict]:
        fake = FakeBoard(board.config, size=SIZE, **faults)
        monkeypatch.setattr(checking, "_plugged_in", lambda path, baud: checking._Place(
            path=path, baud=baud, connect=lambda baud: fake, patience={"clock": fake.clock},
            searching={}, sleep=fake.sleep, now=fake.clock))
        code = main(["check", NAME, "--port", "/dev/x", "--out", str(tmp_path), "--json",
                     *options])
        told = json.loads(capsys.readouterr().out)
        assert code == (0 if told["ok"] else 1)
        return {f["what"]: f for f in told["findings"]}

    monkeypatch.setattr("boards.host.check._core", lambda *args: checking.Finding(
        "accelerator", True, "left out: there is none"))
    return ask


def test_the_whole_memory_is_marched_over_where_that_is_asked_for(check):
    weak = range(UPPER + 5, UPPER + 6)
    some = check(weak=weak)
    assert all(f["ok"] for f in some.values()), some
    assert ", 131,072 of 262,144 tested" in some["memory"]["found"]
    whole = check("--whole", weak=weak)
    assert next(what for what, f in whole.items() if not f["ok"]) == "memory"
    assert f"the first at 0x{UPPER + 5:x}, 262,144 of" in whole["memory"]["found"]


def test_what_fades_within_ten_seconds_is_found(check):
    assert check(fades_after_s=10.5)["retention"]["ok"]
    found = check(fades_after_s=9.5)
    assert [what for what, f in found.items() if not f["ok"]] == ["retention"]
    assert "after 10 s: " in found["retention"]["found"]


def test_a_simulated_board_is_run_simulated():
    board = BOARDS[NAME]
    assert checking._sum_up(board, [], True).endswith(f"python -m boards run {NAME} --virtual")
    assert checking._sum_up(board, [], False).endswith(f"python -m boards run {NAME} --port auto")


def test_a_silent_board_is_looked_for_at_other_rates_in_seconds():
    place = checking._plugged_in("/dev/x", 3_000_000)
    waits, wait = [], place.searching["timeout_s"]
    for _ in range(present(place.searching.get("greetings"))):
        waits.append(wait)
        wait = min(2 * wait, MOST_WAIT_S)
    assert len(RATES) * sum(waits) < 15
