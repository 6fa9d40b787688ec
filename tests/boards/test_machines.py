"""Boards as machines that a network is checked for: their memory's time is in the prediction."""

import pytest

from boards.catalogue import BOARDS
from boards.deploy.task import compiled_for
from boards.machines import machines, memory_timing
from sw.compiler import compile_graph
from sw.compiler.compile import lower
from sw.cycles.prediction import predict_lowered
from tests.support.programs import random_network

MACHINES = {machine.name: machine for machine in machines()}
#: Board -> seed of `random_network` -> cycles of the simulation with the board's memory.
MEASURED = {
    "ulx3s-12f": {4003: 19_127, 4008: 122_976, 4010: 59_668},
    "ulx3s-45f": {4003: 13_099, 4008: 36_871, 4010: 44_957},
    "ulx3s-85f": {4002: 63_937, 4008: 35_552},
    "orangecrab-25f": {4003: 20_873, 4008: 137_721},
    "orangecrab-85f": {4003: 10_017, 4008: 59_012, 4010: 22_194}}
#: The same where the compiler knows of that memory.
FASTER = {("ulx3s-45f", 4003): 11_442, ("ulx3s-85f", 4002): 59_694}
#: Of several instances that wait for one SDRAM at once the model knows less.
WITHIN = {"ulx3s-45f": 0.03, "ulx3s-85f": 0.03}


@pytest.mark.parametrize(("name", "seed"), [
    (name, seed) for name, seeds in MEASURED.items() for seed in seeds])
def test_predicted_cycles_are_those_with_the_boards_memory(name, seed):
    machine = MACHINES[name]
    lowered = lower(random_network(seed), machine.config)
    found = predict_lowered(lowered, machine.memory(machine.config)).cycles
    assert found == pytest.approx(MEASURED[name][seed], rel=WITHIN.get(name, 0.02))


@pytest.mark.parametrize(("name", "seed"), FASTER)
def test_layers_are_split_as_is_fastest_with_the_boards_memory(name, seed):
    graph, machine = random_network(seed), MACHINES[name]
    times = machine.memory(machine.config)
    found = predict_lowered(lower(graph, machine.config, memory=times), times).cycles
    assert found == pytest.approx(FASTER[name, seed], rel=WITHIN[name])
    assert FASTER[name, seed] < 0.96 * MEASURED[name][seed]


def test_programs_for_a_board_are_those_of_its_memory():
    board, graph = BOARDS["ulx3s-45f"], random_network(4003)
    ours = compiled_for(graph, board.config, board)
    assert ours.layers == compile_graph(graph, board.config,
                                        memory=memory_timing(board, board.config)).layers
    assert ours.layers != compile_graph(graph, board.config).layers


def test_an_sdrams_beat_takes_as_many_cycles_as_it_has_words():
    board = MACHINES["ulx3s-12f"]
    four, eight = (board.memory(board.config.replace(port__bytes=n)).beat for n in (4, 8))
    assert eight == 2 * four and 2 < four < 2.1


def test_a_machine_prunes_networks_of_ours_as_the_board_runs_them():
    for name, board in BOARDS.items():
        machine = MACHINES[name]
        assert machine.parts == board.parts(board.config)
        assert machine.prune == board.prune
