"""The compiler's decisions in seconds: all for small networks, the first for large ones, and for
those that a machine's memory has no room for by far just how much they need."""

from hw.config import Config
from sw.compiler.compile import lower
from sw.cycles.memory import MemoryTiming
from sw.graph.integer import IntegerGraph
from sw.lowering.errors import OutOfReach
from sw.lowering.lower import Lowered

__all__ = ["is_large", "lower_soon"]

#: Operations of all instances, above which a network is taken as it first goes.
_MOST_OPS = 10_000
#: Pieces of weights, each as large as the array, above which programs take many seconds to make.
_MOST_PIECES = 500_000


def is_large(lowered: Lowered) -> bool:
    """Whether the cycle model takes seconds for a network."""
    return sum(len(ops or ()) for ops in lowered.ops) > _MOST_OPS


def lower_soon(graph: IntegerGraph, config: Config, memory: MemoryTiming, there: int | None = None,
               ) -> Lowered:
    """Lower a network for a machine with such a memory, of so many bytes if that is known; errors
    as of `lower`, and OutOfReach of a network for which there are too few, where making programs
    would take long."""
    pieces = sum(layer.weight_bytes for layer in graph.layers) // config.array.macs
    if there is not None and pieces > _MOST_PIECES:
        needs = lower(graph, config, planned=True).window_bytes  # without programs
        if needs > there:
            raise OutOfReach(graph.name, needs, config)
    first = lower(graph, config, quick=True)
    if is_large(first) or config.core != "pipelined":
        return first
    return lower(graph, config, memory=memory)
