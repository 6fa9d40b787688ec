"""The external memory's model: bandwidth, latency, page misses, stalls; and the backend's edges."""

import numpy as np
import pytest

from hw import registers
from sim.backend import VerilatorBackend
from sw.api import run
from sw.compiler import compile_graph
from sw.driver.driver import Driver
from sw.driver.errors import ConfigMismatch
from tests.support.present import present, same
from tests.support.programs import TINY, random_graph

pytestmark = pytest.mark.builds

GRAPH = random_graph(5)
PROGRAM = compile_graph(GRAPH, TINY.replace(instances=1))
IMAGE = np.random.default_rng(2).integers(-128, 128, GRAPH.in_shape, dtype=np.int8)


def cycles(**options) -> int:
    return run(PROGRAM, IMAGE, **options).cycles


def test_a_slower_memory_takes_longer_and_gives_the_same_bytes():
    plain = run(PROGRAM, IMAGE)
    assert cycles(latency_cycles=400) > plain.cycles + 360
    assert cycles(page_bytes=64, banks=1, page_miss_cycles=60) > plain.cycles
    stalled = run(PROGRAM, IMAGE, stall_probability=0.9, seed=4)
    assert stalled.cycles > 2 * plain.cycles
    for a, b in zip(plain.outputs, stalled.outputs, strict=True):
        assert same(a, b)


def test_stalls_follow_from_their_seed():
    first, again, other = (cycles(stall_probability=0.5, seed=s) for s in (1, 1, 2))
    assert first == again != other


def test_a_port_moves_one_beat_a_cycle():
    result = run(PROGRAM, IMAGE)
    assert 0 < sum(present(result.port_bytes)) <= result.cycles * TINY.port.bytes


def test_accesses_outside_are_refused():
    with VerilatorBackend(TINY, memory_bytes=4096) as backend:
        backend.write_memory(4090, b"abcdef")
        assert backend.read_memory(4090, 6).tobytes() == b"abcdef"
        with pytest.raises(ValueError, match="memory access at 4091 of 6 bytes; the memory has"):
            backend.write_memory(4091, b"abcdef")
        with pytest.raises(ValueError, match="no register at 0xfff0"):
            backend.read_register(0xFFF0)
        assert backend.read_register(registers.address("ID")) == registers.MAGIC


@pytest.mark.parametrize(("options", "message"), [
    ({"stall_probability": 0.95}, "stall_probability is 0.95"),
    ({"latency_cycles": 0}, "latency_cycles is 0")])
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        VerilatorBackend(TINY, memory_bytes=4096, **options)


def test_a_program_for_another_accelerator_is_refused():
    with VerilatorBackend(TINY, memory_bytes=PROGRAM.window_bytes) as backend, \
            pytest.raises(ConfigMismatch):
        Driver(backend).load(PROGRAM)


def test_a_closed_simulation_says_so():
    backend = VerilatorBackend(TINY.replace(instances=1), memory_bytes=1 << 16)
    backend.close()
    backend.close()
    for use in (backend.page_misses, backend.cycle, lambda: backend.advance(1),
                lambda: backend.read_register(0)):
        with pytest.raises(RuntimeError, match="has been closed"):
            use()
