"""Partition plans: which channel belongs to which of P parts, in memory and as a file.

Between two layers lies a boundary of channels. Each channel of a boundary gets a partition, as
many to each; a weight is kept if both its ends have the same one. One map serves all sides of a
boundary, so instances exchange nothing.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from operator import index
from pathlib import Path

import numpy as np

from hw.support.files import save_file
from hw.support.reading import read_json

__all__ = ["PartitionError", "PartitionPlan"]

#: Version 2 has `ends`, where the layers are no run. Plans of version 1 are read, too.
PLAN_VERSION, _OLDEST = 2, 1
_MOST_SEED = (1 << 128) - 1


class PartitionError(ValueError):
    """A network that cannot be cut as asked; the message names the layer and the reason."""


def _parts(given: object) -> np.ndarray:
    """A boundary's partitions as int64[channels]; raises ValueError."""
    found = np.asarray(given)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise ValueError(f"a boundary is {found.dtype}{list(found.shape)}; it must be a row of "
                         "whole numbers, the partition of each channel")
    return found.astype(np.int64)


@dataclass(frozen=True, eq=False)
class PartitionPlan:
    """A partitioning of a run of neighbouring layers, or of layers of a graph.

    Members
    -------
    partitions : int
    layers : names of the pruned layers, in order
    boundaries : tuple of int arrays
        Partition of each channel; of a run, one more than layers: of the first layer's input, then
        of each layer's output.
    kept : for each layer, the share of the total |w| that is kept
    history : kept weight after each step of the best start; never falls
    partitioner, seed : how it was made
    ends : for each layer, its boundaries (before, after); empty for a run

    Raises
    ------
    PartitionError
        If a boundary's parts are not of one size, or are not one part for each channel.
    """

    partitions: int
    layers: tuple[str, ...]
    boundaries: tuple[np.ndarray, ...]
    kept: tuple[float, ...]
    history: tuple[float, ...]
    partitioner: str
    seed: int
    ends: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        """Take lists and NumPy's numbers, too, and refuse what is no plan."""
        if isinstance(self.layers, str) or not isinstance(self.partitioner, str):
            raise PartitionError(f"layers are {self.layers!r} and the partitioner "
                                 f"{self.partitioner!r}; they must be a list of names and a name")
        try:
            plain = {"partitions": int(index(self.partitions)), "layers": tuple(self.layers),
                     "boundaries": tuple(map(_parts, self.boundaries)),
                     "kept": tuple(map(float, self.kept)),
                     "history": tuple(map(float, self.history)), "seed": int(index(self.seed)),
                     "ends": tuple((int(index(a)), int(index(b))) for a, b in self.ends)}
        except (TypeError, ValueError) as error:
            raise PartitionError(f"not a partition plan: {error}") from None
        for name, value in plain.items():
            object.__setattr__(self, name, value)
        self._validate()

    def ends_of(self, k: int) -> tuple[int, int]:
        """The boundaries before and after layer k."""
        return self.ends[k] if self.ends else (k, k + 1)

    def permutation(self, boundary: int) -> np.ndarray:
        """Channels of a boundary in the order of their partitions."""
        return np.argsort(self.boundaries[boundary], kind="stable")

    def mask(self, k: int) -> np.ndarray:
        """bool[out, in]: the channel pairs of layer k that are kept."""
        before, after = self.ends_of(k)
        return self.boundaries[after][:, None] == self.boundaries[before][None, :]

    def _validate(self) -> None:
        for k, boundary in enumerate(self.boundaries):
            low, high = int(boundary.min(initial=0)), int(boundary.max(initial=0))
            if low < 0 or high >= self.partitions or self.partitions > len(boundary):
                raise PartitionError(
                    f"boundary {k} has {len(boundary)} channels in partitions {low} to {high}; "
                    f"there are {self.partitions}, each with a channel")
            counts = np.bincount(boundary, minlength=self.partitions)
            if len(counts) != self.partitions or len(set(counts.tolist())) != 1:
                raise PartitionError(f"boundary {k} has {counts.tolist()} channels per partition;"
                                     " all must be the same")
        if len(self.kept) != len(self.layers) or not np.isfinite(self.kept).all() \
                or not np.isfinite(self.history).all():
            raise PartitionError(f"{len(self.layers)} layers need as many finite shares of kept "
                                 f"weight, not {list(self.kept)}")
        if self.ends:
            if len(self.ends) != len(self.layers):
                raise PartitionError(f"{len(self.layers)} layers need as many pairs of ends, not "
                                     f"{len(self.ends)}")
            if not all(0 <= k < len(self.boundaries) for pair in self.ends for k in pair):
                raise PartitionError(f"ends are {list(self.ends)}; there are "
                                     f"{len(self.boundaries)} boundaries")
        elif len(self.boundaries) != len(self.layers) + 1:
            raise PartitionError(f"{len(self.layers)} layers need {len(self.layers) + 1} "
                                 f"boundaries, not {len(self.boundaries)}")

    @cached_property
    def text(self) -> str:
        """The plan as JSON, by which plans are equal."""
        return json.dumps({
            "plan": "partita.partition", "version": PLAN_VERSION, "partitions": self.partitions,
            "layers": self.layers, "boundaries": [b.tolist() for b in self.boundaries],
            "kept": self.kept, "history": self.history, "partitioner": self.partitioner,
            "seed": self.seed, "ends": self.ends}) + "\n"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PartitionPlan) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def save(self, path: Path | str) -> None:
        """Write the plan as JSON, whole or not at all."""
        save_file(Path(path), self.text)

    @classmethod
    def load(cls, path: Path | str) -> "PartitionPlan":
        """Read what `save` wrote.

        Raises
        ------
        PartitionError
            If the file is no plan, of another version, or not balanced.
        """
        data = read_json(Path(path), "a partition plan", PartitionError)
        if data["plan"].value != "partita.partition" or data["version"].value not in range(
                _OLDEST, PLAN_VERSION + 1):
            raise PartitionError(f"{path}: not a partition plan of version {_OLDEST} to "
                                 f"{PLAN_VERSION}")
        layers = tuple(name.text() for name in data["layers"].items())
        pairs = data["ends"].items() if data.has("ends") else []
        boundaries = data["boundaries"].items(None if pairs else len(layers) + 1)
        fewest = min((len(b.items()) for b in boundaries), default=0)
        partitions = data["partitions"].integer(1, max(fewest, 1))
        parts = tuple(np.array(b.integers(0, partitions - 1), np.int64) for b in boundaries)
        kept = tuple(share.number(0, 1.001) for share in data["kept"].items(len(layers)))
        history = tuple(share.number() for share in data["history"].items())
        made = data["partitioner"].text(), data["seed"].integer(-_MOST_SEED, _MOST_SEED)
        ends = tuple(pair.pair(0, len(boundaries) - 1) for pair in pairs)
        try:
            return cls(partitions, layers, parts, kept, history, *made, ends)
        except PartitionError as error:
            raise PartitionError(f"{path}: {error}") from None
