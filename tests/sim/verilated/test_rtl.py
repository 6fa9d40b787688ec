"""Verilog is kept by what it is generated from."""

from sim.verilated.rtl import cached_rtl


def test_designs_of_one_configuration_are_kept_apart(monkeypatch, tmp_path):
    monkeypatch.setenv("PARTITA_CACHE", str(tmp_path))
    said = []
    for name in ("board", "memory", "board"):
        found = cached_rtl(name, "config", (), lambda name=name: {name: "module"}, said.append)
        assert found == {name: "module"}
    assert said == ["generating RTL: board", "generating RTL: memory"]
