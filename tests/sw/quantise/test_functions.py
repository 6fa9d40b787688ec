"""Functions of one number as tables: nearly the function, the same in all models, and refused by
name where there are none."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sw.compiler import CompileError, compile_graph
from sw.frontend.torch import capture
from sw.graph.artefact import load_integer, save_integer
from sw.graph.edges import GraphError
from sw.graph.function import X, function
from sw.graph.integer import IntegerGraph
from sw.graph.quantisation import Quantisation
from sw.ir.activations import ACTIVATIONS
from sw.iss.system import run_program
from sw.quantise.aware import FakeQuantised
from sw.quantise.equalise import channel_factors
from sw.quantise.functions import Taken, with_table
from sw.quantise.noise import signal_to_noise
from sw.quantise.post_training import calibrate, equalise, quantise, quantise_with
from sw.reference.batched import run_integer
from sw.reference.functions import apply
from sw.reference.golden import run_golden
from tests.support.compiler_cases import make_layer
from tests.support.floating import run_float
from tests.support.networks import settled
from tests.support.programs import MICROCODED, TINY

TABLES = TINY.replace(array__tables=True)
IMAGES = np.random.default_rng(1).standard_normal((24, 3, 9, 9)).astype(np.float32)


class Net(nn.Module):
    """Tables for all channels and for each, that rise and that fall, before pooling and of what
    others read, too."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 5, 3, padding=1), nn.Conv2d(
            6, 5, 1)
        self.slopes, self.last = nn.PReLU(6), nn.Linear(45, 4)

    def forward(self, x):
        x = self.slopes(3 * self.a(x))
        y = F.max_pool2d(torch.tanh(self.b(x)) + F.silu(self.c(x)), 3, 2)
        return self.last(F.hardswish(y).flatten(1))


@pytest.fixture(scope="module")
def net():
    net = Net()
    net.slopes.weight.data = torch.tensor([0.25, -0.5, 1.75, 0.0, 0.1, -1.0])
    return capture(settled(net), (3, 9, 9))


@pytest.mark.parametrize("options", [{}, {"symmetric": False}, {"correct": True}])
def test_integers_keep_the_signal_and_are_the_same_in_all_models(net, options, tmp_path):
    graph = quantise(net, IMAGES[:16], equal=False, **options)
    assert [len(x.table) for x in graph.layers if x.table is not None] == [6, 1, 1, 1]
    found = signal_to_noise(net, graph, IMAGES[16:])
    assert min(found.values()) > 25, found
    save_integer(graph, tmp_path / "net.safetensors")
    loaded = load_integer(tmp_path / "net.safetensors")
    image = graph.quantise_input(IMAGES[20])
    golden = run_golden(loaded, image)
    outputs, _ = run_program(compile_graph(graph, TABLES), image, seed=3)
    for name, ours, theirs in zip(graph.numbers, outputs, golden, strict=True):
        assert ours is not None and np.array_equal(ours, theirs), name
    whole = run_integer(graph, torch.from_numpy(IMAGES[20:21]))[0].numpy()
    assert np.array_equal(whole, golden[-1])


@pytest.mark.parametrize("name", ["sigmoid", "silu", "hard_swish", "gelu"])
def test_what_a_function_takes_is_held_so_that_its_values_lose_least(name):
    """Rounded once and clipped where the function is flat, which its own values' peaks are not."""
    x = torch.randn(4, 1, 30, 30) * 3
    x[0, 0, 0, 0] = -60.0
    taken = Taken(ACTIVATIONS[name], 4, (1, 30, 30))
    taken.add(x)
    held = taken.quantisation()
    exact = apply(ACTIVATIONS[name], x)
    to = Quantisation(float(exact.abs().max()) / 127)
    layer = with_table(make_layer(np.random.default_rng(0), "l", (1, 3, 3), 1), ACTIVATIONS[name],
                       held, to)
    assert layer.table is not None
    codes = (torch.floor(x / held.scale + 0.5) + held.zero_point).clamp(-128, 127).long()
    found = torch.from_numpy(layer.table.astype(np.float32))[0][codes + 128] * to.scale
    assert float((found - exact).abs().max()) < 2.5 * to.scale
    assert held.scale < 60 / 255 / 2


