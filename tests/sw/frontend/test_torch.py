"""Any chain of supported modules is captured; anything else is named."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sw.frontend.torch import UnsupportedLayer, capture
from tests.support.floating import run_float
from tests.support.modules import Calls, random_chain
from tests.support.present import present


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_float_graph_computes_what_the_module_does(seed):
    torch.manual_seed(seed)
    net, shape = random_chain(np.random.default_rng(seed))
    images = torch.randn(3, *shape)
    expected = net.eval()(images).detach().numpy()
    result = run_float(capture(net, shape), images.numpy())[-1].numpy().reshape(expected.shape)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("net,message", [
    (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sigmoid()), "layer 1: operator sigmoid.default is not"),
    (nn.Sequential(nn.Conv2d(3, 4, 3, dilation=2)), r"layer 0: dilation is \[2, 2\]; only 1"),
    (nn.Sequential(nn.Conv2d(3, 4, 3, stride=(1, 2))), r"layer 0: stride is \[1, 2\]; it must be"),
    (nn.Sequential(nn.Conv2d(3, 4, 3), nn.AvgPool2d(2)), "layer 1: operator avg_pool2d.default"),
    (nn.Sequential(nn.Flatten(), nn.Linear(3 * 81, 4), nn.Softmax(1)), "layer 2: operator softmax"),
    (nn.Sequential(nn.Linear(9, 9)), "layer 0: a linear layer over the last dimension"),
    (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)),
     "layer 1: batch norm takes the statistics of its own batch"),
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


# -- what would be taken for something else --------------------------------------------------------
F = nn.functional


@pytest.mark.parametrize(("run", "message"), [
    (lambda s, x: F.dropout(s.conv(x)), "layer dropout: dropout of 0.5 is on in evaluation, too; "
     "pass training=self.training, or take nn.Dropout"),
    (lambda s, x: F.dropout(s.conv(x), 0.2, True, True), "layer dropout_: dropout of 0.2"),
    (lambda s, x: torch.dropout(s.conv(x), 0.3, True), "layer dropout: dropout of 0.3"),
    (lambda s, x: F.dropout2d(s.conv(x)), "layer feature_dropout: dropout of 0.5"),
    (lambda s, x: F.alpha_dropout(s.conv(x), 0.5, True), "layer alpha_dropout: dropout of 0.5"),
    (lambda s, x: F.batch_norm(s.conv(x), s.norm.running_mean, s.norm.running_var, training=True),
     "layer batch_norm: batch norm takes the statistics of its own batch in evaluation, too"),
    (lambda s, x: F.batch_norm(s.conv(x), None, None, training=True), "takes the statistics"),
    (lambda s, x: F.instance_norm(s.conv(x)), "operator instance_norm.default is not supported"),
    (lambda s, x: F.conv2d(x, x), "layer conv2d: x is computed, not stored: only weights that"),
    (lambda s, x: F.linear(x.flatten(1), x.flatten(1)), "only chains of layers run"),
    (lambda s, x: (s.conv(x), x), "must return one tensor"),
    (lambda s, x: s.conv(x.add_(1)), "operator add_.Tensor is not supported"),
    (lambda s, x: 1 / 0, "network Calls: torch.export cannot capture it: division by zero"),
    (lambda s, x: s.missing, "torch.export cannot capture it: 'Calls' object has no attribute"),
    (lambda s, x: x, "network Calls: has no layer to run"),
])
def test_functions_that_do_something_else_in_evaluation_are_refused(run, message):
    with pytest.raises(UnsupportedLayer, match=message):
        capture(Calls(run), (3, 9, 9))


@pytest.mark.parametrize("run", [
    lambda s, x: F.dropout(s.conv(x), training=s.training), lambda s, x: F.dropout(s.conv(x), 0.0),
    lambda s, x: F.relu_(s.conv(x)), lambda s, x: (s.conv(x),),
    lambda s, x: F.batch_norm(s.conv(x), s.norm.running_mean, s.norm.running_var)])
def test_functions_that_are_nothing_in_evaluation_are_captured(run):
    net, images = Calls(run), torch.randn(2, 3, 9, 9)
    present(net.norm.running_mean).uniform_(-1, 1)
    expected = net.eval()(images)
    expected = expected[0] if isinstance(expected, tuple) else expected
    result = run_float(capture(net, (3, 9, 9)), images.numpy())[-1]
    torch.testing.assert_close(result, expected.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_any_precision_is_captured_as_the_float32_of_its_values(dtype):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
                        nn.Linear(196, 5)).to(dtype).eval()
    net.get_buffer("1.running_mean").uniform_(-1, 1)
    images = torch.randn(2, 3, 9, 9)
    result = run_float(capture(net, (3, 9, 9)), images.numpy())[-1].flatten(1)
    assert net[0].weight.dtype == dtype
    torch.testing.assert_close(result, net.float()(images).detach(), rtol=1e-4, atol=1e-4)

