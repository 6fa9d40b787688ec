"""What quantising can do beside rounding: like channels, corrected biases, zero points, noise."""

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from sw.frontend.torch import capture
from sw.graph.floating import FloatGraph
from sw.graph.flow import FlowError
from sw.graph.integer import INPUT
from sw.quantise.noise import signal_to_noise
from sw.quantise.post_training import QuantiseError, equalise, quantise
from sw.reference.batched import run_integer
from sw.reference.golden import run_golden
from tests.support.floating import run_float
from tests.support.networks import NETWORKS, settled


def network() -> nn.Module:
    return settled(nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(12, 12, 3, padding=1, groups=12), nn.ReLU(), nn.Conv2d(12, 16, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * 9, 6)))


def spread(graph: FloatGraph, factors: np.ndarray) -> FloatGraph:
    """The same function with the first two layers' channels times factors."""
    first, second, third, *others = graph.layers
    by = factors.astype(np.float32)
    first = replace(first, weight=first.weight * by[:, None, None, None], bias=first.bias * by)
    second = replace(second, bias=second.bias * by)  # depthwise: it takes the factors through
    third = replace(third, weight=third.weight / by[None, :, None, None])
    return graph.with_layers([first, second, third, *others])


IMAGES = np.random.default_rng(1).standard_normal((32, 3, 10, 10)).astype(np.float32)
GRAPH = capture(network(), (3, 10, 10), "net")
WIDE = spread(GRAPH, np.logspace(0, 3, 12))


def noise(graph: FloatGraph, **options) -> list[float]:
    """dB of each layer."""
    return list(signal_to_noise(graph, quantise(graph, IMAGES[:16], equal=False, **options),
                                IMAGES[16:]).values())


# -- like channels ---------------------------------------------------------------------------------
def test_channels_that_differ_by_a_thousand_lose_nothing():
    assert noise(WIDE)[-1] < 20
    assert noise(equalise(WIDE, IMAGES[:16]))[-1] > noise(GRAPH)[-1] - 3 > 25


def test_it_is_the_same_function_to_the_bit():
    """Powers of two are exact in floating point."""
    equal = equalise(WIDE, IMAGES[:16])
    assert torch.equal(run_float(equal, IMAGES)[-1], run_float(WIDE, IMAGES)[-1])
    factors = np.log2(equal.layers[0].bias / WIDE.layers[0].bias)
    assert np.array_equal(factors, np.round(factors)) and np.ptp(factors) >= 5


def test_channels_that_are_alike_stay_as_they_are():
    equal = equalise(GRAPH, IMAGES[:16])
    assert all(np.array_equal(a.weight, b.weight) for a, b in zip(equal.layers, GRAPH.layers,
                                                                  strict=True))
    plain = quantise(GRAPH, IMAGES, equal=False)
    for a, b in zip(quantise(GRAPH, IMAGES).layers, plain.layers, strict=True):
        assert all(np.array_equal(getattr(a, x), getattr(b, x))
                   for x in ("weight", "bias", "mult", "shift"))


@pytest.mark.parametrize("name", ["resnet8", "densenet", "mobilenet_v2", "shufflenet"])
def test_graphs_stay_the_same_function(name):
    """What is added, joined or clamped at both ends keeps its channels."""
    make, shape = NETWORKS[name]
    net = settled(make())
    graph = capture(net, shape, name)
    rng = np.random.default_rng(3)
    layers = []
    for layer in graph.layers:
        by = np.exp2(rng.integers(-6, 7, len(layer.bias))).astype(np.float32)
        layers.append(replace(
            layer, bias=layer.bias * by, weight=layer.weight * by[:, None, None, None],
            terms=tuple(replace(t, weight=t.weight * by[:, None, None, None])
                        for t in layer.terms)))
    uneven = graph.with_layers(layers)
    images = rng.standard_normal((4, *shape)).astype(np.float32)
    equal = equalise(uneven, images)
    assert any(not np.array_equal(a.weight, b.weight) for a, b in zip(
        equal.layers, uneven.layers, strict=True))
    torch.testing.assert_close(run_float(equal, images)[-1], run_float(uneven, images)[-1],
                               rtol=1e-5, atol=1e-5)


