"""A module is left as it was; one without values to take, or a shape of no image, is refused."""

import contextlib

import numpy as np
import pytest
import torch
from torch import nn

from sw.frontend.module import UnsupportedLayer
from sw.frontend.torch import capture
from tests.support.modules import Calls


class Frozen(nn.BatchNorm2d):
    """A norm that stays in evaluation mode, as those of detectors do."""

    def train(self, mode=True):
        return super().train(False)


class Counting(nn.Module):
    """Counts its calls in every way that a module can."""

    steps: torch.Tensor
    total: torch.Tensor

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
