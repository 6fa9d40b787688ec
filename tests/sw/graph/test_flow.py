"""A step that is left out is named, whatever object comes instead."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch import nn

from sw.api import (
    Config,
    FlowError,
    apply_plan,
    capture,
    compile_graph,
    partition,
    prunable_layers,
    quantise,
    run,
    run_golden,
)
from sw.quantise.post_training import calibrate, quantise_with
from sw.reference.batched import run_integer

MODULE = nn.Sequential(nn.Conv2d(1, 4, 3))
FLOAT = capture(MODULE, (1, 5, 5))
IMAGES = np.ones((1, 1, 5, 5), np.float32)
INTEGER = quantise(FLOAT, IMAGES)
CONFIG = Config(instances=1)
PROGRAM = compile_graph(INTEGER, CONFIG)


#: A step, what it is given, and what is said: wrong types on purpose.
CALLS: list[tuple[Callable[..., Any], tuple[Any, ...], str]] = [
    (capture, (FLOAT, (1, 5, 5)), "capture takes a Module, not a FloatGraph: that step is done; "
     "give it the Module from before"),
    (capture, (nn.Conv2d, (1, 5, 5)), "capture takes a Module, not a type: a network is an"),
    (quantise, (MODULE, IMAGES), "quantise takes a FloatGraph, not a Sequential: call "
     r"capture\(module, in_shape\)$"),
    (quantise, (INTEGER, IMAGES), "quantise takes a FloatGraph, not an IntegerGraph: that"),
    (calibrate, (MODULE, IMAGES), "calibrate takes a FloatGraph"),
    (quantise_with, (MODULE, [1.0]), "quantise_with takes a FloatGraph"),
    (compile_graph, (FLOAT, CONFIG), "compile_graph takes an IntegerGraph, not a FloatGraph: "
     r"call quantise\(graph, images\)$"),
    (compile_graph, (MODULE, CONFIG), "compile_graph takes an IntegerGraph, not a Sequential:"
     r" call capture\(module, in_shape\), then quantise\(graph, images\)$"),
    (compile_graph, (PROGRAM, CONFIG), "not a Program: that step is done"),
    (compile_graph, (INTEGER, "ice40up5k"), "compile_graph takes a Config, not a str: a "
     r"configuration comes from Config\(...\) or sw.api.PRESETS\[name\]"),
    (run, (INTEGER, IMAGES[0]), "run takes a Program, not an IntegerGraph: call "
     r"compile_graph\(graph, config\)"),
    (run_golden, (FLOAT, IMAGES[0]), "run_golden takes an IntegerGraph, not a FloatGraph"),
    (run_integer, (PROGRAM, IMAGES), "run_integer takes an IntegerGraph, not a Program"),
    (prunable_layers, (MODULE,), "prunable_layers takes a FloatGraph, not a Sequential"),
    (partition, (INTEGER, ["0"], 2), "partition takes a FloatGraph, not an IntegerGraph"),
    (apply_plan, (FLOAT, ["0"]), "apply_plan takes a PartitionPlan, not a list: partition"),
    (apply_plan, (None, None), "apply_plan takes a FloatGraph, not a NoneType"),
]


@pytest.mark.parametrize(("step", "given", "message"), CALLS)
def test_the_missing_step_is_named(step, given, message):
    with pytest.raises(FlowError, match=message):
        step(*given)