@pytest.mark.trains
def test_digits_whose_channels_are_spread_by_a_thousand_are_read_as_in_float():
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    x = torch.from_numpy(digits.images[order, None] / 16).float()
    y = torch.from_numpy(digits.target[order])
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(),
                        nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.ReLU(),
                        nn.Conv2d(16, 32, 3, 2, padding=1), nn.ReLU(), nn.Flatten(),
                        nn.Linear(32 * 16, 10))
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(8):
        for k in range(0, 1400, 64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(x[k:k + 64]), y[k:k + 64]).backward()
            optimiser.step()
    factors = np.random.default_rng(1).permutation(np.logspace(0, 3, 16))
    graph = spread(capture(net, (1, 8, 8)), factors)

    def right(outputs: torch.Tensor) -> float:
        return float((outputs.flatten(1).argmax(1) == y[1400:]).float().mean())

    exact = right(net(x[1400:]))
    found = {equal: right(run_integer(quantise(graph, x[:64], equal=equal), x[1400:]))
             for equal in (False, True)}
    assert exact > 0.9 and found[True] >= exact - 0.003 and found[False] < exact - 0.05


# -- biases ----------------------------------------------------------------------------------------
def test_biases_take_up_what_rounding_adds_on_average():
    positive = np.abs(IMAGES)
    plain = quantise(GRAPH, positive, equal=False)
    corrected = quantise(GRAPH, positive, equal=False, correct=True)
    exact = run_float(GRAPH, positive)[0].double().mean((0, 2, 3))
    first = []
    for graph in (plain, corrected):
        held = graph.held[graph.layers[0].name]
        outputs = [run_golden(graph, graph.quantise_input(x))[0] for x in positive]
        mean = torch.from_numpy(np.stack(outputs)).double().mean((0, 2, 3)) * held.scale
        first.append(float((mean - exact).abs().mean()))
    assert first[1] < 0.7 * first[0]


# -- zero points -----------------------------------------------------------------------------------
def test_zero_points_give_outputs_of_a_relu_twice_as_many_steps():
    graph = quantise(GRAPH, IMAGES, symmetric=False)
    plain = quantise(GRAPH, IMAGES)
    for layer in graph.layers[:3]:
        held, before = graph.held[layer.name], plain.held[layer.name]
        assert held.zero_point == layer.offset == layer.low == -128
        assert 0.4 < held.scale / before.scale < 0.6
    assert [x.pad_value for x in graph.layers[1:]] == [-128] * 3
    assert noise(GRAPH, symmetric=False)[0] > noise(GRAPH)[0]


@pytest.mark.filterwarnings("ignore::sw.ir.errors.CaptureNotice")
@pytest.mark.parametrize("name", ["resnet", "densenet", "ds_cnn"])
def test_graphs_with_zero_points_keep_more_and_both_references_agree(name):
    make, shape = NETWORKS[name]
    network = capture(settled(make()), shape, name)
    images = np.random.default_rng(1).standard_normal((24, *shape)).astype(np.float32)
    graph = quantise(network, images[:16], symmetric=False)
    whole = run_integer(graph, torch.from_numpy(images[16:]))
    golden = run_golden(graph, graph.quantise_input(images[18]))
    assert np.array_equal(golden[-1], whole[2].numpy())
    more = signal_to_noise(network, graph, images[16:])
    plain = signal_to_noise(network, quantise(network, images[:16]), images[16:])
    assert list(more.values())[-1] > list(plain.values())[-1]
    exact = run_float(network, images[18:19])[-1][0].numpy()
    assert np.abs(graph.real_output(golden[-1]) - exact).max() < 0.2 * np.abs(exact).max()


def test_what_lies_far_from_0_has_its_zero_elsewhere():
    images = IMAGES + np.float32(2.0)
    held = quantise(GRAPH, images, symmetric=False).held[INPUT]
    assert held.zero_point < -30
    low, high = (held.scale * (q - held.zero_point) for q in (-128, 127))
    assert low < np.quantile(images, 0.01) and high > np.quantile(images, 0.99)


# -- noise -----------------------------------------------------------------------------------------
def test_noise_is_that_of_each_layers_integers():
    graph = quantise(GRAPH, IMAGES)
    found = signal_to_noise(GRAPH, graph, IMAGES[:3])
    assert list(found) == [x.name for x in GRAPH.layers]
    exact = run_float(GRAPH, IMAGES[:3])
    for k, layer in enumerate(graph.layers):
        codes = np.stack([run_golden(graph, graph.quantise_input(x))[k] for x in IMAGES[:3]])
        off = codes * graph.held[layer.name].scale - exact[k].numpy()
        expected = 10 * np.log10((exact[k].numpy().astype(float) ** 2).sum() / (off ** 2).sum())
        assert found[layer.name] == pytest.approx(expected, abs=1e-3)


def test_noise_of_something_else_is_refused():
    graph = quantise(GRAPH, IMAGES)
    with pytest.raises(QuantiseError, match="net is not what quantise made of net: give the graph"):
        signal_to_noise(GRAPH, replace(graph, held={}), IMAGES)
    with pytest.raises(FlowError, match="signal_to_noise takes an IntegerGraph"):
        signal_to_noise(GRAPH, cast(Any, GRAPH), IMAGES)
