"""Instances that wait have no clock: nothing else changes, and they miss nothing."""

import numpy as np
import pytest
from amaranth.hdl import Module, Signal, Value

from hw.gateware import progress
from hw.gateware.traffic.loader import Loader
from hw.gateware.verilog import generate
from hw.isa import Opcode, encode
from hw.registers import COUNTERS
from sim.faults import SimulationFault
from sw.compiler import compile_graph
from sw.driver.backend import open_backend
from sw.driver.driver import Driver
from sw.graph.integer import IntegerGraph
from tests.support.accelerators import CONFIGS
from tests.support.drawn import draw_recipe
from tests.support.programs import TINY, Machine, end, random_layer
from tests.support.seeds import draws

pytestmark = pytest.mark.builds


def run(config, graph, image, **options):
    """A network's first run: what a memory that stalls does later depends on when it is asked."""
    program = compile_graph(graph, config)
    with open_backend("verilator", config, memory_bytes=program.window_bytes,
                      **options) as backend:
        driver = Driver(backend)
        driver.load(program)
        return driver.run(image, timeout_cycles=20_000_000)


@pytest.mark.parametrize("name", CONFIGS)
def test_cycles_by_cause_and_layer_are_those_with_the_clock_on(name):
    draw = draws("doze", name)
    for _ in range(4):
        recipe = draw_recipe(name, draw)
        options = {"stall_probability": draw.choice([0, 0.3, 0.9]), "seed": recipe.run["seed"],
                   "latency_cycles": draw.choice([1, 40, 700])}
        one, other = (run(CONFIGS[name], recipe.graph, recipe.inputs()[0][0], doze=doze, **options)
                      for doze in (True, False))
        assert one.cycles == other.cycles, recipe
        assert one.counters == other.counters, recipe
        assert one.layer_cycles == other.layer_cycles, recipe
        assert np.array_equal(one.outputs[-1], other.outputs[-1]), recipe


def pruned_end(count: int) -> IntegerGraph:
    """Two layers of `count` groups, bound by memory, and a dense one."""
    rng = np.random.default_rng(7)
    fc1 = random_layer(rng, "fc1", (16 * count, 4, 4), 32 * count, 4, groups=count)
    fc2 = random_layer(rng, "fc2", fc1.out_shape, 16 * count, 1, groups=count)
    return IntegerGraph("pruned", (fc1, fc2, random_layer(rng, "fc3", fc2.out_shape, 10, 1)),
                        1.0, 1.0)


def test_instances_that_wait_for_their_turn_are_without_a_clock():
    graph = pruned_end(4)
    image = np.random.default_rng(2).integers(-128, 128, graph.in_shape, dtype=np.int8)
    clocked = {}
    for doze in (True, False):
        result = run(CONFIGS["4x6x9"], graph, image, doze=doze, count_toggles=True)
        units = [u for layer in result.activity for u in layer[:-1]]
        clocked[doze] = sum(u.cycles for u in units)
    assert clocked[False] >= 4 * result.cycles  # and while registers are written
    assert clocked[True] < 0.8 * clocked[False]


def test_who_waits_long_counts_every_cycle_of_it():
    """At a barrier for longer than the count of slept cycles holds, and after the end."""
    with Machine(latency_cycles=300, count_toggles=True) as m:
        m.place(0, encode(Opcode.BARRIER, mask=0b11) + end(), at=0)
        run = {"act_addr": 0, "run_words": 64, "runs": 1, "ext_stride": 0, "act_stride": 0}
        loads = encode(Opcode.LOAD, ext_addr=0x1000, mask=0, **run) \
            + encode(Opcode.STORE, ext_addr=0x2000, **run)
        m.place(1, loads * 6 + encode(Opcode.BARRIER, mask=0b11) + loads + end(), at=0x400)
        m.backend.begin_account()
        m.start(0b11)
        m.backend.end_account(0)
        total, waited = m.read("TOTAL", 0), m.read("BARRIER", 0)
        causes = [m.read(name, 0) for name in COUNTERS]
        assert total == m.read("TOTAL", 1) == m.read("CYCLES") == sum(causes)
        assert waited > 1000 and m.read("IDLE", 0) > 300
        first, second = (m.backend.activity(0, i) for i in range(2))
        assert first is not None and second is not None
        assert first.cycles < 0.2 * total
        assert first.cycles < second.cycles


def silent(loader: Loader, platform, elaborate=Loader.elaborate):
    """A unit that does not tell that it advances."""
    m = elaborate(loader, platform)
    m.d.comb += loader.advances.eq(0)
    return m


def restless(m: Module, dozing: Signal, nothing_changes: Value) -> None:
    """A core in which something goes on while it dozes."""
    progress.doze(m, dozing, nothing_changes)
    ticks = Signal(8)
    with m.If(dozing):
        m.d.sync += ticks.eq(ticks + 1)


@pytest.mark.parametrize(("place", "wrong", "message"), [
    ("hw.gateware.traffic.loader.Loader.elaborate", silent,
     "of a core changes though its unit does not advance"),
    ("hw.gateware.instance.doze", restless, "of a core changes asleep")])
def test_the_check_finds_what_changes_unsaid_and_asleep(place, wrong, message, monkeypatch):
    monkeypatch.setattr(place, wrong)
    graph = pruned_end(2)
    with pytest.raises(SimulationFault, match=message):
        run(TINY, graph, np.zeros(graph.in_shape, np.int8), check=True,
            change=lambda right: generate(TINY, clock_gates=True))


@pytest.mark.parametrize("words", [24, 32])
def test_none_dozes_amid_packing_words_of_many_beats(words):
    """Of what is stored words are read ahead, which take longer to pack than to doze; a memory
    that stalls does not hide it."""
    store = encode(Opcode.STORE, act_addr=0, ext_addr=0x1000, run_words=words, runs=1,
                   ext_stride=0, act_stride=0)
    found = {}
    for doze in (True, False):
        with Machine(CONFIGS["1x32x1"], doze=doze, stall_probability=0.3, latency_cycles=300) as m:
            m.place(0, 2 * store + end(), at=0)
            m.start(0b1)
            found[doze] = [m.read(name, 0) for name in ("TOTAL", *COUNTERS)]
    assert found[True] == found[False]
