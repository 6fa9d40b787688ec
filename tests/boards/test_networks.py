"""Every board runs a network, or says that it is built for only."""

import contextlib

import pytest

from boards.catalogue import BOARDS
from boards.deploy.task import compiled_for
from sw.lowering.errors import DoesNotFit
from sw.networks.shapes import shape_graph

RUNS = [n for n, b in BOARDS.items() if b.network]


@pytest.mark.parametrize("name", RUNS)
def test_the_network_that_a_board_names_fits_its_memory(name):
    board = BOARDS[name]
    parts = max(board.partitions, board.config.instances)
    graph = shape_graph(board.network, "fc", parts)
    program = compiled_for(graph, board.config, board)
    assert program.window_bytes <= board.system().memory_bytes


@pytest.mark.parametrize("name", [n for n in BOARDS if n not in RUNS])
def test_a_board_that_builds_only_has_no_room_and_says_so(name, capsys):
    board = BOARDS[name]
    graph = shape_graph("digits", "fc", 32)
    with contextlib.suppress(DoesNotFit):
        pytest.fail(f"{compiled_for(graph, board.config, board)} fits")
    assert "it can be built for and loaded only" in board.note


def test_the_smallest_network_is_for_the_smallest_board():
    assert "icebreaker" in RUNS
