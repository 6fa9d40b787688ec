"""Weights rounded in turn: sums nearer to the float network's, and nothing else moved."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sw.frontend.torch import capture
from sw.graph.floating import FloatGraph
from sw.graph.integer import IntegerGraph
from sw.quantise import rounding
from sw.quantise.noise import signal_to_noise
from sw.quantise.post_training import quantise
from sw.quantise.requantise import unit_of
from sw.quantise.shown import Shown
from sw.reference.batched import run_integer
from sw.reference.golden import run_golden
from sw.reference.operators import convolve
from tests.support.networks import NETWORKS, settled

#: Neighbours and channels are alike, as in photographs.
IMAGES = (lambda x: x + 3 * x.mean((1, 3), keepdims=True) + 3 * x.mean((2, 3), keepdims=True))(
    np.random.default_rng(3).standard_normal((24, 3, 12, 12))).astype(np.float32)


def mixed() -> FloatGraph:
    """Strides, padding, dilation, groups, a depthwise layer and a linear one."""
    return capture(settled(nn.Sequential(
        nn.Conv2d(3, 12, 3, 2, padding=1), nn.ReLU(),
        nn.Conv2d(12, 12, 3, padding=2, dilation=2, groups=12), nn.ReLU(),
        nn.Conv2d(12, 16, (1, 3), groups=4), nn.ReLU(), nn.Conv2d(16, 8, 1), nn.ReLU(),
        nn.Flatten(), nn.Linear(8 * 24, 6))), (3, 12, 12), "mixed")


def both(graph: FloatGraph, **options) -> tuple[IntegerGraph, IntegerGraph]:
    return (quantise(graph, IMAGES[:16], **options),
            quantise(graph, IMAGES[:16], nearest=False, **options))


@pytest.mark.parametrize("symmetric", [True, False])
def test_layers_keep_more_of_images_that_they_were_not_rounded_on(symmetric):
    graph = mixed()
    nearest, turned = (signal_to_noise(graph, x, IMAGES[16:])
                       for x in both(graph, symmetric=symmetric, equal=False))
    assert np.mean(list(turned.values())) > np.mean(list(nearest.values()))
    assert list(turned.values())[-1] > list(nearest.values())[-1]


def test_what_goes_together_makes_up_for_each_other():
    """Two inputs that are the same: of two weights of 0.4 steps one is rounded up."""
    module = nn.Conv2d(3, 1, 1, bias=False)
    module.weight.data = torch.tensor([127, 0.4, 0.4]).reshape(1, 3, 1, 1)
    images = np.random.default_rng(1).standard_normal((8, 2, 4, 4))[:, [0, 1, 1]]
    first, *others = quantise(capture(module, (3, 4, 4), "pair"), images, nearest=False,
                              equal=False).layers[0].weight.flatten().tolist()
    assert first == 127 and sorted(others) == [0, 1]


def test_zeros_stay_and_steps_do():
    graph = mixed()
    kept = np.random.default_rng(5).random(graph.layers[3].weight.shape) < 0.5
    layers = list(graph.layers)
    layers[3] = replace(layers[3], weight=layers[3].weight * kept.astype(np.float32))
    nearest, turned = both(graph.with_layers(layers))
    assert not turned.layers[3].weight[~kept].any()
    assert any(not np.array_equal(a.weight, b.weight)
               for a, b in zip(nearest.layers, turned.layers, strict=True))
    for a, b in zip(nearest.layers, turned.layers, strict=True):
        assert np.array_equal(a.mult, b.mult) and np.array_equal(a.shift, b.shift)
        assert np.abs(a.weight.astype(int) - b.weight).max() <= 4


def test_layers_of_many_inputs_are_rounded_to_the_nearest(monkeypatch):
    monkeypatch.setattr(rounding, "_MOST_INPUTS", 100)
    nearest, turned = both(mixed())
    assert np.array_equal(nearest.layers[-1].weight, turned.layers[-1].weight)
    assert not np.array_equal(nearest.layers[0].weight, turned.layers[0].weight)


def test_portions_do_not_matter(monkeypatch):
    graph = mixed()
    _, whole = both(graph)
    monkeypatch.setattr(rounding, "_BYTES", 1)
    _, parts = both(graph)
    assert all(np.array_equal(a.weight, b.weight)
               for a, b in zip(whole.layers, parts.layers, strict=True))


@pytest.mark.parametrize("number", range(5))
def test_what_channels_read_is_what_they_multiply(number):
    layer = mixed().layers[number]
    x = torch.from_numpy(np.random.default_rng(7).standard_normal(
        (2, *layer.in_shape))).float()
    rows = rounding._read(layer, x, images=2, done=0)
    weight = torch.from_numpy(layer.weight)
    found = rows @ weight.reshape(layer.groups, -1, rows.shape[2]).mT  # [groups, positions, out]
    expected = convolve(layer, x, weight)
    n, channels, height, width = expected.shape
    found = found.reshape(layer.groups, n, height * width, -1).permute(1, 0, 3, 2)
    assert torch.allclose(found.reshape(n, channels, height, width), expected, atol=1e-4)


@pytest.mark.parametrize("images", [64, 5000])
def test_moments_are_of_all_of_a_map(images):
    """However many images share it: a tap at an edge reads as much as others do."""
    layer = capture(nn.Conv2d(1, 4, 3, padding=1), (1, 32, 32)).layers[0]
    x = torch.ones(images, 1, 32, 32)
    rows = rounding._read(layer, x, images, done=0)[0]
    assert rows.mean(0).min() > 0.9
    assert (rows.mean(0).max() - rows.mean(0).min()) < 0.1


@pytest.mark.filterwarnings("ignore::sw.ir.errors.CaptureNotice")
@pytest.mark.parametrize("name", ["resnet", "mobilenet_v2", "densenet"])
def test_graphs_keep_more_and_both_references_agree(name):
    make, shape = NETWORKS[name]
    images = np.random.default_rng(1).standard_normal((24, *shape)).astype(np.float32)
    graph = capture(settled(make()), shape)
    kept = []
    for nearest in (True, False):
        integers = quantise(graph, images[:16], symmetric=False, nearest=nearest)
        kept.append(np.mean(list(signal_to_noise(graph, integers, images[16:]).values())))
    assert kept[1] > kept[0]
    golden = run_golden(integers, integers.quantise_input(images[0]))[-1]
    assert np.array_equal(golden, run_integer(integers, torch.from_numpy(images[:1]))[0].numpy())


def test_biases_take_up_zero_points():
    """What the input's zero point adds to the sums of the new weights is not in them."""
    graph = mixed()
    shown = Shown(graph, IMAGES)
    before = quantise(graph, IMAGES, symmetric=False, equal=False)
    after = rounding.round_in_turn(before, shown)
    for k, (a, b, real) in enumerate(zip(before.layers, after.layers, graph.layers, strict=True)):
        zero = before.held[before.holder(before.source(k))].zero_point
        for layer in (a, b):
            own = layer.bias + zero * layer.weight.reshape(len(layer.bias), -1).astype(int).sum(1)
            assert np.allclose(own * unit_of(before, layer), real.bias,
                               atol=float(unit_of(before, layer).max()))
