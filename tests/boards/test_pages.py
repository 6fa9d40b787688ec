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
    for command in ("build", "flash", "check", *(["run"] if board.network else [])):
        assert re.search(rf"python -m boards {command} {name.split('-')[0]}", page), command


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_that_the_board_was_not_tried(name):
    assert PAGES[name].splitlines()[2].startswith("**Not yet tried on hardware.**")
    assert {name} & {board.split("-")[0] for board in BOARDS}
