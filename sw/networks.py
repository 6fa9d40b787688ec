"""The networks that can be compared by name, dense and partition-pruned, with their input."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .graph import IntegerGraph

__all__ = ["NETWORKS", "Workload", "load_workload"]

NETWORKS = ("tinyvgg16", "digits")


@dataclass(frozen=True)
class Workload:
    """A network in both forms, and what to run it on.

    Members: `weights` says where the weights come from; `images` are quantised int8[C, H, W];
    `labels` int[n] if they are known; `accuracy` of the float and golden models on the whole
    held-out set, by name.
    """

    name: str
    weights: str
    dense: IntegerGraph
    pruned: IntegerGraph
    images: tuple[np.ndarray, ...]
    labels: np.ndarray | None = None
    accuracy: dict[str, float] | None = None


def load_workload(name: str, *, partitions: int, seed: int, images: int | None = None,
                  checkpoint: Path | None = None,
                  say: Callable[[str], None] = lambda text: None) -> Workload:
    """Build one of `NETWORKS`.

    Raises
    ------
    ValueError
        If the network is unknown or cannot be cut into so many partitions.
    """
    if name == "tinyvgg16":
        return _tinyvgg16(partitions, seed, images or 1, checkpoint, say)
    if name == "digits":
        return _digits(partitions, seed, images or 64, say)
    raise ValueError(f"network {name!r} is unknown; there are {', '.join(NETWORKS)}")
