"""Predicts cycles from a network and a configuration, without a simulation.

The compiler's operations run on a model of each unit; where zero inputs are skipped, as if none
were zero. What takes many cycles is not stepped through but flows: beats over the ports, shared
fairly among those that want them, and weights through the FIFO into the array. Time jumps from
one change of these rates to the next. The few constants are pipeline latencies of the RTL.

1. `work`      what an operation asks of its unit, in numbers
2. `clock`     events in order of time
3. `port`      a memory port and how its beats are shared
4. `fifo`      an instance's weight FIFO, and what the tile loader takes from it
5. `array`     an instance's array and post-processing
6. `instance`  its dispatch, queues, tokens and transfers
7. `machine`   all of them together
"""

import itertools
from dataclasses import dataclass, replace

from hw.config import Config
from sw.compiler.compile import Lowered, lower
from sw.graph.active import check_active
from sw.graph.integer import IntegerGraph

from .machine import Machine

__all__ = ["Prediction", "predict", "predict_lowered"]


@dataclass(frozen=True)
class Prediction:
    """Expected cycles.

    Members: `cycles` from START to the end of the last instance; `layer_cycles` as
    `RunResult`'s.
    """

    cycles: int
    layer_cycles: tuple[int, ...]


def predict(graph: IntegerGraph, config: Config, *, batch: int = 1, store_all: bool = True,
            active: int | None = None) -> Prediction:
    """Predict a network's cycles; weights' values are not looked at, and need not be there: that
    they may overflow an accumulator is for `compile_graph` to find.

    Parameters
    ----------
    active : of a scalable program, only its first so many partitions

    Raises
    ------
    GraphError, CompileError, ScalingError
        As `compile_graph`.
    ActiveError
        As `Driver.activate`.
    ValueError
        If the core is microcoded.
    """
    lowered = lower(graph, config, batch=batch, store_all=store_all, scalable=active is not None)
    if active is not None:
        check_active(active, config.instances)
    return predict_lowered(replace(lowered, ops=lowered.ops[:active]))


def predict_lowered(lowered: Lowered) -> Prediction:
    """Predict what `lower` made; raises ValueError for a microcoded core."""
    if lowered.config.core != "pipelined":
        raise ValueError(f"core is {lowered.config.core!r}; the cycle model is of the pipelined "
                         "one: measure it in RTL, python -m sw.compare")
    ends = Machine(lowered).run()
    cycles = [0] * len(lowered.stages)
    for (layer, _), (a, b) in zip(lowered.order, itertools.pairwise([0.0, *ends]), strict=True):
        cycles[layer] += round(b) - round(a)
    return Prediction(round(ends[-1]), tuple(cycles))
