"""A board takes the cycles that the simulation backend takes with the board's memory."""

from collections.abc import Callable

import numpy as np
import pytest

from boards.catalogue import BOARDS
from boards.gateware.settings import SystemConfig
from boards.virtual.board import VirtualBoard
from boards.virtual.simulated import differences, simulated
from hw.config import Config
from hw.gateware.top import GATE_NAME, TOP_NAME
from hw.gateware.verilog import generate
from sim.backend import VerilatorBackend
from sim.verilated.memory import Disturbance
from sw.compiler import compile_graph
from sw.driver.driver import Driver
from sw.driver.errors import TimeoutExpired
from sw.graph.integer import IntegerGraph
from tests.support.present import same
from tests.support.programs import random_graph, random_layer, random_network
from tests.support.systems import CONFIG, RAM, SDRAM, backend

pytestmark = pytest.mark.builds


def images(graph: IntegerGraph, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    return [rng.integers(-128, 128, graph.in_shape, dtype=np.int8) for _ in range(count)]


def runs(host, graph: IntegerGraph, inputs: list[np.ndarray]):
    driver = Driver(host)
    driver.load(compile_graph(graph, host.config))
    return [driver.run(image) for image in inputs]


@pytest.mark.parametrize("system", [SDRAM, RAM], ids=["sdram", "block-ram"])
def test_every_instance_takes_the_same_cycles_by_cause_and_layer(system):
    for seed in (3, 6):
        graph = random_graph(seed)
        inputs = images(graph, 2)
        with VirtualBoard(system) as board, simulated(system) as simulation:
            found = runs(backend(board), graph, inputs)
            expected = runs(simulation, graph, inputs)
        for mine, theirs in zip(found, expected, strict=True):
            assert differences(mine, theirs) == []
            for a, b in zip(mine.outputs, theirs.outputs, strict=True):
                assert np.array_equal(a, b)
            assert sum(theirs.page_misses or ()) > 0 or not system.sdram
            assert sum(theirs.port_bytes or ()) > 0


def without_gates(config: Config) -> Callable[[dict[str, str]], dict[str, str]]:
    """What makes of a simulated board's Verilog the bitstream's, with all cores on one clock."""
    def change(texts: dict[str, str]) -> dict[str, str]:
        assert GATE_NAME in texts[TOP_NAME]
        return {name: generate(config)[TOP_NAME] if name == TOP_NAME else text
                for name, text in texts.items() if name != GATE_NAME}

    return change


def assert_gates_change_nothing(system: SystemConfig, graph: IntegerGraph) -> None:
    inputs = images(graph, 2)
    with VirtualBoard(system) as gated, \
            VirtualBoard(system, change=without_gates(system.config)) as real:
        for mine, theirs in zip(runs(backend(gated), graph, inputs),
                                runs(backend(real), graph, inputs), strict=True):
            assert differences(mine, theirs) == []
            for a, b in zip(mine.outputs, theirs.outputs, strict=True):
                assert same(a, b)


def test_clock_gates_which_an_fpga_has_not_change_no_cycle_and_no_byte():
    for seed in (3, 4, 6):
        assert_gates_change_nothing(SDRAM, random_graph(seed))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), [("ulx3s-85f", 4003), ("icebreaker", 4003)])
def test_nor_on_the_largest_board_nor_on_the_smallest(name, seed):
    board = BOARDS[name]
    assert_gates_change_nothing(board.system(board.config, baud=board.most_baud, powerup_us=5.0),
                                random_network(seed))


def test_another_memory_takes_other_cycles_and_the_difference_is_told():
    graph = random_graph(6)
    inputs = images(graph, 1)
    with VerilatorBackend(CONFIG, memory_bytes=1 << 20) as model, simulated(SDRAM) as simulation:
        [mine] = runs(model, graph, inputs)
        [theirs] = runs(simulation, graph, inputs)
    told = differences(mine, theirs)
    assert told[0] == f"{mine.cycles:,} cycles on the board, {theirs.cycles:,} simulated"
    assert any("instance 1, TOTAL" in line for line in told)
    assert any(line.startswith("layer 0, instance 0") for line in told)


def test_a_run_takes_the_same_cycles_whatever_was_done_before():
    graph = random_graph(4)
    first, second = images(graph, 2)
    with VirtualBoard(SDRAM) as board:
        link = backend(board)
        driver = Driver(link)
        driver.load(compile_graph(graph, CONFIG))
        expected = driver.run(first)
        driver.run(second)
        for k in range(4):  # other phases of the refresh, other rows left open
            link.write_memory((1 << 20) + 3000 * k, bytes(100 + k))
            board.run(137 * k)
            assert differences(driver.run(first), expected) == []


def test_a_board_is_stopped_at_a_timeout_and_its_next_run_is_as_if_nothing_had_been():
    rng = np.random.default_rng(4)
    conv1 = random_layer(rng, "conv1", (4, 16, 16), 8, 3, pad=1)
    conv2 = random_layer(rng, "conv2", conv1.out_shape, 16, 3, pad=1, pool=4)
    graph = IntegerGraph("long", (conv1, conv2), 1.0, 1.0)
    first, second = images(graph, 2)
    with VirtualBoard(SDRAM) as board:
        driver = Driver(backend(board))
        driver.load(compile_graph(graph, CONFIG))
        expected = driver.run(first)
        assert expected.cycles > 10_000
        for wait in (0, 1500, 3000, 4500):  # and as long as it takes to ask, some 4000 cycles
            driver.start(second)
            board.run(wait)
            with pytest.raises(TimeoutExpired, match="they have been stopped"):
                driver._wait(lambda cycles, layer: None, 0)
            assert not board.running
            found = driver.run(first)
            assert differences(found, expected) == []
            for a, b in zip(found.outputs, expected.outputs, strict=True):
                assert same(a, b)


def test_memory_is_reached_by_byte():
    with simulated(SDRAM) as simulation:
        data = np.arange(41, dtype=np.uint8)
        simulation.write_memory(1003, data)
        simulation.write_memory(1010, bytes([200]))
        data[7] = 200
        assert np.array_equal(simulation.read_memory(1003, 41), data)
        with pytest.raises(ValueError, match="the memory has 33554432"):
            simulation.read_memory(SDRAM.memory_bytes - 4, 8)


def test_a_configuration_with_private_ports_is_refused():
    from boards.virtual.simulated import board_memory
    with pytest.raises(ValueError, match="one port; the configuration 2"):
        VerilatorBackend(CONFIG.replace(port__memory="private"), memory_bytes=4096,
                         memory=board_memory(SDRAM))


def test_a_memory_in_verilog_does_nothing_wrong():
    with simulated(SDRAM) as simulation, \
            pytest.raises(ValueError, match="a memory in Verilog does nothing wrong"):
        simulation.disturb(Disturbance())
