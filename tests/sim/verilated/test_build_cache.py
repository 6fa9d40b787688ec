"""Models in the cache are used without a compiler; what is not there asks for one."""

from pathlib import Path

import pytest

from hw.config import PRESETS
from hw.support import entries as cache
from hw.support.errors import ToolMissingError
from sim.verilated import build as verilator
from sim.verilated import compile as compiler
from sim.verilated import rtl, tools
from sim.verilated.memory import RtlMemory

TINY = PRESETS["tiny"]
pytestmark = pytest.mark.builds  # as far as the marks can tell


class Work:
    """What is done, in place of Verilator and the compiler; C++ is the Verilog but for its
    comments."""

    def __init__(self, monkeypatch, tmp_path):
        self.generated, self.prepared, self.compiled = 0, 0, 0
        self.rtl = "module core;"
        monkeypatch.setenv("PARTITA_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(verilator, "generate", self.generate)
        monkeypatch.setattr(verilator, "_prepare", self.prepare)
        monkeypatch.setattr(compiler, "compile_model", self.compile)
        monkeypatch.setattr(tools.shutil, "which", lambda tool: f"/usr/bin/{tool}")

    def generate(self, config, *, clock_gates: bool) -> dict[str, str]:
        self.generated += 1
        return {"core": self.rtl}

    def prepare(self, folder: Path, config, texts: dict[str, str], *more) -> None:
        self.prepared += 1
        (folder / "core.cpp").write_text(texts["core"].partition("//")[0].strip())

    def compile(self, folder: Path, *more) -> Path:
        self.compiled += 1
        (folder / "model.so").write_bytes(b"a library")
        return folder / "model.so"

    @property
    def done(self) -> tuple[int, int, int]:
        return self.generated, self.prepared, self.compiled


@pytest.fixture
def work(tmp_path, monkeypatch) -> Work:
    return Work(monkeypatch, tmp_path)


def test_a_model_in_the_cache_asks_for_no_compiler(work, monkeypatch):
    library = verilator.build(TINY)
    cache._checked.clear()
    monkeypatch.setattr(tools.shutil, "which", lambda tool: None)
    assert verilator.build(TINY) == library
    with pytest.raises(ToolMissingError, match="install them with: sudo apt-get install g"):
        verilator.build(TINY.replace(instances=1))
    assert [p.name for p in library.parents[1].glob("plain-*")] == [library.parent.name]


def test_what_leaves_the_next_step_as_it_is_makes_nothing_again(work, monkeypatch):
    library = verilator.build(TINY)
    assert work.done == (1, 1, 1)
    assert verilator.build(TINY) == library and work.done == (1, 1, 1)
    assert verilator.build(TINY, kind="activity") != library
    assert work.done == (1, 2, 2)  # kinds of builds share their Verilog
    monkeypatch.setattr(rtl, "sources_key", lambda *modules: "an edited generator")
    assert verilator.build(TINY) == library and work.done == (2, 2, 2)
    monkeypatch.setattr(rtl, "sources_key", lambda *modules: "one that writes a comment")
    work.rtl += "  // of the core"
    assert verilator.build(TINY) == library and work.done == (3, 3, 2)
    monkeypatch.setattr(rtl, "sources_key", lambda *modules: "one that changes the hardware")
    work.rtl = "module core; wire other;"
    assert verilator.build(TINY) != library and work.done == (4, 4, 3)


def test_a_lost_or_damaged_library_is_made_again(work):
    library = verilator.build(TINY)
    cache._checked.clear()
    library.write_bytes(b"damaged")
    assert verilator.build(TINY).read_bytes() == b"a library"
    assert work.done == (1, 2, 2)


def test_verilog_of_sources_that_changed_meanwhile_is_not_kept(work, monkeypatch):
    monkeypatch.setattr(rtl, "edited", lambda *modules: True)
    library = verilator.build(TINY)
    assert verilator.build(TINY) == library and work.done == (2, 1, 1)
    assert not list(library.parents[1].glob("rtl-*"))


def test_other_options_of_the_compiler_make_another_library(work, monkeypatch, tmp_path):
    """Of the accelerator with a memory in Verilog, too, whose Verilog is the same."""
    monkeypatch.setattr(verilator, "_verilate", lambda folder, top, texts, say: None)
    header = tmp_path / "port.h"
    header.write_text("")
    made = {verilator.build(TINY, memory=RtlMemory("design", "hw.gateware.verilog", lambda: {},
                                                   header, macros))
            for macros in ((), ("-DPARTITA_SDRAM",), ())}
    assert len(made) == 2
