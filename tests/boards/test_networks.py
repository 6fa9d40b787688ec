"""Every board runs a network with its preset."""

import pytest

from boards.__main__ import main
from boards.catalogue import BOARDS
from boards.deploy.task import compiled_for
from sw.networks.shapes import shape_graph


@pytest.mark.parametrize("name", BOARDS)
def test_the_network_that_a_board_names_fits_its_memory(name):
    board = BOARDS[name]
    parts = max(board.partitions, board.config.instances)
    graph = shape_graph(board.network, board.prune, parts)
    program = compiled_for(graph, board.config, board)
    assert program.window_bytes <= board.system().memory_bytes


@pytest.mark.parametrize(("name", "runs"), [
    ("icebreaker", "digits, pruned to 16 partitions"),
    ("tangnano20k", "digits, all layers but the first and the last pruned to 16 partitions"),
])
def test_what_runs_is_listed(name, runs, capsys):
    assert main(["list"]) == 0
    about = capsys.readouterr().out.split(f"\n{name} ")[1]
    assert f"runs:   {runs}; not tried on hardware yet" in about.splitlines()[4]

