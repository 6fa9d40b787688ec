"""Each layer's cycles, and what bounds them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hw.config import Config
from sw.cycles.limits import Roof
from sw.cycles.memory import MemoryTiming
from sw.graph.integer import IntegerGraph, Layer
from sw.lowering.lower import Lowered
from sw.lowering.stage import Stage

__all__ = ["NodeFacts", "node_facts"]

#: A layer whose cycles are this many times those of its busiest part waits for others.
_WAITS = 2.0
#: Of an array's slots that multiply-accumulates of a layer fill, where the mapping is to blame.
_FILLS = 0.7


@dataclass(frozen=True)
class NodeFacts:
    """A layer as it is predicted to run.

    Members: `what` it is, in words; `cycles`, None where there is no model of them; `limit` of its
    multiply-accumulates and weights; what it is `bound` by (MACs, mapping, weights, activations or
    waiting); `fill`, the share of its array's slots that its multiply-accumulates take; `split`;
    cycles that its `activations` take the ports.
    """

    name: str
    what: str
    cycles: int | None
    limit: int
    bound: str
    fill: float
    split: str
    activations: int


def node_facts(graph: IntegerGraph, lowered: Lowered, cycles: Sequence[int] | None,
               memory: MemoryTiming) -> list[NodeFacts]:
    """Facts of every layer, in the network's order."""
    return [_facts(layer, stage, lowered.config, Roof.of(lowered.config, memory),
                   None if cycles is None else cycles[k])
            for k, (layer, stage) in enumerate(zip(graph.layers, lowered.stages, strict=True))]


def _facts(layer: Layer, stage: Stage, config: Config, roof: Roof, cycles: int | None,
           ) -> NodeFacts:
    limit = roof.limit(layer.needed_macs, layer.weight_bytes).cycles
    arrays = max((stage.vectors(i) for i in range(config.instances)), default=0)
    fill = min(1.0, layer.needed_macs / max(arrays * roof.macs_per_cycle, 1))
    parts = {"MACs" if fill >= _FILLS else "mapping": arrays,
             "weights": roof.crossing(layer.weight_bytes),
             "activations": roof.crossing(_moved_bytes(stage, config))}
    bound = max(parts, key=lambda name: parts[name])
    if cycles is not None and cycles > _WAITS * parts[bound]:
        bound = "waiting"
    return NodeFacts(layer.name, _words(layer), cycles, limit, bound, fill, stage.split.kind,
                     round(parts["activations"]))


def _moved_bytes(stage: Stage, config: Config) -> int:
    """Of activations that a layer loads once and stores."""
    word = config.word_pitch_bytes
    loaded = {read.values: read for read, plan in zip(stage.node.reads, stage.plan.reads,
                                                      strict=True) if not plan.resident}
    pixels = sum(read.words(config.array.rows) * int(np.prod(read.conv.in_shape[1:]))
                 for read in loaded.values())
    channels, rows, columns = stage.layer.out_shape
    stored = -(-channels // config.array.rows) * rows * columns if stage.store else 0
    return word * (pixels + stored)


def _words(layer: Layer) -> str:
    """What a layer is, as `conv 3x3, 16 to 32`."""
    out, inputs = len(layer.weight), layer.in_shape[0]
    if layer.is_linear and layer.groups == 1:
        return f"linear, {int(np.prod(layer.in_shape))} to {out}"
    rows, columns = layer.kernel
    kind = "depthwise" if layer.groups == inputs == out and out > 1 else "conv"
    more = f" in {layer.groups}" if 1 < layer.groups < inputs else ""
    terms = f" + {len(layer.terms)}" if layer.terms else ""
    return f"{kind} {rows}x{columns}, {inputs} to {out}{more}{terms}"
