"""Trains the slim network on scikit-learn's digits, dense and partition-pruned."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from .capture import capture
from .checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from .floatgraph import FloatGraph
from .golden import run_golden
from .graph import IntegerGraph
from .models import DIGITS_SHAPE, slim_digits
from .partition import Plan, partition, prunable_layers
from .prune import apply_plan
from .quantise import quantise, run_float

__all__ = ["DigitsResult", "digits_data", "train_digits"]

_EPOCHS, _TUNE_EPOCHS, _BATCH = 25, 15, 64
_HELD_OUT = 360


@dataclass(frozen=True)
class DigitsResult:
    """Trained digits networks: integer graphs, accuracies by name, held-out images float32
    [n, 1, 8, 8] and labels."""

    dense: IntegerGraph
    pruned: IntegerGraph
    plan: Plan
    accuracy: dict[str, float]
    images: np.ndarray
    labels: np.ndarray


def digits_data(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (training images, labels, held-out images, labels): real scans, 0 to 1."""
    data = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.target))
    images = (data.images[order] / 16.0).astype(np.float32)[:, None]
    labels = data.target[order].astype(np.int64)
    return (images[:-_HELD_OUT], labels[:-_HELD_OUT], images[-_HELD_OUT:], labels[-_HELD_OUT:])


def _fit(net: nn.Module, images: np.ndarray, labels: np.ndarray, epochs: int, rate: float,
         seed: int, masks: dict[str, torch.Tensor], say: Callable[[str], None], what: str) -> None:
    """Train in place; masked weights are zero after every step."""
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-2)
    steps = epochs * -(-len(x) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    weights = {n: p for n, p in net.named_parameters() if n in masks}
    net.train()
    for epoch in range(epochs):
        order = torch.randperm(len(x), generator=generator)
        total = 0.0
        for k in range(0, len(x), _BATCH):
            batch = x[order[k:k + _BATCH]]
            # shift by up to a pixel, as scans are
            dy, dx = (int(n) for n in torch.randint(-1, 2, (2,), generator=generator))
            batch = torch.roll(batch, (dy, dx), (2, 3))
            loss = nn.functional.cross_entropy(net(batch), y[order[k:k + _BATCH]],
                                               label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            with torch.no_grad():
                for name, weight in weights.items():
                    weight.mul_(masks[name])
            total += float(loss.detach())
        if epoch % 5 == 4:
            say(f"digits: {what}, epoch {epoch + 1} of {epochs}, loss "
                f"{total / -(-len(x) // _BATCH):.3f}")
    net.eval()


def _weight_masks(net: nn.Module, graph: FloatGraph, plan: Plan) -> dict[str, torch.Tensor]:
    """Masks in the shapes of the module's own weights."""
    masks = {}
    for k, name in enumerate(plan.layers):
        weight = dict(net.named_parameters())[f"{name}.weight"]
        kernel = graph.layer(name).weight.shape[2:]
        mask = torch.from_numpy(plan.mask(k)).float()[:, :, None, None].expand(-1, -1, *kernel)
        masks[f"{name}.weight"] = mask.reshape(weight.shape).contiguous()
    return masks


def _cached(path: Path, make: Callable[[nn.Module], None]) -> nn.Module:
    """A network from the cache, or made and put there."""
    net = slim_digits()
    if path.is_file():
        try:
            load_checkpoint(net, path)
            return net.eval()
        except CheckpointError:
            path.unlink()
    make(net)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(net, path)
    return net.eval()


def _accuracy_float(graph: FloatGraph, images: np.ndarray, labels: np.ndarray) -> float:
    guesses = run_float(graph, images)[-1].flatten(1).argmax(1).numpy()
    return float((guesses == labels).mean())


def _accuracy_integer(graph: IntegerGraph, images: np.ndarray, labels: np.ndarray) -> float:
    guesses = [int(run_golden(graph, graph.quantise_input(x))[-1].reshape(-1).argmax())
               for x in images]
    return float((np.array(guesses) == labels).mean())


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
    recipe = json.dumps([Path(__file__).read_text(), seed, torch.__version__])
    key = hashlib.sha256(recipe.encode()).hexdigest()[:16]
    x, y, images, labels = digits_data(seed)

    def train_dense(net: nn.Module) -> None:
        torch.manual_seed(seed)
        fresh = slim_digits()
        net.load_state_dict(fresh.state_dict())
        _fit(net, x, y, _EPOCHS, 3e-3, seed, {}, say, "training dense")

    dense_net = _cached(cache / f"digits-{key}-dense.safetensors", train_dense)
    dense = capture(dense_net, DIGITS_SHAPE, "digits")
    plan = partition(dense, prunable_layers(dense, prune), partitions, partitioner,
                     seed=seed, progress=say)

    def tune(net: nn.Module) -> None:
        net.load_state_dict(dense_net.state_dict())
        masks = _weight_masks(net, dense, plan)
        with torch.no_grad():
            for name, mask in masks.items():
                dict(net.named_parameters())[name].mul_(mask)
        torch.manual_seed(seed)
        _fit(net, x, y, _TUNE_EPOCHS, 1e-3, seed + 1, masks, say, "fine-tuning pruned")

    pruned_net = _cached(
        cache / f"digits-{key}-{prune}-{partitioner}-{partitions}.safetensors", tune)
    pruned = apply_plan(capture(pruned_net, DIGITS_SHAPE, "digits"), plan)
    calibration = x[:256]
    dense_int, pruned_int = quantise(dense, calibration), quantise(pruned, calibration)
    accuracy = {
        "float": _accuracy_float(dense, images, labels),
        "int8": _accuracy_integer(dense_int, images, labels),
        "pruned float": _accuracy_float(pruned, images, labels),
        "pruned int8": _accuracy_integer(pruned_int, images, labels),
    }
    return DigitsResult(dense_int, pruned_int, plan, accuracy, images, labels)