def test_a_function_of_a_value_that_others_read_takes_it_as_it_is():
    net = settled(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            y = self.net(x)
            return torch.cat([y, torch.sigmoid(y)], 1)

    graph = quantise(capture(Two(), (3, 9, 9)), IMAGES)
    first, copy = graph.layers[:2]
    assert graph.taken[copy.name] == graph.held[first.name]
    values = run_golden(replace(graph, layers=(first, replace(copy, table=None)), joins=()),
                        graph.quantise_input(IMAGES[0]))
    assert np.array_equal(values[0], values[1])


def test_channels_of_functions_are_brought_to_like_sizes():
    """What a function takes, and what it gives, which is for its tables to divide."""
    first, second = nn.Conv2d(3, 12, 3, padding=1), nn.Conv2d(12, 12, 3, groups=12)
    module = settled(nn.Sequential(first, nn.Hardswish(), second, nn.SiLU(), nn.Conv2d(12, 6, 3)))
    sizes = torch.logspace(-1.5, 1.5, 12)
    first.weight.data *= sizes[:, None, None, None]
    second.weight.data /= sizes[:, None, None, None]
    graph = capture(module, (3, 9, 9))
    equal = equalise(graph, IMAGES)
    assert all(torch.equal(a, b) for a, b in zip(
        run_float(equal, IMAGES)[-1], run_float(graph, IMAGES)[-1], strict=True))
    table = quantise(equal, IMAGES, equal=False).layers[0].table
    assert table is not None and len(np.unique(table, axis=0)) > 4
    kept = []
    for network in (graph, equal):
        integers = quantise(network, IMAGES[:16], equal=False, symmetric=False)
        kept.append(list(signal_to_noise(network, integers, IMAGES[16:]).values())[-1])
    assert kept[1] > kept[0] + 6


def test_channels_that_images_hardly_show_are_not_blown_up():
    """Red minus green of grey images, and what reads an input that is 0 in all of them."""
    first = nn.Conv2d(3, 4, 1)
    first.weight.data = torch.tensor([[1.0, -1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]])[
        ..., None, None]
    first.bias = nn.Parameter(torch.tensor([0, 1e-7, 0.5, -0.5]))
    graph = capture(nn.Sequential(first, nn.SiLU(), nn.Conv2d(4, 4, 1)), (3, 9, 9))
    grey = IMAGES[:, :1] * np.array([1, 1, 0], np.float32)[:, None, None]
    taken = channel_factors(graph, grey).taken["0"]
    assert taken[0] >= taken[2] / 16
    quantise(graph, grey)


def test_copies_of_functions_stay_as_they_are(net):
    found = channel_factors(net, IMAGES)
    assert found.outputs.keys() >= {"a"}
    assert all((x == 1).all() for x in found.taken.values())


# -- what is refused -------------------------------------------------------------------------------
def graph_with(table: np.ndarray, **layer) -> IntegerGraph:
    made = make_layer(np.random.default_rng(0), "conv", (3, 6, 6), 5, **layer)
    return IntegerGraph("net", (replace(made, table=table),), 1.0, 1.0)


FALLING = np.arange(127, -129, -1, dtype=np.int64).astype(np.int8)[None]


@pytest.mark.parametrize(("graph", "message"), [
    (graph_with(np.zeros((2, 256), np.int8)), r"table is int8\[2, 256\]; it must be int8\[1 or 5"),
    (graph_with(np.zeros((1, 255), np.int8)), r"table is int8\[1, 255\]"),
    (graph_with(FALLING, pool=(2, 2, 0)), "pools what a falling table gives; pool in a layer of"),
])
def test_tables_that_cannot_be_are_refused(graph, message):
    with pytest.raises(GraphError, match=f"layer conv: {message}"):
        graph.validate()


@pytest.mark.parametrize(("config", "remedy"), [
    (TINY, r"set array\.tables \(--tables\), or take ReLU"),
    (MICROCODED, "the microcoded core never has: take a pipelined one")])
def test_an_accelerator_without_tables_refuses_the_layer(config, remedy):
    with pytest.raises(CompileError, match=f"layer conv: its outputs go .*{remedy}"):
        compile_graph(graph_with(FALLING), config)


def test_small_inputs_of_a_layer_with_a_table_are_no_zeros():
    layer = replace(make_layer(np.random.default_rng(0), "fc", (8, 1, 1), 5, kernel=(1, 1),
                               padding=(0, 0)), table=FALLING)
    config = TABLES.replace(array__zero_skip=True)
    graph = IntegerGraph("net", (layer,), 1.0, 1.0)
    compile_graph(graph, config)
    with pytest.raises(CompileError, match="epsilon is 3; small inputs count as zero only in fully "
                                           "connected layers without tables"):
        compile_graph(replace(graph, layers=(replace(layer, epsilon=3),)), config)


def test_steps_that_know_outputs_alone_name_the_layer(net):
    for step in (lambda: calibrate(net, IMAGES), lambda: quantise_with(net, [1.0] * 9),
                 lambda: FakeQuantised(net, [])):
        with pytest.raises(GraphError, match="layer a: its activation becomes a table"):
            step()


@pytest.mark.parametrize(("kind", "numbers", "rises"), [
    ("slope", (0.1,), True), ("slope", ([0.5, -0.1],), False), ("sigmoid", (), True),
    ("affine", (-1.0, 0.0), False), ("threshold", (0.0, 1.0), False), ("sin", (), False)])
def test_what_rises_is_known(kind, numbers, rises):
    assert function(kind, X, numbers=numbers).rises is rises
