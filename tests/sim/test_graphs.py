"""Networks with branches in RTL: outputs, what crosses the port, and memory that is used again."""

import numpy as np
import onnx
import pytest
import torch

from sw.api import capture, capture_onnx, compile_graph, quantise, run, run_golden
from sw.cycles.limits import network_limit
from sw.frontend.torch import import_torch
from sw.graph.floating import FloatGraph
from tests.support.accelerators import CONFIGS
from tests.support.modules import Calls
from tests.support.networks import NETWORKS, settled
from tests.support.onnx_files import to_onnx
from tests.support.present import same
from tests.support.quantised_files import quantised_file
from tests.support.recipes import Recipe
from tests.support.residual import residual_network

pytestmark = pytest.mark.builds

GRAPH = residual_network(9, side=8, width=8)
CONFIG = CONFIGS["2x4x4"]
IMAGES = np.random.default_rng(9).integers(-128, 128, (2, *GRAPH.in_shape), np.int8)


def test_a_graph_runs_and_its_layers_are_accounted_by_name():
    program = compile_graph(GRAPH, CONFIG)
    result = run(program, IMAGES[0])
    for layer, ours, theirs in zip(GRAPH.layers, result.outputs, run_golden(GRAPH, IMAGES[0]),
                                   strict=True):
        assert same(ours, theirs), layer.name
    assert [info.name for info in program.layers] == [layer.name for layer in GRAPH.layers]
    assert [info.macs for info in program.layers] == [layer.macs for layer in GRAPH.layers]
    assert result.weight_port_bytes is not None and result.layer_cycles is not None
    for layer, moved in zip(GRAPH.layers, result.weight_port_bytes, strict=True):
        assert moved >= layer.weight_bytes, layer.name  # those of terms, too
    assert sum(result.layer_cycles) == result.cycles
    assert result.cycles >= network_limit(GRAPH.layers, CONFIG).cycles


def test_outputs_whose_place_others_take_are_not_read():
    program = compile_graph(GRAPH, CONFIG, store_all=False)
    result = run(program, IMAGES[1])
    assert program.overwritten
    assert all(result.outputs[k] is None for k in program.overwritten)
    for ours, theirs in zip(result.outputs, run_golden(GRAPH, IMAGES[1]), strict=True):
        assert ours is None or same(ours, theirs)
    assert same(result.output, run_golden(GRAPH, IMAGES[1])[-1])


def test_a_batch_of_a_graph():
    graph = Recipe.parse("2x4x4 channels=3 rows=8 columns=8 conv out=8 kernel_h=3 pad_top=1 "
                         "conv out=8 conv out=8 plus groups=8 back=1 fc out=10").graph
    program = compile_graph(graph, CONFIG, batch=2)
    assert [info.stacked for info in program.layers] == [False, False, False, True]
    result = run(program, IMAGES)
    golden = zip(*(run_golden(graph, image) for image in IMAGES), strict=True)
    for ours, theirs in zip(result.outputs, golden, strict=True):
        assert same(ours, np.stack(theirs))


@pytest.mark.filterwarnings("ignore:.*softmax at the end")
@pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.slow if name == "resnet8" else ()) for name in NETWORKS])
def test_networks_as_people_write_them(name):
    make, shape = NETWORKS[name]
    assert_exact(capture(settled(make()), shape))


def test_all_that_a_network_gives_is_there_by_name():
    net = settled(Calls(lambda s, x: {"mean": (y := s.conv(x).relu()).mean((2, 3)), "map": y}))
    images = np.random.default_rng(1).standard_normal((8, 3, 9, 9)).astype(np.float32)
    graph = quantise(capture(net, (3, 9, 9)), images)
    image = graph.quantise_input(images[0])
    outputs = run(compile_graph(graph, CONFIG, store_all=False), image).outputs
    golden = graph.named(run_golden(graph, image))
    assert list(golden) == ["mean", "map"]
    assert all(same(found, golden[name]) for name, found in graph.named(outputs).items())
    real = net(torch.from_numpy(images[:1]))
    for name, found in graph.real_outputs(outputs).items():
        exact = real[name][0].detach().numpy().reshape(found.shape)
        assert np.abs(found - exact).max() < 0.05 * np.abs(exact).max(), name


def test_the_mean_of_a_map_that_activation_memory_does_not_hold():
    size = 1 + int(CONFIG.buffers.act_words ** 0.5)
    net = torch.nn.Sequential(torch.nn.Conv2d(2, 5, 1), torch.nn.AdaptiveAvgPool2d(1))
    assert_exact(capture(settled(net), (2, size, size)))


def test_a_network_from_an_onnx_file(tmp_path):
    make, shape = NETWORKS["densenet"]
    onnx.save(to_onnx(import_torch(settled(make()), shape), batch="N"), tmp_path / "net.onnx")
    assert_exact(capture_onnx(tmp_path / "net.onnx"))


@pytest.mark.parametrize(("name", "form"), [
    ("mobilenet_v2", "QDQ"), ("resnet", "QDQ of uint8"), ("squeezenet", "QLinear of uint8")])
def test_a_network_that_is_quantised_already(tmp_path, name, form):
    path, _ = quantised_file(name, form, tmp_path)
    network = capture_onnx(path)
    assert network.given is not None and bool(network.given.zero_point) == ("uint8" in form)
    assert_exact(network)


def assert_exact(network: FloatGraph) -> None:
    """Quantise, compile, run; compare every layer."""
    images = np.random.default_rng(1).standard_normal((8, *network.layers[0].in_shape))
    graph = quantise(network, images.astype(np.float32))
    image = graph.quantise_input(images[0])
    result = run(compile_graph(graph, CONFIG), image)
    for layer, ours, theirs in zip(graph.layers, result.outputs, run_golden(graph, image),
                                   strict=True):
        assert same(ours, theirs), layer.name
