"""Partition Pruning as an optimisation: which neuron belongs to which of P parts.

Between two layers lies a boundary of channels. Each channel of a boundary gets a partition, as
many to each; a weight is kept if both its ends have the same one. One map serves both sides of a
boundary, so instances exchange nothing. The joint problem is solved boundary by boundary: with
the others fixed, one boundary is a balanced assignment, which is solved exactly; sweeps go on
until nothing improves, from several starts.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hw.support.files import save_file
from hw.support.reading import read_json
from sw.graph.floating import FloatGraph, FloatLayer
from sw.graph.flow import expect

__all__ = ["PARTITIONERS", "PLAN_VERSION", "PartitionError", "Plan", "balanced_assignment",
           "partition", "prunable_layers", "select_layers"]

PLAN_VERSION = 1
_MOST_SEED = (1 << 128) - 1
PARTITIONERS = ("identity", "random", "optimised")


class PartitionError(ValueError):
    """A network that cannot be cut as asked; the message names the layer and the reason."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A partitioning of a run of neighbouring layers.

    Members
    -------
    partitions : int
    layers : names of the pruned layers, neighbours in order
    boundaries : tuple of int arrays, one more than layers
        Partition of each channel: of the first layer's input, then of each layer's output.
    kept : for each layer, the share of the total |w| that is kept
    history : kept weight after each step of the best start; never falls
    partitioner, seed : how it was made
    """

    partitions: int
    layers: tuple[str, ...]
    boundaries: tuple[np.ndarray, ...]
    kept: tuple[float, ...]
    history: tuple[float, ...]
    partitioner: str
    seed: int

    def permutation(self, boundary: int) -> np.ndarray:
        """Channels of a boundary in the order of their partitions."""
        return np.argsort(self.boundaries[boundary], kind="stable")

    def mask(self, k: int) -> np.ndarray:
        """bool[out, in]: the channel pairs of layer k that are kept."""
        return self.boundaries[k + 1][:, None] == self.boundaries[k][None, :]

    def validate(self) -> None:
        """Raise PartitionError if a boundary is not balanced."""
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
        if len(self.boundaries) != len(self.layers) + 1:
            raise PartitionError(f"{len(self.layers)} layers need {len(self.layers) + 1} "
                                 f"boundaries, not {len(self.boundaries)}")

    def save(self, path: Path) -> None:
        """Write the plan as JSON, whole or not at all."""
        save_file(path, json.dumps({
            "plan": "partita.partition", "version": PLAN_VERSION, "partitions": self.partitions,
            "layers": self.layers, "boundaries": [b.tolist() for b in self.boundaries],
            "kept": self.kept, "history": self.history, "partitioner": self.partitioner,
            "seed": self.seed}) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Plan":
        """Read what `save` wrote.

        Raises
        ------
        PartitionError
            If the file is no plan, of another version, or not balanced.
        """
        data = read_json(path, "a partition plan", PartitionError)
        if (data["plan"].value, data["version"].value) != ("partita.partition", PLAN_VERSION):
            raise PartitionError(f"{path}: not a partition plan of version {PLAN_VERSION}")
        layers = tuple(name.text() for name in data["layers"].items())
        boundaries = data["boundaries"].items(len(layers) + 1)
        fewest = min((len(b.items()) for b in boundaries), default=0)
        partitions = data["partitions"].integer(1, max(fewest, 1))
        plan = cls(partitions, layers,
                   tuple(np.array(b.integers(0, partitions - 1), np.int64) for b in boundaries),
                   tuple(share.number(0, 1.001) for share in data["kept"].items(len(layers))),
                   tuple(kept.number() for kept in data["history"].items()),
                   data["partitioner"].text(), data["seed"].integer(-_MOST_SEED, _MOST_SEED))
        try:
            plan.validate()
        except PartitionError as error:
            raise PartitionError(f"{path}: {error}") from None
        return plan


def prunable_layers(graph: FloatGraph, prune: str = "fc") -> list[str]:
    """Names of the neighbouring layers that "fc" (linear ones but the classifier) or "all" (all
    but the first and the classifier) prunes.

    Grouped layers are left out, and those whose channels have no divisor in common with their
    neighbours'. Of several runs it is the one with the most weights; none is an empty list.
    """
    expect(graph, FloatGraph, "prunable_layers")
    if prune not in ("fc", "all"):
        raise PartitionError(f"prune is {prune!r}; it must be 'fc' or 'all'")
    most: list[FloatLayer] = []
    run: list[FloatLayer] = []
    for k, layer in enumerate(graph.layers[:-1]):
        chosen = k > 0 if prune == "all" else tuple(layer.conv_shape[1:]) == (1, 1)
        run = [*run, layer] if chosen and layer.groups == 1 else []
        while run and _common_divisor(run) == 1:
            run = run[1:]
        if _weights(run) > _weights(most):
            most = run
    return [layer.name for layer in most]


def _common_divisor(run: list[FloatLayer]) -> int:
    """The most partitions that a run of neighbours can be cut into."""
    return math.gcd(run[0].in_shape[0], *(layer.weight.shape[0] for layer in run))


def _weights(run: list[FloatLayer]) -> int:
    return sum(layer.weight.size for layer in run)


def select_layers(graph: FloatGraph, names: Sequence[str], partitions: int) -> list[int]:
    """Check that the layers are neighbours and divisible; return their indices.

    Raises
    ------
    PartitionError
        Naming the layer and the reason.
    """
    expect(graph, FloatGraph, "partition")
    if not isinstance(partitions, int | np.integer) or partitions < 1:
        raise PartitionError(f"partitions is {partitions!r}; it must be 1 or more")
    if isinstance(names, str):
        raise PartitionError(f"layers are {names!r}; give a list of names")
    if not names:
        raise PartitionError(f"{graph.name} has no layer that can be pruned")
    indices = [graph.layers.index(graph.layer(n)) for n in names]
    if indices != list(range(indices[0], indices[0] + len(indices))):
        raise PartitionError(f"layers {', '.join(names)} are not neighbours in order")
    for index in indices:
        layer = graph.layers[index]
        if layer.groups != 1:
            raise PartitionError(f"layer {layer.name}: has {layer.groups} groups already")
        for what, count in (("input", layer.in_shape[0]), ("output", layer.weight.shape[0])):
            if count % partitions:
                divisors = [d for d in range(1, 33) if count % d == 0]
                raise PartitionError(
                    f"layer {layer.name}: {count} {what} channels are not divisible by "
                    f"{partitions} partitions; possible: {', '.join(map(str, divisors))}")
    return indices


def balanced_assignment(gain: np.ndarray) -> np.ndarray:
    """Assign n items to P places of n / P each so that the total gain is the largest possible.

    Successive shortest paths on the graph of places: start from each item at its best place,
    which is optimal but for the places' sizes, then move one item at a time along the cheapest
    chain of places from a full one to one with room. Each step keeps optimality, so the result
    is exact.

    Parameters
    ----------
    gain : float[n, P], P divides n

    Returns
    -------
    int[n]
    """
    items, places = gain.shape
    size = items // places
    place = gain.argmax(axis=1)
    counts = np.bincount(place, minlength=places)

    def moves(p: int) -> tuple[np.ndarray, np.ndarray]:
        """Cheapest loss of moving an item from p to each place, and which item."""
        members = np.flatnonzero(place == p)
        if not len(members):
            return np.full(places, np.inf), np.zeros(places, int)
        loss = gain[members, p][:, None] - gain[members]
        best = loss.argmin(axis=0)
        return loss[best, np.arange(places)], members[best]

    table = [moves(p) for p in range(places)]
    while counts.max() > size:
        # Bellman-Ford from all overfull places at once
        distance = np.where(counts > size, 0.0, np.inf)
        before = np.full(places, -1)
        for _ in range(places):
            changed = False
            for p in range(places):
                if np.isfinite(distance[p]):
                    reach = distance[p] + table[p][0]
                    better = reach < distance - 1e-12
                    better[p] = False
                    if better.any():
                        distance[better], before[better] = reach[better], p
                        changed = True
            if not changed:
                break
        target = int(np.where(counts < size, distance, np.inf).argmin())
        counts[target] += 1
        touched = {target}
        while before[target] >= 0:
            source = int(before[target])
            place[table[source][1][target]] = target
            touched.add(source)
            target = source
        counts[target] -= 1
        for p in touched:
            table[p] = moves(p)
    return place


def _kept(energies: list[np.ndarray], boundaries: list[np.ndarray]) -> list[float]:
    return [float(e[boundaries[k + 1][:, None] == boundaries[k][None, :]].sum())
            for k, e in enumerate(energies)]


def _by_partition(energy: np.ndarray, assignment: np.ndarray, partitions: int) -> np.ndarray:
    """Sum the columns of float[n, m] by their partition: float[n, P]."""
    one_hot = np.zeros((len(assignment), partitions), energy.dtype)
    one_hot[np.arange(len(assignment)), assignment] = 1
    return energy @ one_hot


def _optimise(energies: list[np.ndarray], boundaries: list[np.ndarray], partitions: int,
              fixed: set[int], limit: int) -> tuple[list[np.ndarray], list[float]]:
    """Alternate over boundaries until nothing improves."""
    boundaries = list(boundaries)
    history = [sum(_kept(energies, boundaries))]
    for _ in range(limit):
        start = history[-1]
        for b in range(len(boundaries)):
            if b in fixed:
                continue
            gain = np.zeros((len(boundaries[b]), partitions))
            if b > 0:
                gain += _by_partition(energies[b - 1], boundaries[b - 1], partitions)
            if b < len(energies):
                gain += _by_partition(energies[b].T, boundaries[b + 1], partitions)
            new = balanced_assignment(gain)
            old_gain = gain[np.arange(len(new)), boundaries[b]].sum()
            if gain[np.arange(len(new)), new].sum() > old_gain:
                boundaries[b] = new
            history.append(sum(_kept(energies, boundaries)))
        if history[-1] <= start * (1 + 1e-9):
            break
    return boundaries, history


def partition(graph: FloatGraph, names: Sequence[str], partitions: int,
              partitioner: str = "optimised", *, seed: int = 1, starts: int = 4,
              sweeps: int = 30, power: float = 1.0,
              progress: Callable[[str], None] = lambda text: None) -> Plan:
    """Choose partitions for a run of layers.

    Parameters
    ----------
    graph : FloatGraph
    names : the layers to prune, neighbours in order
    partitions : int, dividing all their widths
    partitioner : "identity", "random" or "optimised"
    seed : of the random permutations and starts
    starts, sweeps : of the optimiser
    power : exponent q of the kept weight |w|^q that is maximised
    progress : called with a line now and then

    Raises
    ------
    PartitionError
        Naming the layer and the reason.
    """
    if partitioner not in PARTITIONERS:
        raise PartitionError(f"partitioner is {partitioner!r}; there are "
                             + ", ".join(PARTITIONERS))
    indices = select_layers(graph, names, partitions)
    layers = [graph.layers[i] for i in indices]
    widths = [layers[0].in_shape[0], *(x.weight.shape[0] for x in layers)]
    energies = [x.energy(power) for x in layers]
    totals = [max(float(e.sum()), 1e-30) for e in energies]
    # Nothing before the first layer of a network can be permuted, and no grouped neighbour.
    first, last = indices[0], indices[-1]
    fixed = {0} if first == 0 or graph.layers[first - 1].groups > 1 else set()
    if last + 1 < len(graph.layers) and graph.layers[last + 1].groups > 1:
        fixed.add(len(layers))
    rng = np.random.default_rng(seed)

    def draw(shuffle: bool) -> list[np.ndarray]:
        result = []
        for b, width in enumerate(widths):
            boundary = np.repeat(np.arange(partitions), width // partitions)
            result.append(rng.permutation(boundary) if shuffle and b not in fixed else boundary)
        return result

    history: list[float] = []
    if partitioner != "optimised":
        best = draw(partitioner == "random")
        history = [sum(_kept(energies, best))]
    else:
        scaled = [e / t for e, t in zip(energies, totals, strict=True)]
        best, score = draw(False), -1.0
        for start in range(starts):
            found, steps = _optimise(scaled, draw(start > 0), partitions, fixed, sweeps)
            progress(f"partitioning: start {start + 1} of {starts} keeps "
                     f"{steps[-1] / len(layers):.1%} of |w|")
            if steps[-1] > score:
                best, score, history = found, steps[-1], steps
    kept = tuple(k / t for k, t in zip(_kept(energies, best), totals, strict=True))
    plan = Plan(partitions, tuple(names), tuple(best), kept, tuple(history), partitioner, seed)
    plan.validate()
    return plan
