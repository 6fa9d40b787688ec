"""A user's own network on a virtual board, through its serial port."""

import dataclasses
import json

import pytest

from boards.__main__ import main
from boards.catalogue import BOARDS, Board
from sw import check
from tests.support.own import write_own
from tests.support.systems import CONFIG, SDRAM

pytestmark = pytest.mark.builds


def test_an_onnx_file_runs_on_a_board_as_in_simulation(tmp_path, monkeypatch, capsys):
    own, name = write_own(tmp_path), "ulx3s-85f"
    monkeypatch.setattr(Board, "system", lambda self, config=None, **changes: SDRAM)
    monkeypatch.setitem(BOARDS, name, dataclasses.replace(BOARDS[name], config=CONFIG))
    arguments = ["run", name, "--virtual", "--network", str(own.onnx), "--json"]
    for more, network in ((["--data", str(own.images), "--partitions", "8"], "own-p8"),
                          ([], "own")):
        assert main([*arguments, *more]) == 0
        data = json.loads(capsys.readouterr().out)
        assert data["network"] == network
        image, = data["images"]
        assert image["bit_exact"] and image["differences"] == []
        assert (image["expected"] is None) == (network == "own")
    assert check.main([str(own.onnx), "--board", name, "--json"]) == 0  # of the last
    predicted = json.loads(capsys.readouterr().out)["cycles"]
    assert predicted == pytest.approx(image["cycles"], rel=0.06)
