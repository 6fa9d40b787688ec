"""Partition Pruning as an optimisation: chooses which channels belong together.

The joint problem, the largest kept weight, is solved boundary by boundary: with the others fixed,
one boundary is a balanced assignment, which is solved exactly (but where a layer has the same one
before and after it: there, the assignment before counts); sweeps go on until nothing improves, from
several starts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sw.graph.floating import FloatGraph

from .boundaries import boundaries_of
from .layers import select_layers
from .names import PARTITIONERS
from .plan import PartitionError, PartitionPlan

__all__ = ["balanced_assignment", "partition"]

_LEAST = 1e-30  # of a layer's weight, to divide by


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


#: A layer's boundaries, before and after it.
_Ends = list[tuple[int, int]]


def _kept(energies: list[np.ndarray], boundaries: list[np.ndarray], ends: _Ends) -> list[float]:
    return [float(e[boundaries[after][:, None] == boundaries[before][None, :]].sum())
            for e, (before, after) in zip(energies, ends, strict=True)]


def _by_partition(energy: np.ndarray, assignment: np.ndarray, partitions: int) -> np.ndarray:
    """Sum the columns of float[n, m] by their partition: float[n, P]."""
    one_hot = np.zeros((len(assignment), partitions), energy.dtype)
    one_hot[np.arange(len(assignment)), assignment] = 1
    return energy @ one_hot


def _optimise(energies: list[np.ndarray], boundaries: list[np.ndarray], problem: "_Problem",
              ) -> tuple[list[np.ndarray], list[float]]:
    """Alternate over boundaries until nothing improves."""
    boundaries = list(boundaries)
    history = [sum(_kept(energies, boundaries, problem.ends))]
    for _ in range(problem.sweeps):
        start = history[-1]
        for b in range(len(boundaries)):
            if b in problem.fixed:
                continue
            gain = np.zeros((len(boundaries[b]), problem.partitions))
            for energy, (before, after) in zip(energies, problem.ends, strict=True):
                if after == b:
                    gain += _by_partition(energy, boundaries[before], problem.partitions)
                if before == b:
                    gain += _by_partition(energy.T, boundaries[after], problem.partitions)
            old, new = boundaries[b], balanced_assignment(gain)
            rows = np.arange(len(new))
            if gain[rows, new].sum() > gain[rows, old].sum():
                boundaries[b] = new
            found = sum(_kept(energies, boundaries, problem.ends))
            if (b, b) in problem.ends and found < history[-1]:  # the gain was that of the old ones
                boundaries[b], found = old, history[-1]
            history.append(found)
        if history[-1] <= start * (1 + 1e-9):
            break
    return boundaries, history


@dataclass(frozen=True)
class _Problem:
    """What a partitioner chooses for.

    Members: `energies` of the layers' channel pairs, `ends`, the numbers of their boundaries,
    `partitions`, numbers of the boundaries that are `fixed`, `rng`, `starts` and `sweeps` at most,
    `progress` called with a line now and then.
    """

    energies: list[np.ndarray]
    ends: _Ends
    partitions: int
    fixed: set[int]
    rng: np.random.Generator
    starts: int
    sweeps: int
    progress: Callable[[str], None]

    def draw(self, shuffle: bool) -> list[np.ndarray]:
        """Channels in the order that they have, or in a random one."""
        result = []
        widths: dict[int, int] = {}
        for energy, (before, after) in zip(self.energies, self.ends, strict=True):
            widths |= {before: energy.shape[1], after: len(energy)}
        for b, width in sorted(widths.items()):
            boundary = np.repeat(np.arange(self.partitions), width // self.partitions)
            result.append(self.rng.permutation(boundary) if shuffle and b not in self.fixed
                          else boundary)
        return result


#: Boundaries, and the kept weight after each step.
_Found = tuple[list[np.ndarray], list[float]]


def _once(problem: _Problem, shuffle: bool) -> _Found:
    found = problem.draw(shuffle)
    return found, [sum(_kept(problem.energies, found, problem.ends))]


def _optimised(problem: _Problem) -> _Found:
    """The best of several starts, each layer's weight of equal worth."""
    scaled = [e / max(float(e.sum()), _LEAST) for e in problem.energies]
    best: _Found = problem.draw(False), [-1.0]
    for start in range(problem.starts):
        found, steps = _optimise(scaled, problem.draw(start > 0), problem)
        problem.progress(f"partitioning: start {start + 1} of {problem.starts} keeps "
                         f"{steps[-1] / len(scaled):.1%} of |w|")
        if steps[-1] > best[1][-1]:
            best = found, steps
    return best


#: Name, one of `PARTITIONERS`, -> what chooses.
_CHOICES: dict[str, Callable[[_Problem], _Found]] = {
    "identity": lambda problem: _once(problem, False),
    "random": lambda problem: _once(problem, True),
    "optimised": _optimised}


def partition(graph: FloatGraph, names: Sequence[str], partitions: int,
              partitioner: str = "optimised", *, seed: int = 1, starts: int = 4,
              sweeps: int = 30, power: float = 1.0,
              progress: Callable[[str], None] = lambda text: None) -> PartitionPlan:
    """Choose partitions for a run of layers, or for layers of a graph.

    Parameters
    ----------
    graph : FloatGraph
    names : the layers to prune, of a chain neighbours in order
    partitions : int, dividing all their widths
    partitioner : one of `PARTITIONERS`
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
    energies = [graph.layers[i].energy(power) for i in indices]
    known = boundaries_of(graph)
    names_of = [(known.of[graph.source(i)], known.of[graph.layers[i].name]) for i in indices]
    inner = dict.fromkeys(name for pair in names_of for name in pair)
    numbers = {name: n for n, name in enumerate(inner)}
    ends = [(numbers[before], numbers[after]) for before, after in names_of]
    fixed = {n for name, n in numbers.items() if name in known.fixed}
    boundaries, history = _CHOICES[partitioner](_Problem(
        energies, ends, partitions, fixed, np.random.default_rng(seed), starts, sweeps, progress))
    kept = tuple(k / max(float(e.sum()), _LEAST)
                 for k, e in zip(_kept(energies, boundaries, ends), energies, strict=True))
    run = ends == [(k, k + 1) for k in range(len(ends))]
    return PartitionPlan(partitions, tuple(names), tuple(boundaries), kept, tuple(history),
                         partitioner, seed, () if run else tuple(ends))
