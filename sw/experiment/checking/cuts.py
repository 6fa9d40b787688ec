"""Which layers can be partitioned, into how many parts, and what that is predicted to gain."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hw.config import Config
from sw.compiler import CompileError
from sw.cycles.memory import MemoryTiming
from sw.cycles.prediction import predict_lowered
from sw.experiment.own import chosen_partitions
from sw.graph.floating import FloatGraph
from sw.graph.integer import IntegerGraph, Layer
from sw.lowering.lower import Lowered
from sw.networks.shapes import check_cut
from sw.prune.names import PRUNINGS
from sw.prune.plan import PartitionError

from .nodes import NodeFacts
from .quick import is_large, lower_soon

__all__ = ["Cut", "cut_facts", "cut_layers"]

_MOST_PARTS = 32


@dataclass(frozen=True)
class Cut:
    """A way to prune a network: "fc" or "all", the `layers`, the numbers of parts that they can be
    cut into (`possible`), the one that was looked at (`parts`), its `cycles`, predicted by the
    `model` or, of networks for which that takes long, estimated, and the `speedup` over the dense
    network on the same accelerator."""

    prune: str
    layers: tuple[str, ...]
    possible: tuple[int, ...]
    parts: int
    cycles: int
    model: bool
    speedup: float


def cut_facts(graph: FloatGraph, integers: IntegerGraph, dense: Lowered,
              nodes: Sequence[NodeFacts], memory: MemoryTiming) -> list[Cut]:
    """Predict each way to prune a network; none where nothing can be.

    Parameters
    ----------
    graph, integers : the dense network
    dense : it, as the compiler lowered it
    nodes : its layers, with their cycles
    memory : with which they are predicted
    """
    found: list[Cut] = []
    config, cycles = dense.config, sum(x.cycles or 0 for x in nodes)
    model = not is_large(dense)
    for prune in PRUNINGS:
        parts, names = chosen_partitions(graph, prune, None)
        if not names or any(tuple(names) == cut.layers for cut in found):
            continue
        pruned = _predicted(cut_layers(integers, names, parts), config, memory) if model \
            else _estimated(nodes, names, parts)
        if pruned is not None:
            found.append(Cut(prune, tuple(names), _possible(graph, prune, names), parts, pruned,
                             model, round(cycles / pruned, 2)))
    return found


def _predicted(graph: IntegerGraph, config: Config, memory: MemoryTiming) -> int | None:
    try:
        return predict_lowered(lower_soon(graph, config, memory), memory).cycles
    except CompileError:
        return None


def _estimated(nodes: Sequence[NodeFacts], names: Sequence[str], parts: int) -> int:
    """Layers that are cut take a part of their cycles, but no less than their activations do."""
    total = 0
    for x in nodes:
        cycles = x.cycles or 0
        total += max(cycles // parts, min(cycles, x.activations)) if x.name in names else cycles
    return total


def _possible(graph: FloatGraph, prune: str, names: Sequence[str]) -> tuple[int, ...]:
    def goes(parts: int) -> bool:
        try:
            return check_cut(graph, prune, parts) == list(names)
        except PartitionError:
            return False

    return tuple(parts for parts in range(2, _MOST_PARTS + 1) if goes(parts))


def cut_layers(graph: IntegerGraph, names: Sequence[str], parts: int) -> IntegerGraph:
    """A network with layers in diagonal blocks, for its shapes: the weights mean nothing."""
    def blocks(layer: Layer) -> Layer:
        weight = np.ascontiguousarray(layer.weight[:, :layer.weight.shape[1] // parts])
        return replace(layer, weight=weight, groups=parts, pruned=True)

    return replace(graph, layers=tuple(blocks(x) if x.name in names else x for x in graph.layers))
