"""Verilog is kept by what it is generated from."""

from functools import partial

from sim.verilated.rtl import cached_rtl


def one_module(name: str) -> dict[str, str]:
    return {name: "module"}


def test_designs_of_one_configuration_are_kept_apart(monkeypatch, tmp_path):
    monkeypatch.setenv("PARTITA_CACHE", str(tmp_path))
    said: list[str] = []
    for name in ("board", "memory", "board"):
        found = cached_rtl(name, "config", (), partial(one_module, name), said.append)
        assert found == {name: "module"}
    assert said == ["generating RTL: board", "generating RTL: memory"]
