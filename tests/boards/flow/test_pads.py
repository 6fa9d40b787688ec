"""Ways from the SDRAM's pads are bounded by what the phase of its clock allows."""

import json

import pytest

from boards.catalogue import BOARDS
from boards.flow.build import _check_pads
from hw.fpga.routing import pad_paths
from hw.fpga.tools import ToolError


def path(begin: str, end: str, *delays: float) -> dict:
    return {"from": begin, "to": end, "path": [{"delay": d} for d in delays]}


@pytest.mark.parametrize("delay,refused", [(9.0, False), (10.0, True)])
def test_a_way_that_is_too_long_is_refused(delay, refused, tmp_path):
    (tmp_path / "report.json").write_text(json.dumps({"critical_paths": [
        path("<async>", "posedge clk", 0.5, delay - 0.5), path("posedge clk", "<async>", 7.0),
        path("posedge clk", "posedge clk", 19.0), path("<async>", "<async>", 30.0)]}))
    assert pad_paths(tmp_path / "report.json") == (delay, 7.0)
    _check_pads(BOARDS["orangecrab-85f"], tmp_path)  # which has no SDRAM
    if refused:
        with pytest.raises(ToolError, match=r"takes 10\.0 ns to its register; .* allows 9\.5"):
            _check_pads(BOARDS["ulx3s-25f"], tmp_path)
    else:
        _check_pads(BOARDS["ulx3s-25f"], tmp_path)
