"""Partitions dropped and added at run time: bit-exact, with no recompile, their clocks off."""

import numpy as np
import pytest

from hw.isa import ErrorCode, Opcode, encode
from sw.compiler import compile_graph
from sw.driver import Driver, DriverError, InstanceError, open_backend
from sw.golden import run_golden
from sw.graph import IntegerGraph
from sw.scaling import ActiveError, with_active

from .programs import TINY, Machine, end, random_layer

COUNT = 4


def partitioned_graph(seed: int = 1, channels: int = 4) -> IntegerGraph:
    """Dense, three times grouped, dense, dense; `channels` and more for each of 4 groups."""
    rng = np.random.default_rng(seed)
    conv1 = random_layer(rng, "conv1", (3, 8, 8), channels * COUNT, 3, pad=1, pool=2)
    conv2 = random_layer(rng, "conv2", conv1.out_shape, 2 * channels * COUNT, 3, pad=1,
                         groups=COUNT)
    fc1 = random_layer(rng, "fc1", conv2.out_shape, 4 * channels * COUNT, 4, groups=COUNT)
    fc2 = random_layer(rng, "fc2", fc1.out_shape, 2 * channels * COUNT, 1, groups=COUNT)
    fc3 = random_layer(rng, "fc3", fc2.out_shape, 21, 1)
    fc4 = random_layer(rng, "fc4", fc3.out_shape, 10, 1, low=-128)
    return IntegerGraph("partitioned", (conv1, conv2, fc1, fc2, fc3, fc4), 1.0, 1.0)


@pytest.mark.parametrize("memory", ["shared", "private"])
@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_dropped_partitions_are_zero_to_the_bit_and_have_no_clock(memory, stall):
    config = TINY.replace(instances=COUNT, port__memory=memory)
    graph, rng = partitioned_graph(), np.random.default_rng(5)
    program = compile_graph(graph, config, scalable=True)
    cycles = {}
    with open_backend("verilator", config, memory_bytes=program.window_bytes, check=True,
                      count_toggles=True, stall_probability=stall) as backend:
        driver = Driver(backend)
        driver.load(program)
        for active in (None, 1, 3, 2, 4):  # None: as loaded, all of them
            if active is not None:
                driver.activate(active)
            kept = active or COUNT
            left = with_active(graph, COUNT, kept)
            for _ in range(2):
                image = rng.integers(-128, 128, graph.in_shape, dtype=np.int8)
                result = driver.run(image, timeout_cycles=200_000)
                for layer, ours, theirs in zip(graph.layers, result.outputs,
                                               run_golden(left, image), strict=True):
                    assert np.array_equal(ours, theirs), f"{layer.name} with {kept} active"
            cycles[active] = result.cycles
            for i in range(COUNT):
                rows = [row[i] for row in result.activity]
                assert (sum(r.cycles for r in rows) > 0) == (i < kept)
                assert (sum(result.counters[i].values()) > 0) == (i < kept)
                if i >= kept:
                    assert not any(r.clocked or r.toggles or r.gate_cycles for r in rows)
                    assert not any(m.reads or m.writes or m.idle for r in rows for m in r.memories)
                    assert all(r.bits for r in rows), "what leaks is still there"
    if not stall:
        assert cycles[1] <= cycles[2] <= cycles[3] <= cycles[4]


def test_the_active_register_decides_who_starts_and_does_not_change_during_a_run():
    with Machine(TINY.replace(instances=3)) as m:
        assert m.read("ACTIVE") == 0b111
        for i in range(3):
            m.place(i, end(), at=0x100 * i)
        m.start(0b111)
        before = m.read("TOTAL", 2)
        assert m.read("DONE") == 0b111 and before > 0
        m.write("ACTIVE", 0b011)
        # instance 0 never passes its barrier, as 1 stays away from it for now
        waits = encode(Opcode.BARRIER, mask=0b011) + end()
        m.place(0, waits, at=0x400)
        m.place(1, encode(Opcode.BARRIER, mask=0b010) + waits, at=0x800)
        m.write("START", 0b111)
        assert m.read("RUNNING") == 0b011
        m.write("ACTIVE", 0b111)
        assert m.read("ACTIVE") == 0b011
        m.backend.advance(1000)
        assert m.read("RUNNING") == 0 and m.read("ERROR") == 0
        assert sum(m.read(name, 0) for name in ("COMPUTE", "WEIGHTS", "ACTS", "PORT", "BARRIER",
                                                "DRAIN", "IDLE")) == m.read("TOTAL", 0)
        assert m.read("TOTAL", 2) == before, "a dropped instance keeps the counts of its last run"
        m.write("ACTIVE", 0b100)
        m.start(0b111)
        assert m.read("DONE") & 0b100 and m.read("TOTAL", 2) > 0


def test_a_barrier_does_not_wait_for_dropped_instances():
    with Machine(TINY.replace(instances=3)) as m:
        code = encode(Opcode.BARRIER, mask=0b111) + end()
        for i in range(3):
            m.place(i, code, at=0x100 * i)
        m.write("ACTIVE", 0b101)
        m.start(0b111)
        assert (m.read("DONE"), m.read("ERROR")) == (0b101, 0)


def test_numbers_that_cannot_be_had_are_refused_and_change_nothing():
    config = TINY.replace(instances=COUNT)
    graph = partitioned_graph()
    image = np.zeros(graph.in_shape, np.int8)
    program = compile_graph(graph, config, scalable=True)
    with open_backend("verilator", config, memory_bytes=program.window_bytes) as backend:
        driver = Driver(backend)
        with pytest.raises(DriverError, match="no program is loaded"):
            driver.activate(1)
        driver.load(program)
        driver.activate(2)
        for active in (0, 5, -1):
            with pytest.raises(ActiveError, match=f"{active} active partitions; there must be 1 "
                                                  "to 4"):
                driver.activate(active)
        expected = run_golden(with_active(graph, COUNT, 2), image)
        assert np.array_equal(driver.run(image).outputs[-1], expected[-1])
        driver.load(compile_graph(graph, config))  # all of them again
        with pytest.raises(ActiveError, match="1 active partitions: partitioned was not compiled "
                                              "for it; compile with scalable=True"):
            driver.activate(1)
        assert np.array_equal(driver.run(image).outputs[-1], run_golden(graph, image)[-1])


def test_an_error_of_a_dropped_instance_is_not_reported_again():
    config = TINY.replace(instances=COUNT)
    graph = partitioned_graph()
    image = np.zeros(graph.in_shape, np.int8)
    program = compile_graph(graph, config, scalable=True)
    with open_backend("verilator", config, memory_bytes=program.window_bytes) as backend:
        driver = Driver(backend)
        driver.load(program)
        backend.write_memory(program.programs[3], bytes(32))
        with pytest.raises(InstanceError) as caught:
            driver.run(image)
        assert [(f.instance, f.code) for f in caught.value.faults] == \
            [(3, ErrorCode.ILLEGAL_OPCODE)]
        driver.activate(3)
        expected = run_golden(with_active(graph, COUNT, 3), image)
        assert np.array_equal(driver.run(image).outputs[-1], expected[-1])
