"""Ways between pads and registers are bounded by what the clocks allow."""

import json

import pytest

from boards.catalogue import BOARDS
from boards.flow.build import _check_pads
from hw.fpga.routing import pad_paths, pad_registers
from hw.fpga.tools import ToolError


def path(begin: str, end: str, *delays: float) -> dict:
    return {"from": begin, "to": end, "path": [{"delay": d} for d in delays]}


def write_report(folder, *, into: float = 9.0, out: float = 7.0, registers: int = 37) -> None:
    (folder / "report.json").write_text(json.dumps({
        "critical_paths": [
            path("<async>", "posedge clk", 0.5, into - 0.5), path("posedge clk", "<async>", out),
            path("posedge clk", "posedge clk", 19.0), path("<async>", "<async>", 30.0)],
        "utilization": {"IOLOGIC": {"used": registers - 2}, "SIOLOGIC": {"used": 2}}}))


def test_ways_that_are_short_enough_pass(tmp_path):
    write_report(tmp_path)
    assert pad_paths(tmp_path / "report.json") == (9.0, 7.0)
    assert pad_registers(tmp_path / "report.json") == 37
    for name in ("ulx3s-25f", "orangecrab-85f", "icebreaker", "tangnano20k"):
        _check_pads(BOARDS[name], tmp_path)


@pytest.mark.parametrize(("name", "wrong", "said"), [
    ("ulx3s-25f", {"into": 10.0}, r"takes 10\.0 ns to its register; .* allows 9\.5: no"),
    ("ulx3s-25f", {"out": 21.0}, r"gets its value 21\.0 ns after the clock, .* period of 20\.0"),
    ("icebreaker", {"out": 84.0}, r"its value 84\.0 ns after the clock, .* period of 83\.3"),
    ("ulx3s-25f", {"registers": 36}, "36 pads have registers; the SDRAM has 37 pins that need one"),
])
def test_a_way_that_is_too_long_is_refused(name, wrong, said, tmp_path):
    write_report(tmp_path, **wrong)
    if "out" not in wrong:
        _check_pads(BOARDS["orangecrab-85f"], tmp_path)  # which has no SDRAM
    with pytest.raises(ToolError, match=said):
        _check_pads(BOARDS[name], tmp_path)
