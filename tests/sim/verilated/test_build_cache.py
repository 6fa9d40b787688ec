"""Models in the cache are used without a compiler; what is not there asks for one."""

import pytest

from hw.config import PRESETS
from hw.support import entries as cache
from hw.support.errors import ToolMissingError
from sim.verilated import build as verilator

TINY = PRESETS["tiny"]


def test_a_model_in_the_cache_asks_for_no_compiler(tmp_path, monkeypatch):
    monkeypatch.setenv("PARTITA_CACHE", str(tmp_path / "cache"))

    def make(folder, *more):
        (folder / "model.so").write_bytes(b"a library")
        return folder / "model.so"

    monkeypatch.setattr(verilator, "_build_in", make)
    monkeypatch.setattr(verilator, "generate", lambda config: {})
    monkeypatch.setattr(verilator.shutil, "which", lambda tool: f"/usr/bin/{tool}")
    library = verilator.build(TINY)
    cache._checked.clear()
    monkeypatch.setattr(verilator.shutil, "which", lambda tool: None)
    assert verilator.build(TINY) == library
    with pytest.raises(ToolMissingError, match="install them with: sudo apt-get install g"):
        verilator.build(TINY.replace(instances=1))
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [library.parent.name]
