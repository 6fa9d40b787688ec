"""What a mask has left is refitted to what the dense network computed."""

import copy

import pytest
import torch
from torch import nn

from sw.prune.refit import refit_masked


def two_layers() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(),
                         nn.Linear(8 * 6 * 6, 16), nn.ReLU(), nn.Linear(16, 12))


def masked(net: nn.Sequential, names: tuple[str, ...], parts: int) -> dict[str, torch.Tensor]:
    """Masks of diagonal blocks, applied to the network."""
    masks = {}
    for name in names:
        weight = net.get_parameter(f"{name}.weight")
        mask = torch.zeros_like(weight)
        for p in range(parts):
            rows, columns = (n // parts for n in weight.shape[:2])
            mask[p * rows:(p + 1) * rows, p * columns:(p + 1) * columns] = 1
        weight.data *= mask
        masks[f"{name}.weight"] = mask
    return masks


def inputs(count: int = 256) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(count, 3, 6, 6, generator=generator) for _ in range(4)]


def error(net: nn.Module, dense: nn.Module, batches: list[torch.Tensor]) -> float:
    with torch.no_grad():
        return sum(float((net(x) - dense(x)).square().mean()) for x in batches)


@pytest.mark.parametrize("names", [("3",), ("3", "5")])
def test_the_error_falls_and_masked_weights_stay_zero(names):
    dense = two_layers()
    net = copy.deepcopy(dense)
    masks = masked(net, names, 4)
    before = error(net, dense, inputs())
    refit_masked(net, dense, masks, inputs)
    assert error(net, dense, inputs()) < 0.8 * before
    for name, mask in masks.items():
        assert not (net.get_parameter(name) * (1 - mask)).any()


def test_inputs_that_are_copies_of_others_lose_nothing():
    """Every channel twice, one of each pair kept."""
    torch.manual_seed(3)
    dense = nn.Sequential(nn.Linear(16, 8))
    net = copy.deepcopy(dense)
    mask = torch.zeros(8, 16)
    mask[:, :8] = 1
    net.get_parameter("0.weight").data *= mask

    def pairs() -> list[torch.Tensor]:
        half = torch.randn(512, 8, generator=torch.Generator().manual_seed(4))
        return [torch.cat([half, half], 1)]

    refit_masked(net, dense, {"0.weight": mask}, pairs, ridge=1e-9)
    assert error(net, dense, pairs()) < 1e-6


def test_a_layer_that_lost_nothing_stays_as_it_is():
    dense = two_layers()
    net = copy.deepcopy(dense)
    refit_masked(net, dense, {"3.weight": torch.ones_like(net.get_parameter("3.weight")),
                              "0.weight": torch.ones_like(net.get_parameter("0.weight"))}, inputs)
    for name in ("0", "3"):
        torch.testing.assert_close(net.get_parameter(f"{name}.weight"),
                                   dense.get_parameter(f"{name}.weight"), atol=1e-4, rtol=0)


def test_what_cannot_be_refitted_is_named():
    net = nn.Sequential(nn.Linear(4, 4, bias=False))
    with pytest.raises(ValueError, match="layer 0: is Linear; a convolution or a linear layer"):
        refit_masked(net, copy.deepcopy(net), {"0.weight": torch.ones(4, 4)}, list)
