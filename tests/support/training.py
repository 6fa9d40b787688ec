"""Short training, and a data set's folder."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from sw.training.fit import Batches
from sw.training.recipe import Recipe
from sw.training.task import Task

__all__ = ["RECIPE", "batches", "make_tiny_imagenet"]

RECIPE = Recipe(epochs=1, batch=64, rate=2e-3, seed=5)


def batches(task: Task) -> Batches:
    """A task's training batches."""
    return Batches.training(task.data, task.augment, task.plain, torch.device("cpu"))


def make_tiny_imagenet(root: Path, classes: Sequence[str] = ("n01", "n02"), train_images: int = 3,
                       held: int = 2) -> Callable[..., None]:
    """Fill a folder as Tiny ImageNet's; returns what writes a picture: (path, size)."""
    rng = np.random.default_rng(0)

    def picture(path: Path, size: tuple[int, int] = (64, 64)) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(path, "JPEG")

    (root / "val").mkdir(parents=True)
    (root / "wnids.txt").write_text("\n".join(classes) + "\n")
    lines = []
    for name in classes:
        for k in range(train_images):
            picture(root / "train" / name / "images" / f"{name}_{k}.JPEG")
        for k in range(held):
            picture(root / "val" / "images" / f"val_{name}_{k}.JPEG")
            lines.append(f"val_{name}_{k}.JPEG\t{name}\t0\t0\t63\t63")
    (root / "val" / "val_annotations.txt").write_text("\n".join(lines) + "\n")
    return picture
