"""The real driver on a virtual board, through a pseudo-terminal and pyserial."""

import dataclasses
import json
from contextlib import contextmanager

import numpy as np
import pytest

from boards.__main__ import main
from boards.catalogue import BOARDS, Board
from boards.deploy import task
from boards.host import run, session
from boards.host.client import SerialBackend, open_port
from boards.host.errors import LinkError
from boards.host.run import VirtualLoad
from boards.protocol import MAX_DATA
from boards.virtual.board import VIRTUAL_TIMEOUT_S, VirtualBoard, VirtualPort
from boards.virtual.simulated import differences, simulated
from sim.backend import VerilatorBackend
from sim.faults import BusBreach, SimulationFault
from sw.compiler import compile_graph
from sw.driver.driver import Driver
from sw.experiment.workload import Workload
from sw.reference.golden import run_golden
from tests.support.present import same
from tests.support.programs import random_graph, stray_store
from tests.support.systems import CONFIG, SDRAM, backend

pytestmark = pytest.mark.builds

GRAPH = random_graph(6)
IMAGES = np.random.default_rng(6).integers(-128, 128, (2, *GRAPH.in_shape), dtype=np.int8)


def test_same_bytes_and_same_cycles_as_in_simulation():
    program = compile_graph(GRAPH, CONFIG)
    with simulated(SDRAM) as simulation:
        driver = Driver(simulation)
        driver.load(program)
        expected = [driver.run(image) for image in IMAGES]
    with VirtualBoard(SDRAM) as board, VirtualPort(board) as port:
        transport = open_port(port.path, 3_000_000)
        link = SerialBackend(CONFIG, transport, timeout_s=5.0)
        driver = Driver(link)
        driver.load(program)
        found = [driver.run(image) for image in IMAGES]
        transport.close()
        assert port.fault is None
    for mine, theirs in zip(found, expected, strict=True):
        for a, b in zip(mine.outputs, theirs.outputs, strict=True):
            assert same(a, b)
        assert differences(mine, theirs) == []
        for counters in mine.counters:
            assert sum(v for k, v in counters.items() if k != "TOTAL") == counters["TOTAL"]
            assert counters["TOTAL"] == mine.cycles


RULE = "a program writes nothing but its layers' outputs"


def test_a_program_that_writes_elsewhere_breaks_a_rule():
    """The board is watched, and takes no offence at what is right."""
    program = compile_graph(GRAPH, CONFIG)
    _, offset, bad, layer = stray_store(program, 1)
    with VirtualBoard(SDRAM) as board:
        driver = Driver(link := backend(board))
        driver.load(program)
        names = [info.name for info in program.layers]
        board.guard(names, program.places(0))
        assert same(driver.run(IMAGES[0]).output, run_golden(GRAPH, IMAGES[0])[-1])
        link.write_memory(offset, bad)
        with pytest.raises(BusBreach, match=(
                rf"{RULE}: broken in cycle \d+ by instance 1, channel STORE, in layer "
                rf"{names[layer]}, address 0x{program.input.offset:x}$")):
            driver.run(IMAGES[0])


def stops(board: VirtualBoard, cycles: int) -> None:
    raise SimulationFault("a rule is broken")


def test_nobody_waits_for_a_board_whose_simulation_has_stopped(monkeypatch):
    with pytest.raises(SimulationFault, match="a rule is broken"), \
            VirtualBoard(SDRAM) as board, VirtualPort(board) as port:
        transport = open_port(port.path, 3_000_000)
        monkeypatch.setattr(VirtualBoard, "run", stops)
        with pytest.raises(LinkError, match="has gone"):
            transport.read_some(10.0)
        transport.close()


@pytest.mark.parametrize("command", ["run", "check"])
def test_what_stops_a_simulation_before_anyone_talks_to_it_is_told(command, monkeypatch, capsys):
    monkeypatch.setattr(VirtualBoard, "run", stops)
    assert main([command, "ulx3s-12f", "--virtual"]) == 1
    said = capsys.readouterr().err
    assert "a rule is broken" in said and "has gone" not in said and "plugged in" not in said


