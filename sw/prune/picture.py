"""Pictures of pruned layers: their weights before and after."""

from dataclasses import dataclass

import numpy as np

from sw.graph.floating import FloatGraph

from .plan import PartitionPlan

__all__ = ["Picture", "pictures"]


@dataclass(frozen=True)
class Picture:
    """A pruned layer's weights as two matrices of squares, mean |w| in each: dense as trained, and
    pruned with its channels in the order of their parts; outputs down, inputs across."""

    layer: str
    before: tuple[tuple[float, ...], ...]
    after: tuple[tuple[float, ...], ...]


def pictures(graph: FloatGraph, plan: PartitionPlan, side: int = 32) -> tuple[Picture, ...]:
    """Draw the pruned layers' weights before and after: mean |w| in at most side x side squares."""
    def squares(energy: np.ndarray) -> tuple[tuple[float, ...], ...]:
        for axis in (0, 1):
            edges = np.linspace(0, energy.shape[axis], min(side, energy.shape[axis]) + 1)
            starts = edges[:-1].astype(int)
            sizes = np.diff(edges.astype(int))
            shape = [1, 1]
            shape[axis] = -1
            energy = np.add.reduceat(energy, starts, axis=axis) / sizes.reshape(shape)
        return tuple(tuple(float(f"{v:.3g}") for v in row) for row in energy)

    result = []
    for k, name in enumerate(plan.layers):
        energy = graph.layer(name).energy()
        kept = energy * plan.mask(k)
        before, after = plan.ends_of(k)
        kept = kept[np.ix_(plan.permutation(after), plan.permutation(before))]
        result.append(Picture(name, squares(energy), squares(kept)))
    return tuple(result)
