"""The compiler's decisions in seconds: all for small networks, the first for large ones."""

from hw.config import Config
from sw.compiler.compile import lower
from sw.cycles.memory import MemoryTiming
from sw.graph.integer import IntegerGraph
from sw.lowering.lower import Lowered

__all__ = ["is_large", "lower_soon"]

#: Operations of all instances, above which a network is taken as it first goes.
_MOST_OPS = 10_000


def is_large(lowered: Lowered) -> bool:
    """Whether the cycle model takes seconds for a network."""
    return sum(len(ops or ()) for ops in lowered.ops) > _MOST_OPS


def lower_soon(graph: IntegerGraph, config: Config, memory: MemoryTiming) -> Lowered:
    """Lower a network for a machine with such a memory; errors as of `lower`."""
    first = lower(graph, config, quick=True)
    if is_large(first) or config.core != "pipelined":
        return first
    return lower(graph, config, memory=memory)
