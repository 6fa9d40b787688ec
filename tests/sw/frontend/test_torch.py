"""Any graph of supported operators is captured; anything else is named."""


import numpy as np
import pytest
import torch
import torch.nn.utils.prune
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sw.frontend.torch import UnsupportedLayer, capture
from sw.ir.errors import CaptureNotice
from tests.support.floating import run_float
from tests.support.modules import Calls, random_chain, random_module
from tests.support.networks import NETWORKS, settled
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
    (nn.Sequential(nn.Conv2d(3, 4, 3), nn.GLU(1)), "layer 1: operator glu.default is not"),
    (nn.Sequential(nn.Conv2d(3, 4, 3, padding=200, dilation=(2, 200))),
     r"layer 0: dilation is \[2, 200\]; it must be from 1 to 127"),
    (nn.Sequential(nn.Conv2d(3, 4, 3, (1, 16), 12)), r"layer 0: stride is \[1, 16\]; it must be"),
    (nn.Sequential(nn.Conv2d(3, 4, 3, padding=20), nn.MaxPool2d(2, (16, 1))),
     r"layer 1: stride is \[16, 1\]; it must be from 1 to 15"),
    (nn.Sequential(nn.Conv2d(3, 4, 3), nn.AvgPool2d(2, ceil_mode=True, divisor_override=3)),
     "layer 1: divisor_override with windows of several sizes is not supported"),
    (nn.Sequential(nn.Flatten(), nn.Linear(3 * 81, 4), nn.Softmax(1), nn.Linear(4, 2)),
     "layer 2: softmax runs only at the network's end, on the host"),
    (nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)), "group_norm.default is not supported: "
     "batch norm runs"),
    (nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(3, 4, 3)), "layer 0: pads by reflect; only c"),
    (nn.Sequential(nn.ConstantPad2d(1, np.inf), nn.Conv2d(3, 4, 3)), "layer 0: pads with inf; onl"),
    (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)),
     "layer 1: batch norm takes the statistics of its own batch"),
    (nn.Sequential(nn.Identity()), "has no layer to run"),
])
def test_what_cannot_run_is_named(net, message):
    with pytest.raises(UnsupportedLayer, match=message):
        capture(net, (3, 9, 9))


def test_pool_first_becomes_a_layer_of_its_own():
    graph = capture(nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(3, 4, 3)), (3, 9, 9))
    assert [x.groups for x in graph.layers] == [3, 1]


class Merging(nn.Module):
    def forward(self, x):
        return x.reshape(1, -1)


