"""Trains the slim network on scikit-learn's digits, dense and partition-pruned."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sw.graph.integer import IntegerGraph
from sw.networks.architectures import DIGITS_SHAPE, slim_digits
from sw.networks.names import HELD_OUT
from sw.prune.picture import Picture, pictures
from sw.prune.plan import PartitionPlan

from .augment import random_shifts
from .dataset import ImageData
from .recipe import Recipe
from .task import Monitor, Task
from .trainer import Trainer

__all__ = ["RECIPE_VERSION", "digits_task", "train_digits"]

#: Of all that trained weights depend on beside the values of their recipe: architecture, data,
#: augmentation and training. What is cached was trained under the same version; a test fails
#: where one of these has changed (`tests/sw/training/test_recipe.py`).
RECIPE_VERSION = 1
_FULL_SCALE = 16.0
_DENSE = Recipe(25, 64, 3e-3, 0, weight_decay=1e-2, smoothing=0.05)
_TUNE = Recipe(15, 64, 1e-3, 0, weight_decay=1e-2, smoothing=0.05)


@dataclass(frozen=True)
class DigitsResult:
    """Trained digits networks: integer graphs, accuracies by name, held-out images float32
    [n, 1, 8, 8], labels, and pictures of the pruned layers."""

    dense: IntegerGraph
    pruned: IntegerGraph
    plan: PartitionPlan
    accuracy: dict[str, float]
    images: np.ndarray
    labels: np.ndarray
    pictures: tuple[Picture, ...]


def load_digits() -> Any:
    """Scikit-learn's scans; it takes seconds to import, which other networks need not wait for."""
    from sklearn import datasets
    return datasets.load_digits()


def digits_task(seed: int) -> Task:
    """Return the task: real scans of 8x8 pixels, 360 of them held out."""
    digits = load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.target))
    images = digits.images[order].astype(np.uint8)[:, None]
    labels = digits.target[order].astype(np.int64)
    data = ImageData(images[:-HELD_OUT], labels[:-HELD_OUT], images[-HELD_OUT:],
                     labels[-HELD_OUT:], tuple("0123456789"),
                     f"scikit-learn's digits, {len(labels) - HELD_OUT:,} training and "
                     f"{HELD_OUT} held-out scans")
    augment, plain = random_shifts(_FULL_SCALE)
    return Task("digits", slim_digits, DIGITS_SHAPE, data, augment, plain)


def train_digits(partitions: int, *, seed: int, cache: Path,
                 partitioner: str = "optimised", prune: str = "fc",
                 say: Callable[[str], None] = lambda text: None) -> DigitsResult:
    """Train dense, partition, fine-tune under the mask, quantise both.

    Parameters
    ----------
    partitions : int
    seed : int
        Everything follows from it.
    cache : Path
        Folder for trained weights, by the content of this recipe.
    say : called with progress lines

    Raises
    ------
    PartitionError
        If the layers are not divisible.
    """
    task = digits_task(seed)
    dense_recipe, tune_recipe = replace(_DENSE, seed=seed), replace(_TUNE, seed=seed)

    def progress(part: str, step: int, steps: int, loss: float) -> None:
        if step == steps or step % (steps // 5 // 10 * 10 or 10) == 0:
            say(f"digits: {part}, {step / steps:.0%}, loss {loss:.3f}")

    recipe = json.dumps([RECIPE_VERSION, asdict(dense_recipe), asdict(tune_recipe),
                         torch.__version__])
    folder = cache / f"digits-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"
    trainer = Trainer(task, folder, monitor=Monitor(say, progress), cache=True)
    dense_net = trainer.dense(dense_recipe)
    plan = trainer.plan(dense_net, partitions, prune, partitioner, seed)
    pruned_net = trainer.pruned(f"{prune}-{partitioner}-{partitions}", dense_net, plan,
                                tune_recipe)
    accuracy, graphs = {}, []
    for name, net, its_plan in (("", dense_net, None), ("pruned ", pruned_net, plan)):
        measured = trainer.accuracy_float(net).top1
        graph, int8, _, _ = trainer.quantised(name, net, its_plan, None)
        accuracy[f"{name}float"], accuracy[f"{name}int8"] = measured, int8.top1
        graphs.append(graph)
    held = torch.from_numpy(task.data.held_images)
    return DigitsResult(graphs[0], graphs[1], plan, accuracy, task.plain(held).numpy(),
                        task.data.held_labels, pictures(trainer.graph(dense_net), plan))
