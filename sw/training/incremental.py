"""Networks trained incrementally: one partition after another, each of use without those after it.

Each partition is a narrow network of its own that ends in its share of the classifier; the whole
network's outputs are their sum. Training one leaves those before it as they are, so a network can
grow later, and run with as many partitions as time and energy allow. Each learns the task by
itself, from its own seed: training it on what those before it lack (tried on digits) ended 1.4
points lower with eight of them.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from sw.graph.floating import FloatGraph, FloatLayer
from sw.graph.integer import IntegerGraph
from sw.networks.architectures import digits_partition
from sw.quantise.post_training import calibrate, quantise_with

from .digits import RECIPE_VERSION, digits_task
from .recipe import INCREMENTAL, Recipe
from .task import Monitor, Task
from .trainer import Trainer

__all__ = ["Grown", "grow_digits", "join"]


@dataclass(frozen=True)
class Grown:
    """A network in partitions, in int8, with the images that its accuracy is measured on, float32
    [n, C, H, W], and their labels.

    Members: `source`, in words what images these are; whether the labels are `guessed`, as nobody
    gave any: the dense network's first guesses; `notes` on how it came to be.
    """

    graph: IntegerGraph
    images: np.ndarray
    labels: np.ndarray
    source: str
    guessed: bool = False
    notes: tuple[str, ...] = ()


def train_partition(task: Task, number: int, recipe: Recipe, folder: Path,
                    monitor: Monitor) -> nn.Module:
    """Train one partition into a folder, or load it from there; it depends on no other."""
    trainer = Trainer(task, folder / f"partition-{number}", monitor=monitor, cache=True)
    return trainer.dense(replace(recipe, seed=1000 * recipe.seed + number))


def join(graphs: Sequence[FloatGraph]) -> FloatGraph:
    """Return one network whose outputs are the sum of the given ones', of equal shapes.

    All of them read the input; from the second layer to the last but one they are groups; the
    last, dense, adds them up.
    """
    for graph in graphs:
        graph.require_chain("join")
    depth = len(graphs[0].layers)
    stacks = [[g.layers[k] for g in graphs] for k in range(depth)]
    layers = [_stack(stacks[0], 1), *(_stack(s, len(graphs)) for s in stacks[1:-1])]
    last = stacks[-1]
    layers.append(replace(
        last[0], weight=np.concatenate([x.weight for x in last], axis=1),
        bias=np.stack([x.bias for x in last]).sum(axis=0),
        in_shape=_wider(last[0].in_shape, len(graphs))))
    return graphs[0].with_layers(layers, f"{graphs[0].name}-grown-{len(graphs)}")


def _stack(parts: Sequence[FloatLayer], groups: int) -> FloatLayer:
    """Layers side by side, their output channels in order."""
    first, count = parts[0], len(parts)
    return replace(
        first, weight=np.concatenate([x.weight for x in parts]),
        bias=np.concatenate([x.bias for x in parts]), groups=groups, pruned=groups > 1,
        dense_macs=first.macs * count * groups,
        in_shape=_wider(first.in_shape, groups),
        conv_shape=_wider(first.conv_shape, count), out_shape=_wider(first.out_shape, count))


def _wider(shape: tuple[int, int, int], count: int) -> tuple[int, int, int]:
    return shape[0] * count, *shape[1:]


def grow_digits(partitions: int, width: int, *, seed: int, cache: Path,
                epochs: int = INCREMENTAL.epochs,
                say: Callable[[str], None] = lambda text: None) -> Grown:
    """Train a network for digits, partition by partition, and quantise it.

    Parameters
    ----------
    partitions : int
    width : int
        Channels of a partition's first layer.
    seed : int
        Everything follows from it.
    cache : Path
        Folder for trained weights, by the content of this recipe.
    epochs : int
        Of each partition.
    say : called with progress lines
    """
    task = replace(digits_task(seed), make=lambda: digits_partition(width))
    recipe = replace(INCREMENTAL, seed=seed, epochs=epochs)
    text = json.dumps([RECIPE_VERSION, width, asdict(recipe), torch.__version__])
    folder = cache / f"grown-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    trainer = Trainer(task, folder, cache=True)
    graphs = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # layers so small that threads would wait for each other
    try:
        for number in range(partitions):
            say(f"digits: partition {number + 1} of {partitions}")
            graphs.append(trainer.graph(train_partition(task, number, recipe, folder,
                                                        Monitor(say))))
    finally:
        torch.set_num_threads(threads)
    grown = join(graphs)
    integer = quantise_with(grown, calibrate(grown, trainer.calibration()))
    held = torch.from_numpy(task.data.held_images)
    return Grown(integer, task.plain(held).numpy(), task.data.held_labels,
                 f"{len(held)} held-out scans")
