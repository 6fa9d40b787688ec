"""Any chain of supported modules is captured; anything else is named."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sw.capture import UnsupportedLayer, capture
from sw.golden import run_golden
from sw.quantise import QuantiseError, quantise, run_float


def random_chain(rng: np.random.Generator) -> tuple[nn.Module, tuple[int, int, int]]:
    """A random nn.Sequential of supported layers that fits its input."""
    shape = channels, size, _ = int(rng.integers(1, 6)), int(rng.integers(9, 20)), 0
    shape = (channels, size, size)
    layers: list[nn.Module] = []
    for _ in range(int(rng.integers(1, 4))):
        groups = int(rng.choice([g for g in (1, 2, 3) if channels % g == 0]))
        out = groups * int(rng.integers(1, 9))
        kernel, stride = int(rng.integers(1, 8)), int(rng.integers(1, 3))
        pad = int(rng.integers(0, kernel // 2 + 1))
        if size + 2 * pad < kernel:
            break
        layers.append(nn.Conv2d(channels, out, kernel, stride, pad, groups=groups,
                                bias=bool(rng.integers(2))))
        channels, size = out, (size + 2 * pad - kernel) // stride + 1
        if rng.integers(2):
            norm = nn.BatchNorm2d(channels)
            norm.running_mean.uniform_(-1, 1)
            norm.running_var.uniform_(0.5, 2)
            nn.init.uniform_(norm.weight, -1, 1)
            layers.append(norm)
        if rng.integers(2):
            layers.append(nn.ReLU())
        if size >= 3 and rng.integers(2):
            layers.append(nn.MaxPool2d(*[(2, 2, 0), (3, 2, 1), (2, 1, 0)][rng.integers(3)]))
            size = nn.Sequential(layers[-1])(torch.zeros(1, channels, size, size)).shape[-1]
    layers += [nn.Flatten(), nn.Dropout(), nn.Linear(channels * size * size, 7)]
    return nn.Sequential(*layers), shape


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_float_graph_computes_what_the_module_does(seed):
    torch.manual_seed(seed)
    net, shape = random_chain(np.random.default_rng(seed))
    images = torch.randn(3, *shape)
    expected = net.eval()(images).detach().numpy()
    result = run_float(capture(net, shape), images.numpy())[-1].numpy().reshape(expected.shape)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_quantised_outputs_stay_near_the_float_ones(seed):
    torch.manual_seed(seed)
    net, shape = random_chain(np.random.default_rng(seed))
    images = torch.randn(16, *shape).numpy()
    expected = net.eval()(torch.from_numpy(images)).detach().numpy()
    graph = quantise(capture(net, shape), images)
    result = np.stack([run_golden(graph, graph.quantise_input(x))[-1].reshape(-1)
                       for x in images]) * graph.output_scale
    assert np.sqrt(np.mean((result - expected) ** 2)) < 0.15 * expected.std() + 1e-3


@pytest.mark.parametrize("net,message", [
    (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sigmoid()), "layer 1: operator sigmoid.default is not"),
    (nn.Sequential(nn.Conv2d(3, 4, 3, dilation=2)), r"layer 0: dilation is \[2, 2\]; only 1"),
    (nn.Sequential(nn.Conv2d(3, 4, 3, stride=(1, 2))), r"layer 0: stride is \[1, 2\]; it must be"),
    (nn.Sequential(nn.Conv2d(3, 4, 3), nn.AvgPool2d(2)), "layer 1: operator avg_pool2d.default"),
    (nn.Sequential(nn.Flatten(), nn.Linear(3 * 81, 4), nn.Softmax(1)), "layer 2: operator softmax"),
    (nn.Sequential(nn.Linear(9, 9)), "layer 0: a linear layer over the last dimension"),
    (nn.Sequential(nn.Identity()), "has no layer to run"),
])
def test_what_cannot_run_is_named(net, message):
    with pytest.raises(UnsupportedLayer, match=message):
        capture(net, (3, 9, 9))


def test_a_branch_is_refused():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x):
            return x + self.conv(x)

    with pytest.raises(UnsupportedLayer, match="only chains of layers run"):
        capture(Residual(), (3, 9, 9))


def test_pool_first_becomes_a_layer_of_its_own():
    graph = capture(nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(3, 4, 3)), (3, 9, 9))
    assert [x.groups for x in graph.layers] == [3, 1]


def test_capture_leaves_the_training_mode_as_it_was():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout()).train()
    capture(net, (3, 9, 9))
    assert net.training


class Merging(nn.Module):
    def forward(self, x):
        return x.reshape(1, -1)


class AddsConstant(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.offset = torch.ones(4)

    def forward(self, x):
        return self.fc(x) + self.offset


def test_vectors_and_double_weights_are_captured():
    net = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)).double()
    graph = capture(net, (6, 1, 1))
    images = np.random.default_rng(1).standard_normal((5, 6, 1, 1)).astype(np.float32)
    expected = net(torch.from_numpy(images).double().flatten(1)).detach().numpy()
    assert np.allclose(run_float(graph, images)[-1].flatten(1).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(("module", "shape", "message"), [
    (nn.Sequential(Merging(), nn.Linear(8, 2)), (4, 1, 1), "keep the batch and nothing else"),
    (nn.Sequential(nn.Conv2d(1, 4, 3), Merging()), (1, 5, 5), "keep the batch and nothing else"),
    (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(1, 4)), (1, 3, 3), "put a flatten before it"),
    (AddsConstant(), (4, 1, 1), "operator add"),
])
def test_what_looks_like_a_chain_but_is_none_is_refused(module, shape, message):
    with pytest.raises(UnsupportedLayer, match=message):
        capture(module, shape)


def test_channels_that_are_all_but_dead_are_quantised():
    net = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    with torch.no_grad():
        net[0].weight[3] *= 1e-9
        net[1].bias[3] = 2.0
    graph = capture(net, (2, 6, 6))
    images = np.random.default_rng(1).standard_normal((4, 2, 6, 6)).astype(np.float32)
    integer = quantise(graph, images)
    output = run_golden(integer, integer.quantise_input(images[0]))[-1] * integer.output_scale
    assert np.abs(output - run_float(graph, images[:1])[-1][0].numpy()).max() < 0.1


def test_weights_that_are_no_numbers_are_named():
    net = nn.Sequential(OrderedDict(conv=nn.Conv2d(1, 2, 1), fc=nn.Conv2d(2, 2, 1)))
    with torch.no_grad():
        net.fc.weight[0] = float("nan")
    with pytest.raises(QuantiseError, match="layer fc: its weights hold NaN"):
        quantise(capture(net, (1, 2, 2)), np.ones((1, 1, 2, 2), np.float32))
