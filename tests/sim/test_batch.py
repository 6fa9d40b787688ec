"""A batch runs the fully connected end of a network on all images at once, in RTL."""

import numpy as np
import pytest

from sw.compiler import compile_graph
from sw.compiler.predict import predict
from sw.driver.backend import open_backend
from sw.driver.driver import Driver
from sw.driver.result import RunResult
from sw.graph.integer import IntegerGraph
from sw.reference.golden import run_golden
from tests.support.accelerators import CONFIGS, PREDICTED
from tests.support.present import present
from tests.support.programs import random_layer

pytestmark = pytest.mark.builds


def network(groups: int, channels: int = 16) -> IntegerGraph:
    """A convolution, and three linear layers on 3x3 maps, two of them in `groups`."""
    rng = np.random.default_rng(groups)
    layers = [random_layer(rng, "conv", (3, 6, 6), channels, 3, pad=1, pool=2)]
    for name, out, parts in (("fc1", 32, groups), ("fc2", 16, groups), ("fc3", 12, 1)):
        shape = layers[-1].out_shape
        layers.append(random_layer(rng, name, shape, out, shape[1], groups=parts, low=-128))
    return IntegerGraph("net", tuple(layers), 1.0, 1.0)


def run(graph: IntegerGraph, config, batch: int, images: int) -> RunResult:
    """Run a batch, compare every layer of every image, and return what was measured."""
    program = compile_graph(graph, config, batch=batch)
    rng = np.random.default_rng(batch)
    inputs = rng.integers(-128, 128, (images, *graph.in_shape), dtype=np.int8)
    with open_backend("verilator", config, memory_bytes=program.window_bytes,
                      check=True) as backend:
        driver = Driver(backend)
        driver.load(program)
        result = driver.run(inputs if batch > 1 else inputs[0], timeout_cycles=3_000_000)
    expected = [np.stack(maps) for maps in zip(*(run_golden(graph, x) for x in inputs),
                                               strict=True)]
    for layer, ours, theirs in zip(graph.layers, result.outputs, expected, strict=True):
        assert ours is not None
        assert np.array_equal(ours if batch > 1 else ours[None], theirs), layer.name
    assert result.layer_cycles is not None and sum(result.layer_cycles) == result.cycles
    return result


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(("batch", "images"), [(2, 2), (5, 3), (8, 8)])
def test_each_image_of_a_batch_is_exact(name, batch, images):
    for groups in (1, 2, 8):
        run(network(groups), CONFIGS[name], batch, images)


@pytest.mark.parametrize("name", ["2x4x4", "8x1x1"])
def test_weights_of_linear_layers_cross_the_port_once_per_batch(name):
    """Counted on the bus: a byte for each weight and eight for each output's parameters."""
    graph = network(2)
    once, batch = (present(run(graph, CONFIGS[name], b, b).weight_port_bytes) for b in (1, 8))
    for layer, one, eight in zip(graph.layers[1:], once[1:], batch[1:], strict=True):
        assert one == eight == layer.weight.size + 8 * len(layer.bias), layer.name
    assert batch[0] == 8 * once[0]


def test_a_batch_too_large_to_hold_is_loaded_in_pieces_and_weights_still_once():
    config, graph = CONFIGS["8x1x1"], network(1, channels=64)
    layer = graph.layers[1]
    words = 8 * np.prod(layer.in_shape) // config.array.rows
    assert words > config.buffers.act_words
    measured = run(graph, config, 8, 8)
    weights = present(measured.weight_port_bytes)[1]
    assert weights == layer.weight.size + 8 * len(layer.bias)
    loaded = present(measured.port_bytes)[1] - weights
    assert loaded < layer.out_shape[0] / config.array.cols * words * config.array.rows


def test_a_batch_on_private_ports_counts_each_instance_s_own_weights():
    graph = network(4, channels=24)
    found = present(run(graph, CONFIGS["3x9x3"], 4, 4).weight_port_bytes)
    again = present(run(graph, CONFIGS["3x9x3"], 2, 2).weight_port_bytes)
    assert found[1:] == again[1:]


@pytest.mark.parametrize("name", PREDICTED)
def test_cycles_of_a_batch_are_predicted(name):
    graph = network(1, channels=64)
    measured = run(graph, PREDICTED[name], 4, 4)
    found = predict(graph, PREDICTED[name], batch=4)
    assert found.layer_cycles[1] == pytest.approx(present(measured.layer_cycles)[1], rel=0.05)
    assert found.cycles == pytest.approx(measured.cycles, rel=0.02)
