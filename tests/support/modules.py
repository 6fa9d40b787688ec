"""torch modules to capture."""

import numpy as np
import torch
from torch import nn

from .factored import SqueezeExcite

__all__ = ["Calls", "Does", "random_chain", "random_module"]


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
        dilation = int(rng.choice([1, 1, 2, 3]))
        reach = (kernel - 1) * dilation + 1
        if size + 2 * pad < reach:
            break
        layers.append(nn.Conv2d(channels, out, kernel, stride, pad, dilation, groups,
                                bool(rng.integers(2))))
        channels, size = out, (size + 2 * pad - reach) // stride + 1
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


class Steps(nn.Module):
    """Runs steps that each read values given before, and gives the last one's."""

    def __init__(self, steps: list[tuple[nn.Module, tuple[int, ...]]]):
        super().__init__()
        self.steps = nn.ModuleList(module for module, _ in steps)
        self.reads = [reads for _, reads in steps]

    def forward(self, x):
        values = [x]
        for module, reads in zip(self.steps, self.reads, strict=True):
            values.append(module(*(values[k] for k in reads)))
        return values[-1]


class Does(nn.Module):
    """Runs a function of several values."""

    def __init__(self, run):
        super().__init__()
        self.run = run

    def forward(self, *values):
        return self.run(*values)


def random_module(rng: np.random.Generator) -> tuple[nn.Module, tuple[int, int, int]]:
    """A random graph of supported operators, in which every value is read in the end."""
    size = int(rng.integers(6, 14))
    shapes = [(int(rng.integers(1, 6)), size)]
    steps: list[tuple[nn.Module, tuple[int, ...]]] = []
    for _ in range(int(rng.integers(3, 14))):
        made = _step(rng, shapes)
        if made is not None:
            steps.append(made[:2])
            shapes.append(made[2])
    read = {k for _, reads in steps for k in reads}
    left = [k for k in range(len(shapes)) if k not in read]
    means = Does(lambda *values: torch.cat([v.mean((2, 3)) for v in values], 1))
    width = sum(shapes[k][0] for k in left)
    end = [(means, tuple(left)), (nn.Linear(width, 5), (len(shapes),))]
    return Steps([*steps, *end]), (shapes[0][0], size, size)


def _step(rng: np.random.Generator, shapes: list[tuple[int, int]],
          ) -> tuple[nn.Module, tuple[int, ...], tuple[int, int]] | None:
    """A module, what it reads of values (channels, size), and what it gives."""
    k = int(rng.integers(max(0, len(shapes) - 4), len(shapes)))
    channels, size = shapes[k]
    like = [j for j, shape in enumerate(shapes) if shape == shapes[k]]
    alike = [j for j, shape in enumerate(shapes) if shape[1] == size]
    other, more = int(rng.choice(like)), tuple(int(j) for j in rng.choice(alike, 2))
    match int(rng.integers(16)):
        case 0 | 1 | 2:
            groups = int(rng.choice([1, 1, channels]))
            out = channels if groups > 1 else int(rng.integers(1, 9))
            stride = int(rng.integers(1, 3)) if size > 4 else 1
            kernel, by = int(rng.choice([1, 3])), (int(rng.integers(1, 3)), int(rng.integers(1, 4)))
            pad = kernel // 2 * by[0], kernel // 2 * by[1]
            return nn.Conv2d(channels, out, kernel, stride, pad, by, groups), (k,), (
                out, (size - 1) // stride + 1)
        case 3:
            return nn.BatchNorm2d(channels), (k,), (channels, size)
        case 4:
            return [nn.ReLU(), nn.ReLU6(), nn.Hardtanh(-0.7, 0.9)][rng.integers(3)], (k,), (
                channels, size)
        case 5 | 10 | 11 | 12:
            return Does(lambda x, y: x + y), (k, other), (channels, size)
        case 6 if sum(shapes[j][0] for j in more) < 24:
            return Does(lambda x, y: torch.cat([x, y], 1)), more, (
                sum(shapes[j][0] for j in more), size)
        case 7 if size > 4:
            pool = [nn.MaxPool2d(2), nn.AvgPool2d(2), nn.MaxPool2d(3, 2, 1)][rng.integers(3)]
            return pool, (k,), (channels, -(-size // 2) if pool.padding == 1 else size // 2)
        case 8:
            order = rng.permutation(channels)[:int(rng.integers(1, channels + 1))].tolist()
            return Does(lambda x: x[:, order]), (k,), (len(order), size)
        case 13 if size < 9 and rng.integers(2):
            return nn.Upsample(scale_factor=2), (k,), (channels, 2 * size)
        case 13 if channels % 4 == 0 and size < 9:
            return nn.PixelShuffle(2), (k,), (channels // 4, 2 * size)
        case 14 if size < 9:
            out, kernel = int(rng.integers(1, 7)), int(rng.choice([2, 4]))
            larger = nn.ConvTranspose2d(channels, out, kernel, 2, kernel // 2 - 1)
            return larger, (k,), (out, 2 * size)
        case 15:
            block = SqueezeExcite(channels, 2, nn.Hardsigmoid(), linear=bool(rng.integers(2)))
            return block, (k,), (channels, size)
        case 9 if size < 14:
            return nn.ZeroPad2d((1, 0, 0, 1)), (k,), (channels, size + 1)
    return None


class Calls(nn.Module):
    """Runs a function on its input, and holds what the function needs."""

    def __init__(self, run, **modules: nn.Module):
        super().__init__()
        self.run = run
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer("four", torch.arange(1.0, 5.0))
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, x):
        return self.run(self, x)

    @staticmethod
    def last(y):
        """Channels that are last as a map's."""
        return y.permute(0, 3, 1, 2)

    @staticmethod
    def late(y):
        """Changes rows of a value in place, and reads all of it."""
        y[:, :2].relu_()
        return y

    @staticmethod
    def late_half(y):
        y.chunk(2, 1)[0].relu_()
        return y + 1

    @staticmethod
    def late_dropout(y):
        return nn.functional.dropout(y, 0.5, False).relu_() + y
