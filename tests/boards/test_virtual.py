"""The real driver on a virtual board, through a pseudo-terminal and pyserial."""

import numpy as np

from boards.client import SerialBackend, open_port
from boards.virtual import VirtualBoard, VirtualPort
from sim.backend import VerilatorBackend
from sw.compiler import compile_graph
from sw.driver import Driver
from tests.sim.programs import random_graph

from .systems import CONFIG, SDRAM


def test_same_bytes_and_same_work_as_in_simulation():
    graph = random_graph(6)
    program = compile_graph(graph, CONFIG)
    image = np.random.default_rng(6).integers(-128, 128, graph.in_shape, dtype=np.int8)
    with VerilatorBackend(CONFIG, memory_bytes=program.window_bytes) as simulated:
        driver = Driver(simulated)
        driver.load(program)
        expected = driver.run(image)
    with VirtualBoard(SDRAM) as board, VirtualPort(board) as port:
        transport = open_port(port.path, 3_000_000)
        link = SerialBackend(CONFIG, transport, timeout_s=5.0)
        driver = Driver(link)
        driver.load(program)
        found = driver.run(image)
        again = driver.run(image)
        transport.close()
        assert port.fault is None
    for one in (found, again):
        for a, b in zip(one.outputs, expected.outputs, strict=True):
            assert np.array_equal(a, b)
        for mine, theirs in zip(one.counters, expected.counters, strict=True):
            # The memories differ, so waits do; what the array does is the same to the cycle.
            assert mine["COMPUTE"] == theirs["COMPUTE"]
            assert sum(v for k, v in mine.items() if k != "TOTAL") == mine["TOTAL"] == one.cycles
