"""Functions of torch are captured in as few layers as they take, and all that they give by name."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves

from sw.frontend.torch import capture
from sw.ir.errors import CaptureNotice
from tests.support.floating import run_float
from tests.support.modules import Calls, Does
from tests.support.networks import settled

#: What a function does -> layers that it takes.
FUNCTIONS: list[tuple[Callable[..., torch.Tensor], int]] = [
    (lambda s, x: s.conv(x) + s.conv(x).relu(), 2),
    (lambda s, x: s.conv(x) - s.conv(x[:, [2, 0, 1]]), 1),
    (lambda s, x: torch.add(s.conv(x), s.conv(x), alpha=-0.5), 1),
    (lambda s, x: 2 - 3 * s.conv(x), 1), (lambda s, x: -s.conv(x) / torch.tensor(4.0), 1),
    (lambda s, x: x + x, 1), (lambda s, x: x - 0.5 * s.norm4(s.conv3(x)), 1),
    (lambda s, x: s.conv(x).clamp(-0.3, 0.4), 1), (lambda s, x: s.conv(x).clamp_min(0.1), 1),
    (lambda s, x: torch.clamp(s.conv(x), max=0.2), 1), (lambda s, x: F.hardtanh(s.conv(x)), 1),
    (lambda s, x: F.threshold(s.conv(x), 0, 0), 1), (lambda s, x: F.relu6(F.relu(s.conv(x))), 1),
    (lambda s, x: F.relu(s.conv(x).clamp(-0.5, -0.1)), 1),
    (lambda s, x: F.avg_pool2d(s.conv(x), 3, 2, 1), 2),
    (lambda s, x: F.avg_pool2d(s.conv(x), 3, 2, divisor_override=5), 2),
    (lambda s, x: F.adaptive_avg_pool2d(s.conv(x), (7, 1)), 2),
    # by regions of as many numbers: corners, edges and the middle, and a copy of all
    (lambda s, x: F.avg_pool2d(s.conv(x), 3, 1, 1, count_include_pad=False), 11),
    (lambda s, x: F.avg_pool2d(s.conv(x), 2, ceil_mode=True).relu(), 6),
    (lambda s, x: s.conv3(F.avg_pool2d(F.pad(x, (1, 0)), (1, 3), 2, (0, 1), True, False)), 4),
    (lambda s, x: F.adaptive_avg_pool2d(s.conv(x), (3, 7)), 2),
    (lambda s, x: F.adaptive_avg_pool2d(s.conv(x), (4, 5)), 11),
    (lambda s, x: F.adaptive_max_pool2d(s.conv(x), (4, 2)), 5),
    (lambda s, x: s.conv3(torch.cat([x, s.conv3(x)[:, :3]], 2)), 3),
    (lambda s, x: s.conv3(torch.cat([s.conv3(x), s.conv3(x), s.conv3(x)], 3)), 4),
    (lambda s, x: F.adaptive_avg_pool2d(s.conv(x), 7), 1),
    (lambda s, x: F.adaptive_max_pool2d(s.conv(x), 1), 1),
    (lambda s, x: s.conv(x).amax((2, 3)), 1), (lambda s, x: s.conv(x).mean((-1, -2), True), 2),
    (lambda s, x: s.conv(F.pad(x, (0, 1, 2, 0))), 1), (lambda s, x: F.pad(s.conv(x), (1, 0)), 2),
    (lambda s, x: F.max_pool2d(F.pad(s.conv(x).relu(), (0, 1, 0, 1)), 3, 2), 1),
    (lambda s, x: s.conv(F.pad(x, (0, 1, 2, 0), value=0.5)), 1),  # of one layer, its own padding
    (lambda s, x: s.conv3(F.pad(x, (2, 1), value=-1.5)), 2),
    (lambda s, x: F.avg_pool2d(F.pad(s.conv(x), (0, 1), value=1.5), 2), 3),
    (lambda s, x: s.conv(F.pad(x, (0, 0, 1, 0), value=3)) - 2 * s.conv(F.pad(x, (0, 0, 0, 1))), 1),
    (lambda s, x: F.max_pool2d(F.pad(s.conv(x), (0, 1, 0, 1)), 3, 2), 2),
    (lambda s, x: F.avg_pool2d(F.pad(s.conv(x), (0, 1, 0, 1)), 2), 2),
    (lambda s, x: torch.cat([s.conv(x), s.conv(x)[:, 1:3]], 1), 3),  # the last gives the output
    (lambda s, x: F.channel_shuffle(s.conv(x), 2), 1),
    (lambda s, x: s.conv(x).view(-1, 2, 2, 7, 7).transpose(1, 2).reshape(-1, 4, 7, 7).relu(), 1),
    (lambda s, x: s.fc(s.conv(x).permute(0, 2, 3, 1).flatten(1)), 2),
    (lambda s, x: s.fc(s.conv(x).flatten(1).relu()), 2),
    (lambda s, x: s.fc(s.conv(x).flip(2, 3).flatten(1)), 2),
    (lambda s, x: s.conv(x).flatten(1) @ s.fc.weight.T, 2),
    # over the last of several dimensions: of channels, of rows, of all of a channel
    (lambda s, x: s.channels(s.conv(x).permute(0, 2, 3, 1)).relu().permute(0, 3, 1, 2), 2),
    (lambda s, x: s.conv3(s.back(s.three(x.transpose(1, 3)).relu() - 1).transpose(3, 1)), 3),
    (lambda s, x: s.fc21(s.channels(s.conv(x).flatten(2).transpose(1, 2))[:, ::7, :3].flatten(1)),
     3),
    (lambda s, x: s.pixels(s.conv(x).flatten(2)).relu() * 2, 3),
    (lambda s, x: s.fc5(s.columns(x).relu().flatten(1)), 2),
    (lambda s, x: s.last((y := s.conv(x).permute(0, 2, 3, 1)) + s.channels(y) * s.four), 2),
    (lambda s, x: torch.cat([y.flatten(1) for y in s.conv(x).split([1, 3], 1)], 1), 3),
    (lambda s, x: s.conv(s.conv3(x).to(torch.float64).float()), 2),
    (lambda s, x: s.conv(x).unsqueeze(1).squeeze(1), 1),
    (lambda s, x: s.norm(s.conv(F.relu(s.norm3(x)))), 2), (lambda s, x: s.conv(s.norm3(x)), 1),
    (lambda s, x: s.conv(s.conv3(s.conv3(x))), 3), (lambda s, x: s.pair(x).relu_(), 1),
    (lambda s, x: F.max_pool2d(torch.cat([s.conv(x), s.conv(x)], 1).relu(), 2), 3),
]


@pytest.mark.parametrize(("run", "layers"), FUNCTIONS)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even")
def test_functions_are_captured_in_as_few_layers_as_they_take(run, layers):
    torch.manual_seed(1)
    net = settled(Calls(run, norm3=nn.BatchNorm2d(3), norm4=nn.BatchNorm2d(3), pair=nn.Conv2d(
        3, 4, (2, 4), padding="same"), conv3=nn.Conv2d(3, 3, 3, padding=1), fc=nn.Linear(196, 5),
                        channels=nn.Linear(4, 4), three=nn.Linear(3, 5),
                        back=nn.Linear(5, 3), fc21=nn.Linear(21, 5),
                        pixels=nn.Linear(49, 6), columns=nn.Linear(9, 4), fc5=nn.Linear(108, 5)))
    images = torch.randn(3, 3, 9, 9)
    expected = net(images).detach()
    graph = capture(net, (3, 9, 9))
    found = run_float(graph, images)[-1].reshape(expected.shape)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert len(graph.layers) == layers


#: What a function gives -> the names of it, and layers that it takes.
SEVERAL: list[tuple[Callable[..., object], list[str], int]] = [
    (lambda s, x: (s.conv(x), s.conv3(x)), ["output0", "output1"], 2),
    (lambda s, x: {"late": s.conv(y := s.conv3(x)), "early": y}, ["late", "early"], 2),
    (lambda s, x: ((y := s.conv3(x)), {"a": y.relu(), "b": x}, y.flatten(1)),
     ["output0", "output1.a", "output1.b", "output2"], 4),  # one is a copy of the first, at the end
    (lambda s, x: [torch.cat([s.conv3(x), x], 1)] * 2,
     ["output0", "output1"], 3),
]


@pytest.mark.parametrize(("run", "names", "layers"), SEVERAL)
def test_all_that_a_network_gives_has_its_name(run, names, layers):
    net = settled(Calls(run, conv3=nn.Conv2d(3, 3, 3, padding=1)))
    images = torch.randn(2, 3, 9, 9)
    expected = tree_leaves(net(images))
    graph = capture(net, (3, 9, 9))
    found = run_float(graph, images)
    assert [x.name for x in graph.outputs] == names and len(graph.layers) == layers
    for output, wanted in zip(graph.outputs, expected, strict=True):
        torch.testing.assert_close(found[graph.numbers[output.layer]].reshape(wanted.shape),
                                   wanted.detach(), rtol=1e-4, atol=1e-5)


def test_channels_that_are_last_in_the_end_are_told_of():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(2), Does(lambda x: x.transpose(1, 2)),
                        nn.Linear(4, 5))
    with pytest.warns(CaptureNotice, match=r"gives \[49, 5\], with its channels last; the accel"):
        graph = capture(net, (3, 9, 9))
    images = torch.randn(2, 3, 9, 9)
    torch.testing.assert_close(run_float(graph, images)[-1].flatten(2).transpose(1, 2),
                               net(images).detach(), rtol=1e-4, atol=1e-5)
