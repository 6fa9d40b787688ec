"""Models in the cache are used without a compiler; what is not there asks for one."""

import pytest

from hw.config import PRESETS
from hw.support import entries as cache
from hw.support.errors import ToolMissingError
from sim.verilated import build as verilator
from sim.verilated import rtl, tools

TINY = PRESETS["tiny"]


def test_a_model_in_the_cache_asks_for_no_compiler(tmp_path, monkeypatch):
    monkeypatch.setenv("PARTITA_CACHE", str(tmp_path / "cache"))

    def make(folder, *more):
        (folder / "model.so").write_bytes(b"a library")
        return folder / "model.so"

    monkeypatch.setattr(verilator, "_build_in", make)
    monkeypatch.setattr(verilator, "generate", lambda config: {})
    monkeypatch.setattr(tools.shutil, "which", lambda tool: f"/usr/bin/{tool}")
    library = verilator.build(TINY)
    cache._checked.clear()
    monkeypatch.setattr(tools.shutil, "which", lambda tool: None)
    assert verilator.build(TINY) == library
    with pytest.raises(ToolMissingError, match="install them with: sudo apt-get install g"):
        verilator.build(TINY.replace(instances=1))
    assert sorted(p.name for p in (tmp_path / "cache").glob("plain-*")) == [library.parent.name]


def test_a_library_is_known_by_its_verilog_and_not_by_what_generated_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PARTITA_CACHE", str(tmp_path / "cache"))
    made, generated = [], []

    def make(folder, *more):
        made.append(folder)
        (folder / "model.so").write_bytes(b"a library")
        return folder / "model.so"

    def generate(config):
        generated.append(config)
        return {"core": "module core; endmodule", "shell": f"module shell; {comment} endmodule"}

    monkeypatch.setattr(verilator, "_build_in", make)
    monkeypatch.setattr(verilator, "generate", generate)
    comment = ""
    library = verilator.build(TINY)
    assert verilator.build(TINY, kind="activity") != library
    assert (len(made), len(generated)) == (2, 1)  # kinds of builds share their Verilog
    monkeypatch.setattr(rtl, "sources_key", lambda *modules: "an edited generator")
    assert verilator.build(TINY) == library
    assert (len(made), len(generated)) == (2, 2)
    comment = "wire other;"
    monkeypatch.setattr(rtl, "sources_key", lambda *modules: "another one")
    assert verilator.build(TINY) != library
