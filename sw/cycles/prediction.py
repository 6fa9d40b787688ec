"""The cycles of a program that the compiler has lowered, from the model of its machine."""

import itertools
from dataclasses import dataclass

from sw.lowering.lower import Lowered

from .machine import Machine
from .memory import SIMULATED, MemoryTiming

__all__ = ["Prediction", "predict_lowered"]


@dataclass(frozen=True)
class Prediction:
    """Expected cycles.

    Members: `cycles` from START to the end of the last instance; `layer_cycles` as
    `RunResult`'s.
    """

    cycles: int
    layer_cycles: tuple[int, ...]


def predict_lowered(lowered: Lowered, memory: MemoryTiming = SIMULATED) -> Prediction:
    """Predict what `lower` made, with a memory; raises ValueError for a microcoded core."""
    if lowered.config.core != "pipelined":
        raise ValueError(f"core is {lowered.config.core!r}; the cycle model is of the pipelined "
                         "one: measure it in RTL, python -m sw.compare")
    ends = Machine(lowered, memory).run()
    cycles = [0] * len(lowered.stages)
    for (layer, _), (a, b) in zip(lowered.order, itertools.pairwise([0.0, *ends]), strict=True):
        cycles[layer] += round(b) - round(a)
    return Prediction(round(ends[-1]), tuple(cycles))
