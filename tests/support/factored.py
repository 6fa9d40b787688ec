"""Networks that multiply each channel by a value that they compute."""

import torch
from torch import nn

from sw.graph.integer import IntegerGraph

from .recipes import Recipe

__all__ = ["SqueezeExcite", "factored", "squeeze_excite"]


class SqueezeExcite(nn.Module):
    """The block, its factors by convolutions or by linear layers."""

    def __init__(self, channels: int, least: int, gate: nn.Module, *, linear: bool = False):
        super().__init__()
        make = nn.Linear if linear else lambda a, b: nn.Conv2d(a, b, 1)
        self.pool, self.linear = nn.AdaptiveAvgPool2d(1), linear
        self.gates = nn.Sequential(make(channels, least), nn.ReLU(), make(least, channels), gate)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.pool(x)
        if self.linear:
            count, channels = y.shape[:2]
            y = self.gates(y.view(count, channels)).view(count, channels, 1, 1)
            return x * y.expand_as(x)
        return self.gates(y) * x


def squeeze_excite() -> nn.Module:
    """MobileNetV3's kinds of layers, small, with ReLU in place of hard swish."""
    return nn.Sequential(
        nn.Conv2d(3, 12, 3, 2, 1), nn.ReLU(), nn.Conv2d(12, 12, 3, 1, 1, groups=12), nn.ReLU(),
        SqueezeExcite(12, 4, nn.Hardsigmoid()), nn.Conv2d(12, 10, 1), nn.BatchNorm2d(10),
        nn.Conv2d(10, 20, 1), nn.ReLU6(), SqueezeExcite(20, 8, nn.Hardsigmoid(), linear=True),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(20, 7))


def factored() -> IntegerGraph:
    """A map, what is made of each of its channels, and their product, in integers."""
    return Recipe.parse("2x4x4 seed=3 channels=3 rows=5 columns=4 conv out=10 kernel_h=3 "
                        "kernel_w=3 pad_top=1 pad_left=1 excite low=-128 offset=5 shift=9 "
                        "conv out=6 low=-128").graph