@pytest.mark.parametrize("window", [1, 8])
def test_answers_that_an_adapter_keeps_back_are_waited_for_once_in_a_stream(window, monkeypatch):
    """Each wait is one of 16 ms on a board's line, however long it is here."""
    monkeypatch.setattr(session, "_WINDOW", window)
    data = np.random.default_rng(1).integers(0, 256, 24 * MAX_DATA, dtype=np.uint8)
    with VirtualBoard(SDRAM) as board, VirtualPort(board, latency_s=0.016) as port:
        transport = open_port(port.path, 3_000_000)
        link = SerialBackend(CONFIG, transport, timeout_s=VIRTUAL_TIMEOUT_S)
        before, taken = port.waits, port.taken
        link.write_memory(0, data)
        waits = port.waits - before
        assert link.repeats == 0 and port.fault is None
        transport.close()
    if window == 1:
        assert waits == data.size // MAX_DATA
    else:  # the first of a transfer, and its last
        assert waits <= 3
        assert VirtualLoad(port.taken - taken, 2_000_000, waits, 16.0).seconds < (
            1.25 * data.size * 10 / 2e6 + 0.05)


@pytest.fixture
def small_board(monkeypatch):
    """The board of `SDRAM` under the name of another, with a random network for digits."""
    name = "ulx3s-85f"
    monkeypatch.setattr(Board, "system", lambda self, config=None, **changes: SDRAM)
    monkeypatch.setitem(BOARDS, name, dataclasses.replace(BOARDS[name], config=CONFIG))
    monkeypatch.setattr(task, "load_workload", lambda *args, **options: Workload(
        "random", "seeded", GRAPH, GRAPH, tuple(IMAGES)))
    return ["run", name, "--virtual", "--images", "2", "--partitions", "1"]


def test_the_command_compares_cycles_with_the_simulation(small_board, capsys):
    assert main(small_board) == 0
    said = capsys.readouterr().out.splitlines()
    assert all(line.endswith("bit-exact; cycles as in simulation") for line in said[:2])


def test_a_board_that_is_plugged_in_is_compared_where_that_is_asked_for(small_board, monkeypatch,
                                                                       tmp_path, capsys):
    """One that nobody can look into: the simulated board through its port."""
    @contextmanager
    def plugged(board, config, port, *, serial, build, progress):
        with run.open_virtual(board, board.system(config), say=lambda text: None,
                              progress=progress) as (backend, _):
            yield backend, port

    monkeypatch.setattr(run, "open_board", plugged)
    there = [x for x in small_board if x != "--virtual"]
    assert main([*there, "--port", "/dev/x", "--compare", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert all(line.endswith("bit-exact; cycles as in simulation") for line in said[:2])
    assert main([*there, "--port", "/dev/x", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("bit-exact")


def test_the_command_fails_if_a_rule_is_broken(small_board, monkeypatch, capsys):
    guard = VirtualBoard.guard  # of a program whose last layer has no output
    monkeypatch.setattr(VirtualBoard, "guard", lambda self, layers, places: guard(
        self, layers, [*places[:-1], None]))
    assert main(small_board) == 1
    assert f"{RULE}: broken in cycle" in capsys.readouterr().err


def test_the_command_fails_if_they_differ(small_board, monkeypatch, capsys):
    monkeypatch.setattr(run, "simulated", lambda system, say: VerilatorBackend(
        system.config, memory_bytes=1 << 20))
    assert main(small_board) == 1
    said = capsys.readouterr().out
    assert "bit-exact; DIFFERS from simulation:" in said
    assert "cycles on the board" in said and "instance 0, TOTAL" in said
    assert main([*small_board, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)["images"][0]["differences"]
    assert any("instance 0" in line for line in told)

