"""Transposed convolutions and larger maps are small convolutions, and pixels in turn."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from sw.frontend.torch import UnsupportedLayer, capture, import_torch
from sw.ir.evaluate import evaluate
from tests.support.modules import Does


@pytest.mark.parametrize("stride", [1, 2, (3, 2)])
@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolutions_are_those_of_torch(stride, groups):
    torch.manual_seed(groups)
    for kernel, padding, dilation, more in itertools.product(
            [(1, 1), (2, 2), (3, 4)], [(0, 0), (1, 1), (0, 2)], [(1, 1), (1, 2)],
            [(0, 0), (0, 1)]):
        module = nn.ConvTranspose2d(4, 6, kernel, stride, padding, more, groups, dilation=dilation)
        x = torch.randn(2, 4, 5, 4)
        try:
            expected = module(x).detach()
        except RuntimeError:  # torch refuses it
            continue
        if 0 in expected.shape:
            with pytest.raises(UnsupportedLayer, match="leaves nothing"):
                import_torch(module.eval(), (4, 5, 4))
            continue
        found = evaluate(import_torch(module.eval(), (4, 5, 4)), x)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_transposed_convolution_multiplies_nothing_twice():
    for kernel, stride, padding in ((2, 2, 0), (3, 2, 1), (4, 2, 1), (5, 3, 1)):
        module = nn.ConvTranspose2d(3, 4, kernel, stride, padding)
        graph = capture(module, (3, 6, 6))
        assert sum(x.weight.size for x in graph.layers[:stride ** 2]) == module.weight.numel()
        assert [x.groups for x in graph.layers[stride ** 2:]] == [4]  # which gives the network's
        # output, and nothing else is left to do


@pytest.mark.parametrize("run", [
    lambda x: functional.interpolate(x, scale_factor=(2, 3)),
    lambda x: functional.interpolate(x, size=(15, 4), mode="nearest-exact"),
    lambda x: functional.pixel_shuffle(x, 2),
])
def test_larger_maps_are_those_of_torch(run):
    x = torch.randn(2, 8, 5, 4)
    assert torch.equal(evaluate(import_torch(Does(run), (8, 5, 4)), x), run(x))


def test_a_row_can_be_made_longer():
    module = nn.Sequential(nn.ConvTranspose1d(2, 3, 4, 2, 1), nn.Upsample(scale_factor=3)).eval()
    x = torch.randn(2, 2, 9)
    found = evaluate(import_torch(module, (2, 1, 9)), x)
    np.testing.assert_allclose(found.detach(), module(x).detach(), rtol=1e-4, atol=1e-5)


def test_other_sizes_are_refused_by_the_nodes_name():
    module = Does(lambda x: functional.interpolate(x, size=(7, 4)))
    with pytest.raises(ValueError, match=r"scales \[5, 4\] to \[7, 4\]; only whole numbers"):
        capture(module, (8, 5, 4))
    module = Does(lambda x: functional.interpolate(x, scale_factor=3.1))  # 8 rows become 24
    with pytest.raises(ValueError, match=r"scales by 3.1, 3.1; only whole numbers run"):
        capture(module, (8, 8, 8))
