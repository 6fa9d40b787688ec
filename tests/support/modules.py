"""torch modules to capture."""

import numpy as np
import torch
from torch import nn

__all__ = ["Calls", "random_chain"]


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

    @staticmethod
    def late(y):
        """Changes rows of a value in place, and reads all of it."""
        y[:, :2].relu_()
        return y
