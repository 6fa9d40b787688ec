"""The bound of a run of layers: cycles that no design with these MACs and ports can beat.

Layers may overlap: weights come while the layer before is computed, and one instance may be a
layer ahead of another. So a layer by itself has no bound that holds from the end of the one before
it to its own. What has one is all that has run by a layer's end: by then each of the
multiply-accumulates so far has taken a slot of an array, and each of the bytes so far has crossed
a port. Whatever was fetched ahead is among them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hw.config import Config
from sw.graph.integer import Layer

from .memory import SIMULATED, MemoryTiming

__all__ = ["Limit", "Roof", "network_limit"]


@dataclass(frozen=True)
class Limit:
    """A bound in `cycles`, and what sets it: `bound` is "compute" or "memory"."""

    cycles: int
    bound: str


@dataclass(frozen=True)
class Roof:
    """What all arrays and all ports can do in a cycle, where a beat takes one: it takes
    `beat_cycles` of the memory."""

    macs_per_cycle: int
    bytes_per_cycle: int
    beat_cycles: float = 1.0

    @classmethod
    def of(cls, config: Config, memory: MemoryTiming = SIMULATED) -> "Roof":
        """That of a configuration with a memory."""
        return cls(config.instances * config.array.macs, config.ports * config.port.bytes,
                   memory.beat)

    def crossing(self, moved_bytes: int) -> float:
        """Cycles in which so many bytes cross the ports."""
        return moved_bytes * self.beat_cycles / self.bytes_per_cycle

    def limit(self, macs: int, moved_bytes: int) -> Limit:
        """Return max(macs / MACs per cycle, bytes / bytes per cycle), rounded up.

        Parameters
        ----------
        macs : int
            Multiply-accumulates as they are executed (pruned blocks are not counted).
        moved_bytes : int
            Bytes that cross the ports: of a network each weight once. Activations may stay on
            chip.
        """
        compute, memory = macs / self.macs_per_cycle, self.crossing(moved_bytes)
        return Limit(math.ceil(max(compute, memory)),
                     "compute" if compute >= memory else "memory")


def network_limit(layers: Sequence[Layer], config: Config, images: int = 1, batch: int = 1,
                  memory: MemoryTiming = SIMULATED) -> Limit:
    """The bound of a whole network over all images, each weight crossing a port once per batch."""
    return Roof.of(config, memory).limit(images * sum(x.needed_macs for x in layers),
                                 -(-images // batch) * sum(x.weight_bytes for x in layers))
