"""Verilog is kept by what it is generated from."""

import sys
from pathlib import Path

from boards.virtual.simulated import board_memory
from hw.support.sources import sources_of
from sim.verilated.rtl import cached_rtl
from tests.support.systems import SDRAM


def test_designs_of_one_configuration_are_kept_apart(monkeypatch, tmp_path):
    monkeypatch.setenv("PARTITA_CACHE", str(tmp_path))
    said = []
    for name in ("board", "memory", "board"):
        found = cached_rtl(name, "config", (), lambda name=name: {name: "module"}, said.append)
        assert found == {name: "module"}
    assert said == ["generating RTL: board", "generating RTL: memory"]


def test_a_boards_memory_depends_on_its_controller():
    generator = sys.modules[board_memory(SDRAM).generator].__file__
    assert "sdram.py" in {f.name for f in sources_of(Path(str(generator)))}
