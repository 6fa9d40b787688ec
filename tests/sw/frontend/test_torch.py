"""Any chain of supported modules is captured; anything else is named."""

import contextlib
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sw.frontend.torch import UnsupportedLayer, capture
from sw.quantise.post_training import QuantiseError, quantise, run_float
from sw.reference.golden import run_golden


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
            assert norm.running_mean is not None and norm.running_var is not None
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


# -- the module as it was --------------------------------------------------------------------------
class Calls(nn.Module):
    """Runs a function on its input, and holds what the function needs."""

    def __init__(self, run, **modules: nn.Module):
        super().__init__()
        self.run = run
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, x):
        return self.run(self, x)


class Frozen(nn.BatchNorm2d):
    """A norm that stays in evaluation mode, as those of detectors do."""

    def train(self, mode=True):
        return super().train(False)


class Counting(nn.Module):
    """Counts its calls in every way that a module can."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.calls = 0
        self.register_buffer("steps", torch.zeros(1))
        self.register_buffer("total", torch.zeros(1))

    def forward(self, x):
        self.calls += 1
        self.steps += 1
        self.total = self.total + 1
        return self.conv(x)


def snapshot(module: nn.Module) -> list:
    return [(name, m.training, type(m), getattr(m, "calls", None))
            for name, m in module.named_modules()] + [
        (name, id(t), t.dtype, t.requires_grad, t.detach().clone().tolist())
        for name, t in (*module.named_parameters(), *module.named_buffers())]


def partly_frozen() -> nn.Module:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), Frozen(4), nn.Dropout(), nn.ReLU())
    net.train()
    net[1].eval()
    net[0].bias.requires_grad_(False)
    return net


@pytest.mark.parametrize("make", [
    partly_frozen, lambda: partly_frozen().double(), lambda: partly_frozen().eval(), Counting,
    lambda: Calls(lambda s, x: torch.batch_norm(  # which trains the norm's statistics
        s.conv(x), None, None, s.norm.running_mean, s.norm.running_var, True, 0.1, 1e-5, False)),
    lambda: Calls(lambda s, x: 1 / 0),
    lambda: Calls(lambda s, x: nn.functional.dropout(s.conv(x)))])
def test_capture_leaves_everything_as_it_was(make):
    net = make()
    before, random = snapshot(net), torch.random.get_rng_state()
    with contextlib.suppress(UnsupportedLayer):
        capture(net, (3, 9, 9))
    assert snapshot(net) == before
    assert torch.equal(torch.random.get_rng_state(), random)


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
    net.norm.running_mean.uniform_(-1, 1)
    expected = net.eval()(images)
    expected = expected[0] if isinstance(expected, tuple) else expected
    result = run_float(capture(net, (3, 9, 9)), images.numpy())[-1]
    torch.testing.assert_close(result, expected.detach(), rtol=1e-4, atol=1e-5)


def broken_norm(**values: float) -> nn.Module:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    with torch.no_grad():
        for name, value in values.items():
            getattr(net[1], name)[2] = value
    return net


@pytest.mark.parametrize(("net", "message"), [
    (nn.Conv2d(3, 4, 3, device="meta"), r"network Conv2d: weight is on the meta device, which "
     r"holds no values: call module.to_empty\(device='cpu'\)"),
    (nn.LazyConv2d(4, 3), "network LazyConv2d: weight has no shape yet: run the module once"),
    (nn.Conv2d(3, 4, 3, dtype=torch.complex64), "weight is torch.complex64; only real numbers"),
    (nn.Sequential(), "network Sequential: has no layer to run"),
    (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3).double()), "cannot capture it: Input"),
    (broken_norm(running_mean=float("nan")), "layer 1: its running mean holds NaN or infinity"),
    (broken_norm(running_var=float("inf")), "layer 1: its running variance holds NaN"),
    (broken_norm(running_var=-1.0), "layer 1: its running variance is -1 with an eps of 1e-05"),
    (broken_norm(weight=float("nan")), "layer 1: its weight holds NaN"),
    (broken_norm(bias=float("nan")), "layer 1: its bias holds NaN"),
])
def test_modules_without_values_to_take_are_refused(net, message):
    with pytest.raises(UnsupportedLayer, match=message):
        capture(net, (3, 9, 9))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_any_precision_is_captured_as_the_float32_of_its_values(dtype):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
                        nn.Linear(196, 5)).to(dtype).eval()
    net[1].running_mean.uniform_(-1, 1)
    images = torch.randn(2, 3, 9, 9)
    result = run_float(capture(net, (3, 9, 9)), images.numpy())[-1].flatten(1)
    assert net[0].weight.dtype == dtype
    torch.testing.assert_close(result, net.float()(images).detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("shape", "message"), [
    ((8, 3, 9, 9), r"in_shape is \[8, 3, 9, 9\], with a batch of 8 first; give one image's "
     r"\[3, 9, 9\]"),
    ((3, 9), r"in_shape is \[3, 9\]; it must be \(channels, rows, columns\), each 1 or more"),
    ((3, -9, 9), r"in_shape is \[3, -9, 9\]"), ((3, 0, 9), r"in_shape is \[3, 0, 9\]"),
    ((3.0, 9.0, 9.0), r"in_shape is \(3.0, 9.0, 9.0\)"), (3, "in_shape is 3; it"),
    (None, "in_shape is None"), ("3,9,9", "in_shape is '3,9,9'"),
    (torch.zeros(1, 3, 9, 9), "in_shape is a tensor"),
])
def test_shapes_that_are_not_one_images_are_refused(shape, message):
    with pytest.raises(UnsupportedLayer, match=message):
        capture(nn.Conv2d(3, 4, 3), shape)


@pytest.mark.parametrize("shape", [(1, 3, 9, 9), [3, 9, 9], torch.Size([3, 9, 9]),
                                   np.array([3, 9, 9])])
def test_a_batch_of_one_and_any_sequence_is_a_shape(shape):
    assert capture(nn.Conv2d(3, 4, 3), shape).layers[0].in_shape == (3, 9, 9)
