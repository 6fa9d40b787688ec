"""What is cached depends on the sources that it is made from, and on no others."""

import importlib
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import hw.gateware.verilog
from boards.catalogue import BOARDS
from boards.virtual.board import VirtualBoard
from boards.virtual.simulated import board_memory
from hw.support.sources import edited, sources_key, sources_of

HW = Path(hw.gateware.verilog.__file__).parents[1]


def test_verilog_depends_on_gateware_and_not_on_what_is_done_with_it():
    found = {str(f.relative_to(HW)) for f in sources_of(HW / "gateware" / "verilog.py")}
    assert {"gateware/verilog.py", "config.py", "isa.py", "gateware/compute/post.py",
            "gateware/fuse.py", "gateware/micro/program.py", "registers.py"} <= found
    assert not {"build.py", "fpga/routing.py", "support/files.py", "support/errors.py",
                "support/console.py"} & found


def test_a_board_depends_on_its_link_and_the_accelerator(monkeypatch):
    """By the names under which its models are kept."""
    named = []
    monkeypatch.setattr("boards.virtual.board.build_shared",
                        lambda top, design, generators, *more, **options: named.append(generators))
    system = BOARDS["ulx3s-12f"].system(BOARDS["ulx3s-12f"].config)
    with suppress(Exception):
        VirtualBoard(system)
    for generator, links in ((named[0][0], True), (board_memory(system).generator, False)):
        names = {f.name for f in sources_of(Path(str(sys.modules[generator].__file__)))}
        assert {"sdram.py", "banks.py", "bursts.py", "words.py", "memory.py"} <= names
        assert not links or {"link.py", "uart.py", "requests.py", "frames.py"} <= names
        assert not {"__main__.py", "build.py", "board.py"} & names


def test_an_edit_at_any_depth_gives_another_key(tmp_path, monkeypatch):
    monkeypatch.setattr("hw.support.sources._ROOT", tmp_path)
    package = tmp_path / "shop"
    package.mkdir()
    texts = {"__init__": "", "top": "from . import middle\nfrom .far import deep\nimport os\n",
             "middle": "import shop.other\n", "other": "x = 1\n", "far": "deep = 1\n",
             "aside": "y = 1\n"}
    for name, text in texts.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    top = importlib.import_module("shop.top")
    before = sources_key("shop.top")
    assert sources_key(top) == before
    for name, changes in (("other", True), ("far", True), ("aside", False)):
        (package / f"{name}.py").write_text(texts[name] + "# changed\n")
        assert (sources_key("shop.top") != before) == changes
        (package / f"{name}.py").write_text(texts[name])


def test_a_source_that_changes_after_the_start_is_noticed(tmp_path, monkeypatch):
    source = tmp_path / "shop2.py"
    source.write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    shop2 = importlib.import_module("shop2")
    began = time.time()
    monkeypatch.setattr("hw.support.sources._BEGAN", began)
    os.utime(source, (began - 1, began - 1))
    assert not edited(shop2.__name__)
    os.utime(source, (began + 1, began + 1))
    assert edited(shop2.__name__)
