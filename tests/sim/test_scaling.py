"""Partitions dropped and added at run time: bit-exact, with no recompile, their clocks off."""

import numpy as np
import pytest

from hw.isa import ErrorCode, Opcode, encode
from sw.compiler import compile_graph
from sw.driver.backend import open_backend
from sw.driver.driver import Driver
from sw.driver.errors import DriverError, InstanceError, StillRunning
from sw.graph.active import ActiveError, with_active
from sw.graph.integer import IntegerGraph
from sw.reference.golden import run_golden
from tests.support.accelerators import CONFIGS
from tests.support.present import present, same
from tests.support.programs import TINY, Machine, end, random_layer

pytestmark = pytest.mark.builds

#: Configurations that other tests build, too.
CASES = {"3x9x3": 9, "4x6x9": 18, "8x1x1": 2}


def partitioned_graph(count: int, channels: int, seed: int = 1) -> IntegerGraph:
    """Dense, three times grouped, dense, dense; `channels` and more for each of `count` groups."""
    rng, each = np.random.default_rng(seed), count * channels
    conv1 = random_layer(rng, "conv1", (3, 8, 8), each, 3, pad=1, pool=2)
    conv2 = random_layer(rng, "conv2", conv1.out_shape, 2 * each, 3, pad=1, groups=count)
    fc1 = random_layer(rng, "fc1", conv2.out_shape, 4 * each, 4, groups=count)
    fc2 = random_layer(rng, "fc2", fc1.out_shape, 2 * each, 1, groups=count)
    fc3 = random_layer(rng, "fc3", fc2.out_shape, 21, 1)
    fc4 = random_layer(rng, "fc4", fc3.out_shape, 10, 1, low=-128)
    return IntegerGraph("partitioned", (conv1, conv2, fc1, fc2, fc3, fc4), 1.0, 1.0)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_dropped_partitions_are_zero_to_the_bit(name, stall):
    config = CONFIGS[name]
    count = config.instances
    graph, rng = partitioned_graph(count, CASES[name]), np.random.default_rng(5)
    program = compile_graph(graph, config, scalable=True)
    with open_backend("verilator", config, memory_bytes=program.window_bytes, check=True,
                      stall_probability=stall) as backend:
        driver = Driver(backend)
        driver.load(program)
        for active in (None, 1, count - 1, 2, count):  # None: as loaded, all of them
            if active is not None:
                driver.activate(active)
            left = with_active(graph, count, active or count)
            for _ in range(2):
                image = rng.integers(-128, 128, graph.in_shape, dtype=np.int8)
                result = driver.run(image, timeout_cycles=500_000)
                for layer, ours, theirs in zip(graph.layers, result.outputs,
                                               run_golden(left, image), strict=True):
                    assert same(ours, theirs), f"{layer.name} with {active} active"


def test_a_dropped_instance_has_no_clock_and_takes_no_time():
    graph, image = partitioned_graph(2, 4), np.full((3, 8, 8), 9, np.int8)
    program = compile_graph(graph, TINY, scalable=True)
    with open_backend("verilator", TINY, memory_bytes=program.window_bytes,
                      count_toggles=True) as backend:
        driver = Driver(backend)
        driver.load(program)
        both = driver.run(image)
        driver.activate(1)
        one = driver.run(image)
    assert one.cycles < both.cycles
    assert sum(r[1].clocked for r in present(both.activity)) > 0 < sum(both.counters[1].values())
    assert set(one.counters[1].values()) == {0}
    for _, dropped, _ in present(one.activity):
        assert not (dropped.cycles or dropped.clocked or dropped.toggles or dropped.gate_cycles)
        assert not any(m.reads or m.writes or m.idle for m in dropped.memories)
        assert dropped.bits, "what leaks is still there"


def test_the_active_register_decides_who_starts_and_does_not_change_during_a_run():
    with Machine() as m:
        assert m.read("ACTIVE") == 0b11
        m.place(0, end(), at=0)
        m.place(1, end(), at=0x100)
        m.start(0b11)
        before = m.read("TOTAL", 1)
        assert m.read("DONE") == 0b11 and before > 0
        m.write("ACTIVE", 0b01)
        m.place(0, encode(Opcode.BARRIER, mask=0b11) * 50 + end(), at=0x400)
        m.write("START", 0b11)
        assert m.read("RUNNING") == 0b01
        m.write("ACTIVE", 0b11)
        assert m.read("ACTIVE") == 0b01
        m.backend.advance(10_000)
        assert (m.read("RUNNING"), m.read("ERROR")) == (0, 0), "a barrier waited for it"
        assert m.read("TOTAL", 0) == m.read("CYCLES") > before
        assert m.read("TOTAL", 1) == before, "a dropped instance keeps the counts of its last run"
        m.write("ACTIVE", 0b10)
        m.start(0b11)
        assert m.read("DONE") & 0b10 and m.read("TOTAL", 1) == m.read("CYCLES") != before


def test_numbers_that_cannot_be_had_are_refused_and_change_nothing():
    graph = partitioned_graph(2, 4)
    image = np.zeros(graph.in_shape, np.int8)
    program, other = (compile_graph(graph, TINY, scalable=s) for s in (True, False))
    with open_backend("verilator", TINY, memory_bytes=1 << 16) as backend:
        driver = Driver(backend)
        with pytest.raises(DriverError, match="no program is loaded"):
            driver.activate(1)
        driver.load(program)
        driver.activate(1)
        for active in (0, 3, -1):
            with pytest.raises(ActiveError, match=f"{active} active partitions; there must be 1 "
                                                  "to 2"):
                driver.activate(active)
        driver.start(image)
        with pytest.raises(StillRunning, match=r"instances 0x1 \(mask\) run; stop\(\) them before "
                                               "partitions are chosen"):
            driver.activate(2)
        driver.stop()
        expected = run_golden(with_active(graph, 2, 1), image)
        assert same(driver.run(image).outputs[-1], expected[-1])
        driver.load(other)  # both of them again
        with pytest.raises(ActiveError, match="1 active partitions: partitioned was not compiled "
                                              "for it; compile with scalable=True"):
            driver.activate(1)
        assert same(driver.run(image).outputs[-1], run_golden(graph, image)[-1])


def test_an_error_of_a_dropped_instance_is_not_reported_again():
    graph = partitioned_graph(2, 4)
    image = np.zeros(graph.in_shape, np.int8)
    program = compile_graph(graph, TINY, scalable=True)
    with open_backend("verilator", TINY, memory_bytes=program.window_bytes) as backend:
        driver = Driver(backend)
        driver.load(program)
        backend.write_memory(program.programs[1], bytes(32))
        with pytest.raises(InstanceError) as caught:
            driver.run(image)
        assert [(f.instance, f.code) for f in caught.value.faults] == \
            [(1, ErrorCode.ILLEGAL_OPCODE)]
        driver.activate(1)
        expected = run_golden(with_active(graph, 2, 1), image)
        assert same(driver.run(image).outputs[-1], expected[-1])
