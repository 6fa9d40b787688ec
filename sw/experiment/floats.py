"""A user's network in floating point against its integers, and against labels."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from sw.graph.floating import FloatGraph, FloatLayer
from sw.reference.floating import run_float_layer
from sw.reference.walk import walk

__all__ = ["agreement", "guesses", "outputs_of", "run_float", "run_layer", "top1"]

_BATCH = 16


def run_float(graph: FloatGraph, x: torch.Tensor) -> torch.Tensor:
    """Return the last layer's outputs [N, C, H, W] for a batch."""
    y = x
    with torch.no_grad():
        for found in walk(graph, x, run_layer):
            y = found
    return y


def run_layer(layer: FloatLayer, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return one layer's output for what it and its terms read, and its factors."""
    return run_float_layer(layer, inputs[0], others=inputs[1:])


def outputs_of(run: Callable[[torch.Tensor], torch.Tensor], images: np.ndarray) -> np.ndarray:
    """What a network gives for images, a few at a time: [N, C, H, W]."""
    x = torch.from_numpy(images)
    return np.concatenate([run(x[k:k + _BATCH]).numpy() for k in range(0, len(x), _BATCH)])


def guesses(outputs: np.ndarray) -> np.ndarray:
    """Where each output [N, ...] is largest, int[N]."""
    return outputs.reshape(len(outputs), -1).argmax(axis=1)


def top1(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Share of outputs [N, ...] whose largest value is at the label."""
    return float(np.mean([a == b for a, b in zip(guesses(outputs), labels, strict=True)]))


def agreement(outputs: np.ndarray, others: np.ndarray) -> float:
    """Share of outputs [N, ...] whose largest value is where it is in others."""
    return float(np.mean(guesses(outputs) == guesses(others)))
