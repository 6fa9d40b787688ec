"""Zero skipping: only live inputs' weights cross the port, and results stay those of the spec."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.config import Config
from hw.isa import Opcode
from sw.compiler import Program, Unsupported, compile_graph
from sw.driver.backend import open_backend
from sw.driver.driver import Driver
from sw.driver.result import RunResult
from sw.graph.integer import IntegerGraph, Layer
from sw.iss.system import run_program
from sw.reference.golden import run_golden
from tests.support.accelerators import CONFIGS
from tests.support.present import same
from tests.support.programs import instructions, random_layer

pytestmark = pytest.mark.builds

PLAIN, SKIPS = CONFIGS["2x4x4"], CONFIGS["2x4x4-zeros"]
#: Rows of weights of one beat, and a queue that holds no instruction ahead.
NARROW = SKIPS.replace(instances=1, array__rows=2, array__cols=2, array__post_lanes=1,
                       port__bytes=16, buffers__queue_depth=1)


def fully_connected(rng: np.random.Generator, name: str, shape, out: int, *, groups: int = 1,
                    epsilon: int = 0) -> Layer:
    """A layer of random weights whose outputs are zero for about half of the channels."""
    return replace(random_layer(rng, name, shape, out, shape[1], groups=groups), epsilon=epsilon)


@st.composite
def networks(draw) -> IntegerGraph:
    """Up to four fully connected layers, some in groups, some that take small inputs for zero."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.integers(1, 3))
    shape, layers = (draw(st.integers(1, 20)), size, size), []
    for k in range(draw(st.integers(1, 4))):
        groups = draw(st.sampled_from([g for g in (1, 2, 4) if shape[0] % g == 0]))
        layers.append(fully_connected(
            rng, f"fc{k}", shape, groups * draw(st.integers(1, 120 // groups)), groups=groups,
            epsilon=draw(st.sampled_from([0, 0, 1, 20]))))
        shape = layers[-1].out_shape
    return IntegerGraph("random", tuple(layers), 1.0, 1.0)


def image_of(graph: IntegerGraph, rng: np.random.Generator, dead: float) -> np.ndarray:
    image = rng.integers(-128, 128, graph.in_shape, dtype=np.int8)
    image[rng.random(image.shape) < dead] = 0
    return image


def run(config: Config, graph: IntegerGraph, *images: np.ndarray, **options) -> list[RunResult]:
    """Run a network in RTL, one image after the other, and compare every layer."""
    program = compile_graph(graph, config)
    with open_backend("verilator", config, memory_bytes=program.window_bytes, check=True,
                      **options) as backend:
        driver = Driver(backend)
        driver.load(program)
        results = [driver.run(image, timeout_cycles=3_000_000) for image in images]
    for image, result in zip(images, results, strict=True):
        for layer, ours, theirs in zip(graph.layers, result.outputs, run_golden(graph, image),
                                       strict=True):
            assert ours is not None and same(ours, theirs), layer.name
    return results


def fields_of(program: Program, opcode: Opcode) -> list[dict[str, int]]:
    """Fields of the first instance's instructions of a kind."""
    return [fields for op, fields in instructions(program, 0) if op == opcode]


DEAD = st.sampled_from([0.0, 0.3, 0.7, 0.95, 1.0])


@settings(max_examples=60, deadline=None)
@given(graph=networks(), seed=st.integers(0, 2**31), dead=DEAD,
       config=st.sampled_from([SKIPS, NARROW, SKIPS.replace(
           instances=4, buffers__act_words=64, buffers__queue_depth=2)]))
def test_the_program_is_right_under_any_schedule(graph, seed, dead, config):
    image = image_of(graph, np.random.default_rng(seed), dead)
    outputs, _ = run_program(compile_graph(graph, config), image, seed)
    for ours, theirs in zip(outputs, run_golden(graph, image), strict=True):
        assert same(ours, theirs)


def test_a_row_crosses_the_port_for_each_live_input_alone():
    rng = np.random.default_rng(3)
    graph = IntegerGraph("fc", (fully_connected(rng, "fc", (24, 2, 2), 150, epsilon=9),), 1.0, 1.0)
    config = SKIPS.replace(instances=1)
    program = compile_graph(graph, config)
    tables = [f["row_beats"] for f in fields_of(program, Opcode.WEIGHTS) if f["row_beats"]]
    assert sum(tables) * config.port.bytes // config.array.cols == 38  # blocks of 150 channels
    images = [image_of(graph, rng, dead) for dead in (0.0, 0.6, 1.0)]
    for image, result in zip(images, run(config, graph, *images), strict=True):
        live = int((np.abs(image.astype(int)) > 9).sum())
        read = live * sum(tables) * config.port.bytes
        assert result.weight_port_bytes == (program.layers[0].param_bytes + read,)
    assert program.layers[0].row_bytes == 24 * 4 * sum(tables) * config.port.bytes


@pytest.mark.parametrize("groups", [1, 2])
def test_gains_what_zeros_allow_and_costs_next_to_nothing_without(groups):
    """At least 90% of what the dead share allows, at most 1% for an input without zeros."""
    rng = np.random.default_rng(groups)
    graph = IntegerGraph("fc", (fully_connected(rng, "fc", (64, 4, 4), 512, groups=groups),),
                         1.0, 1.0)
    dense = rng.integers(1, 128, graph.in_shape, dtype=np.int8)
    sparse = np.where(rng.random(dense.shape) < 0.7, np.int8(0), dense)
    whole = run(PLAIN, graph, dense)[0].cycles
    full, less = (r.cycles for r in run(SKIPS, graph, dense, sparse))
    assert full <= 1.01 * whole
    assert whole - less >= 0.9 * whole * (sparse == 0).mean()


@pytest.mark.parametrize(("out", "pad", "value"), [(4, 1, 0), (40, 1, 0), (40, 0, 7), (40, 1, 7)])
def test_a_dead_input_block_is_multiplied_for_the_first_output_block_alone(out, pad, value):
    """Each of its tiles then takes one vector of zeros, and a block's first tile all of its own.
    With padding that is not zero around it, it is not dead."""
    rng = np.random.default_rng(out)
    layer = replace(random_layer(rng, "conv", (16, 6, 6), out, 3, pad=pad), pad_value=value)
    graph = IntegerGraph("conv", (layer,), 1.0, 1.0)
    config = SKIPS.replace(instances=1)
    image = rng.integers(1, 128, graph.in_shape, dtype=np.int8)
    image[:4] = image[8:] = 0
    image[9, 5, 5] = 1
    result, = run(config, graph, image)
    computes = fields_of(compile_graph(graph, config), Opcode.COMPUTE)
    again = sum(f["out_blocks"] - 1 for f in computes)
    assert (out == 4) == (again == 0)
    tiles = 0 if pad and value else 9 - 1 + 9  # of the first input block and of the last
    assert result.spared_vectors == (again * tiles * (layer.conv_shape[1] ** 2 - 1),)


def test_inputs_with_a_zero_point_are_not_looked_at_one_by_one():
    """What is zero of them is no zero of the hardware: to look for some would cost cycles."""
    layer = replace(fully_connected(np.random.default_rng(1), "fc1", (8, 1, 1), 8), pad_value=-128)
    graph = IntegerGraph("net", (layer,), 1.0, 1.0, input_zero=-128)
    assert all(not f["live_blocks"]
               for f in fields_of(compile_graph(graph, SKIPS), Opcode.COMPUTE))


def test_small_inputs_count_as_zero_only_where_the_hardware_can():
    rng = np.random.default_rng(1)
    layer = fully_connected(rng, "fc1", (8, 1, 1), 8, epsilon=2)
    with pytest.raises(Unsupported, match=r"fc1.*epsilon is 2.*array\.zero_skip"):
        compile_graph(IntegerGraph("net", (layer,), 1.0, 1.0), PLAIN)
    zero = replace(layer, pad_value=-128)
    with pytest.raises(Unsupported, match=r"fc1.*epsilon is 2.*no zero point"):
        compile_graph(IntegerGraph("net", (zero,), 1.0, 1.0, input_zero=-128), SKIPS)
    conv = replace(random_layer(rng, "conv1", (4, 6, 6), 8, 3), epsilon=2)
    with pytest.raises(Unsupported, match=r"conv1.*fully connected"):
        compile_graph(IntegerGraph("net", (conv,), 1.0, 1.0), SKIPS)


@pytest.mark.parametrize(("change", "says"), [
    ({"array__cols": 8}, "square array, not 4x8"),
    ({"array__rows": 6, "array__cols": 6, "array__post_lanes": 0}, r"multiple of array\.cols"),
    ({"array__zero_skip": 1}, "must be true or false"),
    ({"array__rows": 32, "array__cols": 32, "array__post_lanes": 0, "port__bytes": 32,
      "buffers__weight_fifo_beats": 16}, r"weight_fifo_beats is 16; .* array\.rows \(32\)"),
])
def test_a_configuration_that_cannot_skip_zeros_says_why(change, says):
    with pytest.raises(ValueError, match=says):
        SKIPS.replace(**change)
