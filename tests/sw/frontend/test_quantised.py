"""Models as torch's PT2E writes them keep their integers; what cannot run is named."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.ao.quantization.fx._decomposed  # registers the operators
from torch import nn

from sw.frontend.torch import capture
from sw.graph.quantisation import Quantisation
from sw.ir.errors import UnsupportedLayer
from sw.quantise.post_training import quantise
from sw.reference.golden import run_golden

OPS = torch.ops.quantized_decomposed


def rounded(x, scale: float, zero: int = 0, low: int = -128, kind: torch.dtype = torch.int8):
    """Quantised and made real again."""
    limits = (scale, zero, low, low + 255, kind)
    return OPS.dequantize_per_tensor(OPS.quantize_per_tensor(x, *limits), *limits)


class Weights(nn.Module):
    """int8 with a scale for each output channel, as a convolution's or a linear layer's."""

    def __init__(self, *shape: int, seed: int):
        super().__init__()
        draw = np.random.default_rng(seed)
        self.register_buffer("whole", torch.from_numpy(draw.integers(-127, 128, shape, np.int8)))
        self.register_buffer("scales", torch.from_numpy(draw.uniform(5e-4, 1e-3, shape[0])))
        self.register_buffer("zeros", torch.zeros(shape[0], dtype=torch.int64))
        self.bias = nn.Parameter(torch.from_numpy(draw.normal(0, 0.1, shape[0])).float())

    def forward(self):
        return OPS.dequantize_per_channel(self.whole, self.scales.float(), self.zeros, 0, -127, 127,
                                          torch.int8)


class Net(nn.Module):
    """A residual network as PT2E leaves it, with activations of int8 or of uint8."""

    def __init__(self, unsigned: bool):
        super().__init__()
        self.a, self.b = Weights(8, 3, 3, 3, seed=1), Weights(8, 8, 3, 3, seed=2)
        self.c = Weights(5, 8 * 16, seed=3)
        self.more = (128, 0, torch.uint8) if unsigned else (0, -128, torch.int8)

    def at(self, x, scale: float, zero: int = 0):
        shift, low, kind = self.more
        return rounded(x, scale, zero + shift, low, kind)

    def forward(self, x):
        x = self.at(x, 0.03, 5)
        x = self.at(nn.functional.conv2d(x, self.a(), self.a.bias, padding=1).relu(), 0.02, -128)
        x = self.at(nn.functional.max_pool2d(x, 2), 0.02, -128)
        y = self.at(nn.functional.conv2d(x, self.b(), self.b.bias, padding=1), 0.03, 3)
        x = self.at((x + y).relu(), 0.025, -128)
        return self.at(nn.functional.linear(x.flatten(1), self.c(), self.c.bias), 0.02, 0)


@pytest.mark.parametrize("unsigned", [False, True])
def test_its_integers_give_what_it_gives(unsigned):
    net = Net(unsigned).eval()
    network = capture(net, (3, 8, 8))
    assert network.given == Quantisation(0.03, 5)
    graph = quantise(network)
    assert np.array_equal(graph.layers[0].weight, net.get_buffer("a.whole").numpy())
    assert [x.offset for x in graph.layers] == [-128, 3, -128, 0]
    images = np.random.default_rng(1).standard_normal((40, 3, 8, 8)).astype(np.float32)
    with torch.no_grad():
        exact = net(torch.from_numpy(images)).numpy()
    found = np.stack([graph.real_output(run_golden(graph, graph.quantise_input(x))[-1]).reshape(-1)
                      for x in images])
    off = np.abs(found - exact) / graph.output_scale
    assert off.max() < 1.5 and (off > 0.5).mean() < 0.1 and np.ptp(exact) > 50 * graph.output_scale


def called(function: Callable) -> nn.Module:
    class Called(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = Weights(4, 3, 1, 1, seed=1)

        def forward(self, x):
            return function(self, x)
    return Called().eval()


LIMITS = (0.1, 0, -128, 127, torch.int8)


@pytest.mark.parametrize(("function", "message"), [
    (lambda s, x: rounded(x, 0.1, 0, -32768, torch.int16), "makes torch.int16 of its values; int8"),
    (lambda s, x: OPS.dequantize_per_tensor(OPS.quantize_per_tensor(x, *LIMITS), 0.2, *LIMITS[1:]),
     "reads its values in another way than they were written"),
    (lambda s, x: nn.functional.conv2d(rounded(x, 0.1), s.w()), "what it gives is not quantised"),
    (lambda s, x: rounded(nn.functional.conv2d(rounded(x, 0.1), s.w() * 2), 0.1),
     "its weights are real numbers in a quantised model"),
    (lambda s, x: nn.functional.max_pool2d(OPS.quantize_per_tensor(x, *LIMITS).float(), 2),
     "takes int8 as they are; only real numbers run"),
])
def test_what_cannot_run_is_named(function, message):
    with pytest.raises(UnsupportedLayer, match=message):
        capture(called(function), (3, 8, 8))
