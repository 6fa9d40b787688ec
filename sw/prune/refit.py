"""Refits what a mask has left by least squares, layer by layer, to what the dense network computed.

A masked layer's kept weights were trained beside those that are gone. On calibration inputs the
best ones have a closed form: with x the inputs that the pruned network now gives the layer, and y
what the layer gave in the dense network, they are the regression of y on the kept x. So errors of
the layers before are made up for, too. It takes statistics of second order and no labels.
"""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import nn
from torch.nn import functional

__all__ = ["RIDGE", "refit_masked"]

#: Share of the inputs' mean variance that is added to each: draws weights to the old ones.
RIDGE = 1e-2
_POSITIONS = 16  # of a map, drawn from each image


class _Moments:
    """Sums over samples of inputs x[n, d] that are kept and targets y[n, o]."""

    def __init__(self) -> None:
        self.count = 0
        self.x = self.y = self.xx = self.xy = torch.zeros(())

    def add(self, x: torch.Tensor, y: torch.Tensor) -> None:
        x, y = x.double(), y.double()
        self.count += len(x)
        self.x, self.y = self.x + x.sum(0), self.y + y.sum(0)
        self.xx, self.xy = self.xx + x.T @ x, self.xy + x.T @ y

    def solve(self, weight: torch.Tensor, ridge: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights [o, d] and biases [o] of the regression, drawn to `weight`."""
        x, y = self.x / self.count, self.y / self.count
        covariance = self.xx / self.count - torch.outer(x, x)
        cross = self.xy / self.count - torch.outer(x, y)
        pull = ridge * float(covariance.diagonal().mean())
        eye = torch.eye(len(x), dtype=torch.float64, device=x.device)
        for _ in range(5):
            factor, failed = torch.linalg.cholesky_ex(covariance + pull * eye)
            if not failed:
                break
            pull *= 10
        else:
            return weight, y.to(weight) - weight @ x.to(weight)
        found = torch.cholesky_solve(cross + pull * weight.double().T, factor).T
        return found.to(weight), (y - found @ x).to(weight)


def refit_masked(net: nn.Module, dense: nn.Module, masks: Mapping[str, torch.Tensor],
                 batches: Callable[[], Iterable[torch.Tensor]], *, ridge: float = RIDGE,
                 say: Callable[[str], None] = lambda text: None) -> None:
    """Refit a network's masked layers in place, in the masks' order.

    Parameters
    ----------
    net, dense : modules of the same layers; both are put in evaluation mode
    masks : "layer.weight" -> 0/1 tensor of its shape, from the network's input to its output;
        outputs that keep the same inputs are solved together
    batches : gives calibration inputs, float[n, C, H, W], the same at each call
    ridge : above 0

    Raises
    ------
    ValueError
        If a masked layer is neither a convolution nor linear, or has no bias to take the means.
    """
    net.eval()
    dense.eval()
    for name, mask in masks.items():
        path = name.removesuffix(".weight")
        layer, theirs = net.get_submodule(path), dense.get_submodule(path)
        if not isinstance(layer, nn.Conv2d | nn.Linear) or layer.bias is None:
            raise ValueError(f"layer {path}: is {type(layer).__name__}; a convolution or a linear "
                             "layer with a bias can be refitted")
        say(f"refitting {path}")
        with torch.no_grad():
            _refit(net, dense, layer, theirs, mask.flatten(1).bool(), batches(), ridge)


def _refit(net: nn.Module, dense: nn.Module, layer: nn.Conv2d | nn.Linear, theirs: nn.Module,
           mask: torch.Tensor, batches: Iterable[torch.Tensor], ridge: float) -> None:
    """Refit one layer; mask bool[outputs, inputs of one output]."""
    supports, group = torch.unique(mask, dim=0, return_inverse=True)
    moments = [_Moments() for _ in supports]
    generator = torch.Generator().manual_seed(0)
    for batch in batches:
        x, _ = _passing(net, layer, batch)
        _, y = _passing(dense, theirs, batch)
        x, y = _samples(layer, x, y, generator)
        for k, (support, sums) in enumerate(zip(supports, moments, strict=True)):
            sums.add(x[:, support], y[:, group == k])
    weight = layer.weight.flatten(1).clone()
    bias = layer.bias
    assert bias is not None
    for k, (support, sums) in enumerate(zip(supports, moments, strict=True)):
        mine = (group == k).nonzero()[:, 0]
        found, offset = sums.solve(weight[mine][:, support], ridge)
        row = torch.zeros(len(mine), weight.shape[1]).to(weight)
        row[:, support] = found
        weight[mine] = row
        bias[mine] = offset
    layer.weight.copy_(weight.reshape(layer.weight.shape))


def _passing(net: nn.Module, layer: nn.Module, batch: torch.Tensor,
             ) -> tuple[torch.Tensor, torch.Tensor]:
    """What goes into a layer and comes out of it."""
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def hook(module: nn.Module, args: tuple, output: torch.Tensor) -> None:
        seen.append((args[0], output))

    handle = layer.register_forward_hook(hook)
    try:
        net(batch)
    finally:
        handle.remove()
    return seen[0]


def _samples(layer: nn.Conv2d | nn.Linear, x: torch.Tensor, y: torch.Tensor,
             generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs [n, d] and outputs [n, o], of some positions where there are many."""
    if isinstance(layer, nn.Linear):
        return x.flatten(0, -2), y.flatten(0, -2)
    if layer.groups != 1 or isinstance(layer.padding, str):
        raise ValueError("a convolution with groups or padding by name cannot be refitted")
    patches = functional.unfold(x, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    outputs = y.flatten(2)
    count = outputs.shape[2]
    chosen = torch.randperm(count, generator=generator)[:_POSITIONS].to(x.device)
    return (patches[:, :, chosen].transpose(1, 2).flatten(0, 1),
            outputs[:, :, chosen].transpose(1, 2).flatten(0, 1))
