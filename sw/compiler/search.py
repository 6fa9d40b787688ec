"""Improves the compiler's choices by trying alternatives on the cycle model."""

from collections.abc import Callable
from dataclasses import dataclass

from hw.config import Config
from sw.compiler import DoesNotFit
from sw.cycles.prediction import Prediction, predict_lowered
from sw.graph.integer import IntegerGraph
from sw.lowering.split import Split, promising

from .compile import lower

__all__ = ["search_splits"]

_WORTH = 0.0005  # of all cycles: the model cannot tell less apart


@dataclass(frozen=True)
class Found:
    """Splits for `compile_graph`, with the predictions for them and for its own estimate's."""

    splits: tuple[Split, ...]
    before: Prediction
    after: Prediction


def search_splits(graph: IntegerGraph, config: Config, *, batch: int = 1,
                  say: Callable[[str], None] = lambda text: None) -> Found:
    """Try other splits of each layer, that which takes longest first, and keep what is faster.

    Each trial compiles and predicts the whole network, so that barriers, loads and residency
    between layers count. Stripes and buffers follow from the splits.

    Raises
    ------
    CompileError
        As `compile_graph`.
    """
    lowered = lower(graph, config, batch=batch)
    best = before = predict_lowered(lowered)
    splits = [stage.split for stage in lowered.stages]
    nodes = [stage.node for stage in lowered.stages]
    order = sorted(range(len(nodes)), key=lambda k: -before.layer_cycles[k])
    for done, k in enumerate(order, 1):
        for other in (x.split for x in promising(nodes[k], config, config.instances)):
            if other.items == splits[k].items:
                continue
            trial = [*splits[:k], other, *splits[k + 1:]]
            try:
                found = predict_lowered(lower(graph, config, batch=batch, splits=trial))
            except DoesNotFit:
                continue
            if found.cycles < best.cycles * (1 - _WORTH):
                best, splits = found, trial
        say(f"tried the splits of {done} of {len(nodes)} layers: {before.cycles:,} -> "
            f"{best.cycles:,} cycles")
    return Found(tuple(splits), before, best)
