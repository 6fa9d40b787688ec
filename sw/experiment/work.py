"""A network in both forms, and what to run it on."""

from dataclasses import dataclass

import numpy as np

from sw.graph.integer import IntegerGraph
from sw.prune.picture import Picture

__all__ = ["Workload"]


@dataclass(frozen=True)
class Workload:
    """A network in both forms, and what to run it on.

    Members: `weights` says where the weights come from; `pruned` is None where nothing can be
    pruned; `images` are quantised int8[C, H, W]; `labels` int[n] if they are known; `accuracy` of
    the float and golden models on the whole held-out set, by name; `pictures` of the pruned layers;
    `partitions` that these are cut into; `notes` that a report shows; `names` of the outputs.
    """

    name: str
    weights: str
    dense: IntegerGraph
    pruned: IntegerGraph | None
    images: tuple[np.ndarray, ...]
    labels: np.ndarray | None = None
    accuracy: dict[str, float] | None = None
    pictures: tuple[Picture, ...] = ()
    partitions: int = 1
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def forms(self) -> dict[str, IntegerGraph]:
        """The network in each form that it has, by the name that arms give it."""
        return {"dense": self.dense} | ({} if self.pruned is None else {"pruned": self.pruned})
