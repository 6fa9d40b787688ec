"""What a run gives: outputs, cycles, and what was counted."""

from dataclasses import dataclass

import numpy as np

from hw.support.tabular import Tabular
from sim.activity.values import UnitActivity

__all__ = ["RunResult"]


@dataclass(frozen=True, repr=False)
class RunResult(Tabular):
    """One run of a program.

    Members
    -------
    outputs : tuple of int8[C, H, W], or int8[n, C, H, W] of a batch, or None
        Each layer's output; None if the program does not keep it.
    cycles : int
        From START to the end of the last instance.
    layer_cycles : tuple of int, or None
        From the end of what ran before to the end of this layer, over all instances and images;
        they sum to `cycles`. None if the program has more layers than the configuration
        `buffers.log_entries`, or if marks were lost: then nobody knows.
    counters : tuple of dict
        Per instance: TOTAL, and the causes that sum to it; zeros for one that is dropped.
    ledger : per layer, of each instance its cycles by cause; or None, as `layer_cycles`
        From its own end of the layer before to its end of this one.
    port_bytes : tuple of int, or None
        Per layer, where the backend can tell.
    weight_port_bytes, program_port_bytes : tuple of int, or None
        Weights and requantisation parameters among them, and instructions: those of all layers
        count as the first one's.
    activity : per layer, of each instance and last of the shell, or None
    page_misses : pages activated at the external memory, per layer, or None
    spared_vectors : vectors of activations that were not multiplied because their input block is
        zero everywhere, per layer, or None
    """

    outputs: tuple[np.ndarray | None, ...]
    cycles: int
    layer_cycles: tuple[int, ...] | None
    counters: tuple[dict[str, int], ...]
    ledger: tuple[tuple[dict[str, int], ...], ...] | None
    port_bytes: tuple[int, ...] | None = None
    weight_port_bytes: tuple[int, ...] | None = None
    program_port_bytes: tuple[int, ...] | None = None
    activity: tuple[tuple[UnitActivity, ...], ...] | None = None
    page_misses: tuple[int, ...] | None = None
    spared_vectors: tuple[int, ...] | None = None

    def table(self) -> list[dict]:
        """A row for each layer, by its number; a single one where its cycles are not known."""
        if self.layer_cycles is None:
            return [{"layer": "all", "cycles": self.cycles}]
        return [{"layer": k, "cycles": cycles,
                 "port_bytes": None if self.port_bytes is None else self.port_bytes[k],
                 "output": None if (y := self.outputs[k]) is None else str(list(y.shape))}
                for k, cycles in enumerate(self.layer_cycles)]

    @property
    def output(self) -> np.ndarray:
        """The network's output: the last layer's, which every program stores."""
        last = self.outputs[-1]
        assert last is not None
        return last
