"""Functions of one number mean what torch says, and become part of the layer before them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sw.frontend.torch import capture, import_torch
from sw.ir.errors import UnsupportedLayer
from sw.ir.evaluate import evaluate
from tests.support.floating import run_float
from tests.support.modules import Calls
from tests.support.networks import settled

SLOPES = nn.PReLU(4)
SLOPES.weight.data = torch.tensor([0.25, -0.5, 1.75, 0.0])
#: One after the other, of one value.
FUNCTIONS: list[Callable[[torch.Tensor], torch.Tensor]] = [
    nn.LeakyReLU(0.2), nn.Sigmoid(), nn.Tanh(), nn.Hardsigmoid(), nn.Hardswish(), nn.SiLU(),
    nn.GELU(), nn.GELU("tanh"), nn.ELU(1.5), nn.CELU(0.5), nn.SELU(), nn.Mish(), nn.Softplus(2.0),
    nn.Softsign(), nn.LogSigmoid(), nn.Hardshrink(), nn.Softshrink(), nn.PReLU(), nn.RReLU(),
    SLOPES, nn.Threshold(0.1, 2.0), lambda y: y * torch.sigmoid(1.702 * y),
    lambda y: y / (1 + torch.exp(-y)), lambda y: y * F.relu6(y + 3) / 6,
    lambda y: 0.5 * y * (1 + torch.erf(y / 2 ** 0.5)), lambda y: y ** 2, lambda y: y * y * y,
    lambda y: torch.sqrt(y.abs() + 1), lambda y: 2 / (1 + y.square()), torch.sin, torch.cos,
    lambda y: F.leaky_relu_(y * 2), lambda y: F.hardswish(y.clamp(-1, 1), inplace=True),
    lambda y: torch.rsqrt(1 + torch.exp(y)), lambda y: torch.log(y.abs() + 1)]


def test_functions_mean_what_torch_says():
    class All(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.modules_ = nn.ModuleList(f for f in FUNCTIONS if isinstance(f, nn.Module))

        def forward(self, x):
            y = 3 * self.conv(x)
            return torch.cat([f(y) for f in FUNCTIONS], 1)

    net, images = settled(All()), torch.randn(2, 3, 8, 8)
    expected = net(images).detach()
    torch.testing.assert_close(evaluate(import_torch(net, (3, 8, 8)), images), expected,
                               rtol=1e-4, atol=1e-5)
    graph = capture(net, (3, 8, 8))  # the first gives y, the last the output
    clamps = [isinstance(f, nn.Hardsigmoid) for f in FUNCTIONS]
    assert [x.function is None for x in graph.layers] == [True, *clamps, True]
    found = run_float(graph, images.numpy())[-1]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("run", "layers", "behind"), [
    (lambda s, x: F.silu(s.norm(s.conv(x))), 1, 1),
    (lambda s, x: F.max_pool2d(F.leaky_relu(s.conv(x)), 2), 1, 1),
    (lambda s, x: F.leaky_relu(F.max_pool2d(s.conv(x), 2)), 1, 1),
    (lambda s, x: F.max_pool2d(F.silu(s.conv(x)), 2), 2, 1),  # it falls, and pooling comes first
    (lambda s, x: F.silu(F.max_pool2d(s.conv(x), 2)), 2, 1),
    (lambda s, x: torch.sigmoid(F.relu6(s.conv(x))) * 2 - 1, 1, 1),
    (lambda s, x: F.elu(F.silu(s.conv(x))).clamp(max=1), 1, 1),
    (lambda s, x: s.conv(x) + F.silu(s.conv(x)), 2, 1),
    (lambda s, x: torch.cat([s.conv(x), s.conv(x)[:, :2]], 1) * 0.5, 3, 0),
    (lambda s, x: F.prelu(torch.cat([s.conv(x), s.conv(x)], 1), torch.arange(8.0) / 9), 3, 2),
    (lambda s, x: SLOPES(s.conv(x))[:, [3, 0]], 1, 1),
    (lambda s, x: F.hardswish(x), 1, 1),
])
def test_a_function_is_part_of_a_layer(run, layers, behind):
    net, images = settled(Calls(run, slopes=SLOPES)), torch.randn(3, 3, 9, 9)
    graph = capture(net, (3, 9, 9))
    expected = net(images).detach()
    found = run_float(graph, images.numpy())[-1].reshape(expected.shape)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert (len(graph.layers), sum(x.function is not None for x in graph.layers)) == (
        layers, behind)


@pytest.mark.parametrize(("run", "message"), [
    (lambda s, x: s.conv(x) ** s.conv(x), "pow.Tensor_Tensor runs with a number as exponent only"),
    (lambda s, x: F.prelu(s.conv(x), torch.tensor([np.inf])), "its slopes hold NaN or infinity"),
    (lambda s, x: F.rrelu(s.conv(x), training=True), "draws its slopes in evaluation, too"),
])
def test_what_is_no_function_of_one_number_is_named(run, message):
    with pytest.raises(UnsupportedLayer, match=message):
        capture(Calls(run), (3, 9, 9))
