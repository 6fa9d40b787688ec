"""A user's own network and images as files, each kind that `--network` and `--data` take."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from sw.frontend.torch import import_torch

from .onnx_files import to_onnx

__all__ = ["SHAPE", "Own", "chain", "write_own"]

#: Of the input of `chain`.
SHAPE = (3, 16, 16)
_SOURCE = '''"""A user's network."""
import torch
from torch import nn

def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(128, 16), nn.ReLU(), nn.Linear(16, 5))

class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.f = nn.Linear(8, 4)

    def forward(self, x):
        x = self.a(x).relu()
        return self.f((self.b(x) + x).relu().mean((2, 3)))

class Refused(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)
        self.one, self.two = nn.InstanceNorm2d(8), nn.InstanceNorm2d(8)
        self.norm = nn.GroupNorm(2, 8)

    def forward(self, x):
        return self.norm(self.two(self.b(self.one(self.a(x)))))

class Breaks(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        y = torch.div(self.a(x), 2, rounding_mode="floor")
        return y.mean(1)

def broken():
    raise RuntimeError("no such thing")

def nothing():
    return 3

def images():
    return torch.ones(4, 3, 16, 16), torch.tensor([0, 1, 2, 3])
'''


def chain() -> nn.Module:
    """The module that the file's `make` gives, with other weights."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(128, 16), nn.ReLU(), nn.Linear(16, 5)).eval()


@dataclass(frozen=True)
class Own:
    """Paths: `source` of Python, `onnx`, `pt2`, `weights`, `images` in folders, and `npz`."""

    source: Path
    onnx: Path
    pt2: Path
    weights: Path
    images: Path
    npz: Path


def write_own(folder: Path) -> Own:
    """Write one network as each kind of file, and images for it."""
    own = Own(folder / "own.py", folder / "own.onnx", folder / "own.pt2",
              folder / "own.safetensors", folder / "images", folder / "images.npz")
    net = chain()
    own.source.write_text(_SOURCE)
    onnx.save(to_onnx(import_torch(net, SHAPE, "own")), own.onnx)
    torch.export.save(torch.export.export(net, (torch.zeros(1, *SHAPE),)), own.pt2)
    save_file(net.state_dict(), own.weights)
    rng = np.random.default_rng(1)
    for name in "abcde":
        (own.images / name).mkdir(parents=True)
        for k in range(3):
            pixels = rng.integers(0, 255, (20, 26, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(own.images / name / f"{k}.png")
    np.savez(own.npz, images=rng.normal(size=(12, *SHAPE)).astype(np.float32),
             labels=rng.integers(0, 5, 12))
    return own
