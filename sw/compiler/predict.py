"""Predicts cycles from a network and a configuration, without a simulation."""

from dataclasses import replace

from hw.config import Config
from sw.cycles.prediction import Prediction, predict_lowered
from sw.graph.active import check_active
from sw.graph.integer import IntegerGraph

from .compile import lower

__all__ = ["predict"]


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
