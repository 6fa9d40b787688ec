"""Threads that share the cores change nothing but the time it takes."""

import numpy as np
import pytest

from hw.support.processors import processors
from sw.driver.backend import open_backend
from tests.sim.test_doze import pruned_end, run
from tests.support.accelerators import CONFIGS
from tests.support.programs import TINY

pytestmark = pytest.mark.builds


@pytest.mark.parametrize("threads", [2, 3, 99])
def test_cycles_outputs_and_toggles_are_those_of_one_thread(threads):
    config, graph = CONFIGS["4x6x9"], pruned_end(4)
    image = np.random.default_rng(3).integers(-128, 128, graph.in_shape, dtype=np.int8)
    one, more = (run(config, graph, image, threads=n, count_toggles=True) for n in (1, threads))
    assert one.layer_cycles == more.layer_cycles
    assert one.counters == more.counters
    assert one.activity == more.activity
    for a, b in zip(one.outputs, more.outputs, strict=True):
        assert np.array_equal(a, b)


def test_fewer_than_one_are_refused():
    with pytest.raises(ValueError, match="threads is 0; it must be a whole number from 1 to 256"):
        open_backend("verilator", TINY, memory_bytes=4096, threads=0)


def test_processors_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {3, 5, 7}, raising=False)
    assert processors() == 3
    monkeypatch.delattr("os.sched_getaffinity")
    assert processors() >= 1
