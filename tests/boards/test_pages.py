"""Each board has a page that leads from its box to the first digit, and says what it is not."""

import re
from pathlib import Path

import pytest

from boards.catalogue import BOARDS

FOLDER = Path(__file__).parents[2] / "boards" / "pages"
PAGES = {path.stem: path.read_text() for path in FOLDER.glob("*.md")}


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_has_a_page(name):
    page = PAGES[name.split("-")[0]]
    board = BOARDS[name]
    assert name in page or board.device.name.removeprefix("LFE5U") in page
    for command in ("build", "flash", "check", "run"):
        assert re.search(rf"python -m boards {command} {name.split('-')[0]}", page), command


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_that_the_board_was_not_tried(name):
    assert PAGES[name].splitlines()[2].startswith("**Not yet tried on hardware.**")
    assert {name} & {board.split("-")[0] for board in BOARDS}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_what_is_printed_of_a_board_as_it_is(name):
    page = PAGES[name]
    boards = [board for board in BOARDS.values() if board.name.split("-")[0] == name]
    checked = re.findall(r"^ {7}ok {6}(\w+(?: \w+)?) {2,}(.*)$", page, re.MULTILINE)
    assert [what for what, _ in checked] == [
        "identity", "link", "data pins", "address pins", "memory", "retention", "clock",
        "accelerator"]
    found = dict(checked)
    board, *_ = [b for b in boards if f"configuration {b.config.digest[:8]}," in found["identity"]]
    assert f"{board.system().memory_bytes:,} bytes tell" in found["address pins"]
    assert found["clock"].startswith(f"{board.clock_mhz:.3f} MHz, give or take 0.")
    images = re.findall(r"^ +image \d: class \d; is \d; ([\d,]+) cycles, ([\d.]+) ms at ([\d.]+) "
                        r"MHz; bit-exact; cycles as in simulation$", page, re.MULTILINE)
    assert images and all(float(ms) == round(int(cycles.replace(",", "")) / 1000 / float(mhz), 2)
                          and float(mhz) == board.clock_mhz for cycles, ms, mhz in images)
