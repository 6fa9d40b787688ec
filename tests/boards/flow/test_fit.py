"""Whether a board holds a network is told before anything is built."""

import pytest

from boards.__main__ import main
from boards.catalogue import BOARDS, find
from boards.flow import commands
from boards.flow.fit import check_network
from boards.machines import machines
from sw.lowering.errors import DoesNotFit
from sw.networks.shapes import shape_graph
from tests.support.own import write_own


def test_a_network_fits_a_board_with_memory_and_no_smaller_one():
    graph = shape_graph("digits", "fc", 1)
    board = find("ulx3s-12f")
    assert 0 < check_network(board, board.config, graph) < 32 << 20
    small = find("orangecrab-25f")
    with pytest.raises(DoesNotFit, match=r"^network digits: needs .* there are 73,728 on the "):
        check_network(small, small.config, graph)


def test_a_board_is_not_built_for_a_network_that_does_not_fit(tmp_path, monkeypatch, capsys):
    own = write_own(tmp_path)

    def build(*args, **options):
        raise AssertionError("it is built")

    monkeypatch.setattr(commands, "build", build)
    out = ["--out", str(tmp_path / "out")]
    assert main(["build", "orangecrab-25f", "--network", "digits", "--partitions", "1", *out]) == 4
    assert "bytes of memory; there are 73,728 on the OrangeCrab" in capsys.readouterr().err
    with pytest.raises(AssertionError, match="it is built"):
        main(["build", "ulx3s-12f", "--network", str(own.onnx), *out])
    assert "own fits: " in capsys.readouterr().err
    with pytest.raises(AssertionError, match="it is built"):  # pruned as the board runs it
        main(["build", "orangecrab-25f", "--network", "digits", *out])
    assert "digits fits: " in capsys.readouterr().err


def test_every_board_is_a_machine_with_its_own_clock_and_memory():
    for machine in machines():
        board = BOARDS[machine.name]
        assert (machine.config, machine.clock_mhz) == (board.config, board.clock_mhz)
        assert machine.memory_bytes == board.system().memory_bytes
