"""MTCNN's networks with their trained weights: RNet tells faces from others in RTL as in real
numbers, and all three are bit-exact."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from boards.__main__ import main as run_board
from sw import compare
from tests.clients.test_mobilenet_v2 import folder_of
from tests.support import mtcnn

pytestmark = [pytest.mark.slow, pytest.mark.builds]

#: Accelerators whose activation memory holds their layers.
CONFIG = ["--instances", "4", "--tables", "--log-entries", "64"]


def crops(size: int) -> torch.Tensor:
    """scikit-image's 100 faces and 100 other pieces of photographs, as the networks take them."""
    grey = torch.from_numpy(np.load(folder_of("skimage") / "data" / "lfw_subset.npy")).float()
    small = functional.interpolate(grey[:, None], (size, size), mode="area")
    return ((small * 255 - 127.5) / 128).repeat(1, 3, 1, 1)


def write(name: str, size: int, folder: Path) -> list[str]:
    """The network's weights and its images as files; arguments that name them."""
    package = folder_of("facenet_pytorch", "--no-deps facenet-pytorch==2.6.0")
    stored = torch.load(package / "data" / f"{name.lower()}.pt", weights_only=True)
    net = getattr(mtcnn, name)()
    # the scores alone: not where the face is
    save_file({k: stored[k].contiguous() for k in net.state_dict()}, folder / "weights.safetensors")
    np.savez(folder / "crops.npz", images=crops(size).numpy(), labels=np.repeat([1, 0], 100))
    data = str(folder / "crops.npz")
    return ["--network", f"tests.support.mtcnn:{name}", "--input-shape", f"3x{size}x{size}",
            "--weights", str(folder / "weights.safetensors"), "--data", data,
            "--calibration", data]


@pytest.mark.parametrize(("name", "size", "images"), [
    ("RNet", 24, 200), ("PNet", 24, 2), ("ONet", 48, 2)])
def test_it_is_exact(name, size, images, tmp_path, capsys):
    code = compare.main([*write(name, size, tmp_path), *CONFIG, "--images", str(images), "--arms",
                         "dense-N", "--no-toggles", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert code == 0 and report["bit_exact"]
    if name == "RNet":
        assert report["accuracy"][f"int8 on the {images} images in RTL"] == 1.0


def test_it_runs_on_a_board_through_its_serial_port(tmp_path, capsys):
    """A simulated one whose FPGA holds an accelerator with tables, which PReLU needs."""
    code = run_board(["run", "ulx3s-45f", "--virtual", "--tables", *write("RNet", 24, tmp_path),
                      "--images", "1", "--json"])
    image, = json.loads(capsys.readouterr().out)["images"]
    assert code == 0 and image["bit_exact"] and image["differences"] == []
    assert image["found"] == image["expected"]
