"""Networks with as many layers as the log has entries, and with more; marks in quick succession."""

import numpy as np
import pytest

from hw.registers import COUNTERS
from sw.compiler import compile_graph
from sw.driver.driver import Driver
from sw.experiment.arms import Arm, golden_outputs, run_arm
from sw.graph.integer import IntegerGraph
from sw.lowering.errors import DoesNotFit
from sw.reference.golden import run_golden
from tests.support.present import present, same
from tests.support.programs import MICROCODED, TINY, Machine, end, random_layer

from .test_errors import store

pytestmark = pytest.mark.builds

ENTRIES = TINY.buffers.log_entries


def chain(count: int) -> IntegerGraph:
    rng = np.random.default_rng(count)
    layers = [random_layer(rng, f"conv{k}", (4, 4, 4), 4, 1) for k in range(count)]
    return IntegerGraph("chain", tuple(layers), 1.0, 1.0)


def image(graph: IntegerGraph) -> np.ndarray:
    return np.random.default_rng(1).integers(-128, 128, graph.in_shape, dtype=np.int8)


@pytest.mark.parametrize("count", [ENTRIES, ENTRIES + 1, ENTRIES + 9])
def test_what_is_not_in_the_log_is_not_shown(count):
    graph = chain(count)
    program = compile_graph(graph, TINY)
    with Machine(memory_bytes=program.window_bytes) as machine:
        driver = Driver(machine.backend)
        driver.load(program)
        result = driver.run(image(graph))
    expected = run_golden(graph, image(graph))
    assert all(same(a, b) for a, b in zip(result.outputs, expected, strict=True))
    assert all(c["TOTAL"] == sum(c[n] for n in COUNTERS) == result.cycles
               for c in result.counters)
    if count > ENTRIES:
        assert result.layer_cycles is None and result.ledger is None
    else:
        cycles = present(result.layer_cycles)
        assert sum(cycles) == result.cycles and min(cycles) > 0
        assert len(present(result.ledger)) == count


def test_a_report_of_layers_refuses_more_than_the_log_holds():
    graph = chain(ENTRIES + 1)
    inputs = (image(graph),)
    arm = Arm("dense-N", graph, TINY, inputs, golden_outputs(graph, inputs))
    with pytest.raises(DoesNotFit, match=(
            f"layer conv{ENTRIES}: needs entry {ENTRIES + 1} of the log, which tells each layer's "
            rf"cycles; there are {ENTRIES}: raise buffers.log_entries \(--log-entries "
            rf"{2 * ENTRIES}\), or take fewer layers")):
        run_arm(arm, None, count_toggles=False, memory={})


@pytest.mark.parametrize("config", [TINY, MICROCODED], ids=lambda config: config.core)
@pytest.mark.parametrize("latency,count", [(200, 12), (1, 12), (1, 60)])
def test_the_log_holds_every_mark_or_says_that_some_are_lost(config, latency, count):
    """Of stores that the memory acknowledges one after the other, read at the interrupt."""
    code = b"".join(store(layer=k, mark=True, run_words=1) for k in range(count)) + end()
    with Machine(config, latency_cycles=latency) as machine:
        machine.place(0, code, at=0x1000)
        machine.write("START", 0b01)
        machine.backend.advance(1_000_000)
        logged, lost = machine.read("LOG_COUNT", 0), machine.read("LOG_LOST", 0)
        assert lost == (config is TINY and count == 60)
        assert logged < count if lost else logged == count
        layers = []
        for entry in range(min(logged, config.buffers.log_entries)):
            machine.write("LOG_SELECT", entry << 4, 0)
            layers.append(machine.read("LOG_DATA", 0))
        assert layers == sorted(set(layers)) and (lost or layers == list(range(len(layers))))
