"""Boards as machines that a network is checked for: their memory's time is in the prediction."""

import numpy as np
import pytest

from boards.api import board
from boards.catalogue import BOARDS
from boards.deploy.task import compiled_for
from boards.machines import machines, memory_timing
from sw.compiler import compile_graph
from sw.compiler.compile import lower
from sw.cycles.prediction import predict_lowered
from sw.driver.driver import Driver
from sw.reference.golden import run_golden
from tests.support.present import same
from tests.support.programs import random_network

MACHINES = {machine.name: machine for machine in machines()}
#: Board -> seed of `random_network` -> cycles of the simulated board.
MEASURED = {
    "ulx3s-12f": {4003: 19_127, 4008: 122_976, 4010: 59_668},
    "ulx3s-45f": {4003: 11_442, 4008: 36_871, 4010: 44_017},
    "ulx3s-85f": {4002: 59_694, 4003: 9_936, 4008: 34_549, 4013: 28_076},
    "orangecrab-25f": {4003: 20_873, 4008: 137_721},
    "orangecrab-85f": {4003: 10_017, 4008: 59_012, 4010: 22_194}}
CASES = [(name, seed) for name, seeds in MEASURED.items() for seed in seeds]
#: Of several instances that wait for one SDRAM at once the model knows less.
WITHIN = {"ulx3s-45f": 0.04, "ulx3s-85f": 0.04}


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_predicted_cycles_are_those_with_the_boards_memory(name, seed):
    machine = MACHINES[name]
    times = machine.memory(machine.config)
    found = predict_lowered(lower(random_network(seed), machine.config, memory=times), times)
    assert found.cycles == pytest.approx(MEASURED[name][seed], rel=WITHIN.get(name, 0.02))


@pytest.mark.slow
@pytest.mark.builds
@pytest.mark.parametrize(("name", "seed"), CASES)
def test_measured_cycles_are_those_of_the_simulated_board(name, seed):
    found, graph = board(name, virtual=True), random_network(seed)
    image = np.random.default_rng(0).integers(-128, 128, graph.in_shape, dtype=np.int8)
    program = compiled_for(graph, found.config, found.board)
    with found.opened(program) as link:
        driver = Driver(link)
        driver.load(program)
        result = driver.run(image)
    assert same(result.output, run_golden(graph, image)[-1])
    assert result.cycles == MEASURED[name][seed]


@pytest.mark.parametrize(("name", "seed"), [("ulx3s-45f", 4003), ("ulx3s-85f", 4013)])
def test_layers_are_split_as_is_faster_with_the_boards_memory(name, seed):
    graph, machine = random_network(seed), MACHINES[name]
    times = machine.memory(machine.config)
    ours, usual = (predict_lowered(lowered, times).cycles for lowered in (
        lower(graph, machine.config, memory=times), lower(graph, machine.config)))
    assert ours < 0.95 * usual


def test_programs_for_a_board_are_those_of_its_memory():
    known, graph = BOARDS["ulx3s-45f"], random_network(4003)
    times = memory_timing(known, known.config)
    ours = compiled_for(graph, known.config, known).layers
    assert board(known.name, virtual=True).memory == times
    assert ours == compile_graph(graph, known.config, memory=times).layers
    assert ours != compile_graph(graph, known.config).layers


def test_an_sdrams_beat_takes_as_many_cycles_as_it_has_words():
    machine = MACHINES["ulx3s-12f"]
    four, eight = (machine.memory(machine.config.replace(port__bytes=n)).beat for n in (4, 8))
    assert eight == 2 * four and 2 < four < 2.1


def test_a_machine_prunes_networks_of_ours_as_the_board_runs_them():
    for name, known in BOARDS.items():
        machine = MACHINES[name]
        assert machine.parts == known.parts(known.config)
        assert machine.prune == known.prune
