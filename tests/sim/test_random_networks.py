"""Random networks, configurations and data: compiler, RTL and golden model agree to the bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.config import PRESETS, Config
from sw.compiler import compile_graph
from sw.driver.backend import open_backend
from sw.driver.driver import Driver
from sw.graph.integer import IntegerGraph
from sw.reference.golden import run_golden
from tests.support.programs import MICROCODED, random_layer

pytestmark = pytest.mark.builds


def small(instances: int, rows: int, cols: int, lanes: int, memory: str, port: int) -> Config:
    return PRESETS["tiny"].replace(
        instances=instances, array__rows=rows, array__cols=cols, array__post_lanes=lanes,
        port__memory=memory, port__bytes=port)


#: Few, as each is built; 1, 2, 3, 4 and 8 instances, odd shapes, both kinds of memory, zeros
CONFIGS = {
    "1x 8x4, wide port": small(1, 8, 4, 0, "shared", 32),
    "2x 4x4": PRESETS["tiny"],
    "3x 3x5, private": small(3, 3, 5, 0, "private", 4),
    "4x 4x8, two lanes": small(4, 4, 8, 2, "shared", 8),
    "8x 2x2": small(8, 2, 2, 0, "shared", 16),
    "2x 4x4, zeros skipped": PRESETS["tiny"].replace(array__zero_skip=True),
    "4x2, microcoded": MICROCODED,
    "2x4, microcoded, deep queues": MICROCODED.replace(
        array__rows=2, array__cols=4, buffers__queue_depth=3, buffers__acc_depth=32),
}

#: Those of which the cycle model is.
PIPELINED = {name: config for name, config in CONFIGS.items() if config.core == "pipelined"}


@st.composite
def networks(draw) -> IntegerGraph:
    """Two to four layers of any supported shape, a grouped one among them."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    shape = (draw(st.integers(1, 9)), draw(st.integers(3, 9)), draw(st.integers(3, 9)))
    layers = []
    for k in range(draw(st.integers(1, 3))):
        channels, height, width = shape
        kernel = draw(st.integers(1, min(5, height, width)))
        stride = draw(st.integers(1, 2))
        pad = draw(st.integers(0, kernel - 1))
        groups = draw(st.sampled_from([g for g in (1, 2, 3, 4, 8) if channels % g == 0]))
        out = groups * draw(st.integers(1, 16 // groups + 1))
        rows, columns = ((n + 2 * pad - kernel) // stride + 1 for n in (height, width))
        pool = draw(st.integers(1, 2)) if min(rows, columns) >= 2 else 1
        layers.append(random_layer(rng, f"conv{k}", shape, out, kernel, stride=stride, pad=pad,
                                   groups=groups, pool=pool, low=draw(st.sampled_from([0, -128]))))
        shape = layers[-1].out_shape
    if shape[1] == shape[2]:
        layers.append(random_layer(rng, "fc", shape, draw(st.integers(1, 20)), shape[1], low=-128))
    return IntegerGraph(f"random-{seed}", tuple(layers), 1.0, 1.0)


def check(config: Config, graph: IntegerGraph, seed: int, stall: float) -> None:
    """Run a network in RTL and compare every layer."""
    program = compile_graph(graph, config)
    rng = np.random.default_rng(seed)
    with open_backend("verilator", config, memory_bytes=program.window_bytes, check=True,
                      stall_probability=stall, seed=seed + 1) as backend:
        driver = Driver(backend)
        driver.load(program)
        for _ in range(2):  # a second run finds nothing of the first
            image = rng.integers(-128, 128, graph.in_shape, dtype=np.int8)
            result = driver.run(image, timeout_cycles=3_000_000)
            expected = run_golden(graph, image)
            for layer, ours, theirs in zip(graph.layers, result.outputs, expected, strict=True):
                assert ours is not None and np.array_equal(ours, theirs), \
                    f"layer {layer.name} of {graph.name}"
            assert result.layer_cycles is not None
            assert sum(result.layer_cycles) == result.cycles
            for counters in result.counters:
                assert sum(v for k, v in counters.items() if k != "TOTAL") == counters["TOTAL"]


@pytest.mark.parametrize("name", CONFIGS)
@settings(max_examples=12, deadline=None)
@given(graph=networks(), seed=st.integers(0, 2**31), stall=st.sampled_from([0, 0, 0.3, 0.9]))
def test_rtl_equals_the_golden_model(name, graph, seed, stall):
    check(CONFIGS[name], graph, seed, stall)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("partitions", [1, 2, 4, 8])
def test_partitions_more_than_equal_to_and_fewer_than_instances(name, partitions):
    rng = np.random.default_rng(partitions)
    first = random_layer(rng, "conv", (3, 6, 6), 16, 3, pad=1, pool=2)
    second = random_layer(rng, "fc1", first.out_shape, 32, 3, groups=partitions)
    third = random_layer(rng, "fc2", second.out_shape, 16, 1, groups=partitions)
    last = random_layer(rng, "fc3", third.out_shape, 10, 1, low=-128)
    check(CONFIGS[name], IntegerGraph("pruned", (first, second, third, last), 1.0, 1.0), 5, 0.0)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(sorted(CONFIGS)), graph=networks(), seed=st.integers(0, 2**31),
       stall=st.sampled_from([0, 0.1, 0.5, 0.9]))
def test_many_random_networks(name, graph, seed, stall):
    check(CONFIGS[name], graph, seed, stall)