def test_vectors_and_double_weights_are_captured():
    net = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)).double()
    graph = capture(net, (6, 1, 1))
    images = np.random.default_rng(1).standard_normal((5, 6, 1, 1)).astype(np.float32)
    expected = net(torch.from_numpy(images).double().flatten(1)).detach().numpy()
    assert np.allclose(run_float(graph, images)[-1].flatten(1).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(("module", "shape", "message"), [
    (nn.Sequential(Merging(), nn.Linear(8, 2)), (4, 1, 1), "keep the batch and nothing else"),
    (nn.Sequential(nn.Conv2d(1, 4, 3), Merging()), (1, 5, 5), "keep the batch and nothing else"),
    (nn.Sequential(nn.Conv2d(2, 4, 3), nn.Unflatten(1, (2, 2)), nn.Flatten(2, 3), nn.Flatten(2),
                   nn.Unflatten(2, (3, 6)), nn.Linear(6, 4)), (2, 5, 5), "layer 5: a linear layer "
     r"over the last dimension of \[2, 3, 6\], which is neither of channels nor of rows of the map "
     r"\[4, 3, 3\]; put a flatten before it"),
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
    (lambda s, x: F.linear(x.flatten(1), x.flatten(1)), "flatten_1 is computed, not stored: only"),
    (lambda s, x: (s.conv(x), {"a": 3}), "its output output1.a is no tensor that is computed from"),
    (lambda s, x: {"a": s.conv(x), "b": s.conv.bias}, "its output b is no tensor that is computed"),
    (lambda s, x: None, "network Calls: its output output is no tensor that is computed from its"),
    (lambda s, x: s.conv(x.add_(1)), "operator add_.Tensor changes the network's input in place"),
    (lambda s, x: s.late(s.conv(x)), "operator relu_.default changes a value in place that is read "
     "elsewhere; take the form that does not, inplace=False"),
    (lambda s, x: s.late_half(s.conv(x)), "operator relu_.default changes a value in place"),
    (lambda s, x: s.late_dropout(s.conv(x)), "operator relu_.default changes a value in place"),
    (lambda s, x: s.conv(x[:, :].relu_()), "relu_.default changes the network's input in place"),
    (lambda s, x: s.conv(x) * s.conv(x), "layer mul: multiplies two values of the network"),
    (lambda s, x: s.conv(x) * s.conv(x).mean((2, 3), True), "multiplies by what is not known to b"),
    (lambda s, x: s.conv(x) * s.conv(x).mean(3, True), "a product takes values of one shape, or"),
    (lambda s, x: s.conv(x) + s.conv(x).mean((2, 3), True).relu().expand(-1, -1, 7, 7),
     "operator expand.default repeats values; it is not supported"),
    (lambda s, x: s.conv(x).mean((2, 3), True).sigmoid().expand(-1, -1, 7, 7) * 2.0,
     "multiplies one number for each channel, repeated over a map, by no map"),
    (lambda s, x: s.conv(x) + s.conv(x).mean((2, 3), True), r"adds \[4, 7, 7\] and \[4, 1, 1\]"),
    (lambda s, x: s.conv(x) + torch.rand(4, 1, 1), "draws random numbers; only what is the same"),
    (lambda s, x: s.conv(x) * torch.arange(7.0), "mul: has a number for each pixel of .* only one"),
    (lambda s, x: s.conv(x) * torch.arange(49.0).view(7, 7), "multiplies by a number for each pix"),
    (lambda s, x: s.conv(x).flip(0), "works along the batch; each image must stay by itself"),
    (lambda s, x: s.conv(x).mean(), "is over all of a batch; name the dimensions of rows and col"),
    (lambda s, x: s.conv(x).mean(1), "mean.dim is over channels; only over rows and columns"),
    (lambda s, x: s.conv(x).flip(3), r"takes pixels of \[4, 7, 7\] in another order; only"),
    (lambda s, x: torch.stack([s.conv(x), s.conv(x)], 3), "operator stack.default is not supp"),
    (lambda s, x: F.max_pool2d(s.conv(x), 2, return_indices=True)[1], "the places of the largest"),
    (lambda s, x: s.conv(x).int(), "makes its values torch.int32; only real numbers run"),
    (lambda s, x: s.conv(x) / s.conv(x), "layer div: multiplies two values of the network"),
    (lambda s, x: torch.div(s.conv(x), 2, rounding_mode="floor"), "rounds what it divides; with"),
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
    lambda s, x: F.dropout(s.conv(x), 0.5, False).relu_(),
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



@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_graph_of_supported_operators_is_captured(seed):
    torch.manual_seed(seed)
    net, shape = random_module(np.random.default_rng(seed))
    settled(net)
    images = torch.randn(3, *shape)
    found = run_float(capture(net, shape), images)[-1].flatten(1)
    expected = net(images).detach()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


# -- graphs ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.filterwarnings("ignore::sw.ir.errors.CaptureNotice")
def test_networks_as_people_write_them_compute_what_their_modules_do(name):
    make, shape = NETWORKS[name]
    net = settled(make())
    images = torch.randn(2, *shape)
    expected = net(images.flatten(2) if name == "waveform" else images).detach()
    graph = capture(net, shape, name)
    found = run_float(graph, images)[-1].flatten(1)
    found = found.softmax(1) if name == "ds_cnn" else found  # which is left to the host
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    if name not in ("ds_cnn", "waveform", "crnn"):
        assert not graph.is_chain


def test_what_is_free_costs_no_layer():
    layers = {}
    for name in ("resnet", "squeezenet"):
        make, shape = NETWORKS[name]
        layers[name] = [x.name for x in capture(settled(make()), shape).layers]
    assert layers["resnet"] == ["0", "4.conv1", "4.conv2", "5.conv1", "5.conv2", "6.conv1",
                                "6.conv2", "7", "9"]
    assert len(layers["squeezenet"]) == 12  # its convolutions and the mean; pooled before the join


def test_a_softmax_at_the_end_is_left_to_the_host_and_told_of():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 81, 4), nn.Softmax(1))
    with pytest.warns(CaptureNotice, match="layer 2: softmax at the end is left to the host; the "
                                           "order of the outputs is the same"):
        assert len(capture(net, (3, 9, 9)).layers) == 1


class Normalised(nn.Module):
    """Takes bytes, as networks do that are fed images as they are."""

    mean: torch.Tensor

    def __init__(self, padding: int):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=padding)
        self.register_buffer("mean", torch.tensor([0.5, 0.4, 0.3])[None, :, None, None])

    def forward(self, x):
        return self.conv((x / 255 - self.mean) / torch.tensor([0.2, 0.3, 0.1]).view(1, 3, 1, 1))


def masked(net: nn.Module) -> nn.Module:
    torch.nn.utils.prune.random_unstructured(net.get_submodule("conv"), "weight", amount=0.5)
    return net


def normed() -> nn.Module:
    net = Calls(lambda s, x: s.conv(x))
    torch.nn.utils.parametrizations.weight_norm(net.conv)
    return net


@pytest.mark.parametrize(("net", "layers"), [
    (Normalised(0), 1), (Normalised(1), 2), (masked(Normalised(0)), 1), (normed(), 1)])
def test_weights_that_are_made_of_others_and_images_that_are_normalised(net, layers):
    images = torch.randint(0, 256, (2, 3, 9, 9)).float()
    expected = net.eval()(images).detach()
    graph = capture(net, (3, 9, 9))
    assert len(graph.layers) == layers
    torch.testing.assert_close(run_float(graph, images)[-1], expected, rtol=1e-4, atol=1e-3)
