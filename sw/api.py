"""The nouns that the commands are thin over: config, build, prune, quantise, compile, run, report.

    capture        a torch module, as a graph of float layers
    capture_onnx   an ONNX file, likewise
    partition      which channel belongs to which part; `apply_plan` prunes accordingly
    equalise       brings channels to like sizes, the same function; `quantise` does it, too
    quantise       to the integer graph that hardware and golden model share
    signal_to_noise  what each layer's integers keep, in dB
    compile_graph  an integer graph and a Config, to a Program
    run            a Program on an input, in RTL
    build          a Config, as Verilog in a folder
    run_golden     the same numbers without hardware
    compare        a network dense and pruned, on one instance and on N, in RTL, as a Report
    accuracy       of an integer graph on labelled images: golden model, cycle model, RTL, board
"""

import numpy as np

from hw.config import PRESETS, ArrayConfig, BufferConfig, Config, PortConfig
from hw.rtl.folder import build
from sw.driver.backend import open_backend
from sw.driver.driver import Driver
from sw.driver.result import RunResult
from sw.experiment.calls import accuracy, compare
from sw.frontend.torch import capture
from sw.graph.flow import FlowError, expect
from sw.onnx.capture import capture_onnx
from sw.prune.apply import apply_plan
from sw.prune.layers import prunable_layers
from sw.prune.partition import partition
from sw.prune.plan import PartitionPlan
from sw.quantise.noise import signal_to_noise
from sw.quantise.post_training import equalise, quantise
from sw.reference.golden import run_golden
from sw.report.values import Report

from .compiler import Program, compile_graph

__all__ = ["PRESETS", "ArrayConfig", "BufferConfig", "Config", "FlowError", "PartitionPlan",
           "PortConfig", "Program", "Report", "RunResult", "accuracy", "apply_plan", "build",
           "capture", "capture_onnx", "compare", "compile_graph", "equalise", "partition",
           "prunable_layers", "quantise", "run", "run_golden", "signal_to_noise"]


def run(program: Program, image: np.ndarray, *, backend: str = "verilator",
        count_toggles: bool = False, **options) -> RunResult:
    """Run a program once on a fresh backend.

    Parameters
    ----------
    program : Program
    image : int8[C, H, W], or int8[n, C, H, W] of a program for a batch of n or more
    backend : a name of `sw.driver.backend.BACKENDS`
    count_toggles : bool
    **options : of the backend, such as `latency_cycles`

    Raises
    ------
    FlowError
        If the program is not one that `compile_graph` made.
    DriverError
        If an instance stopped or did not finish.
    """
    expect(program, Program, "run")
    with open_backend(backend, program.config, memory_bytes=program.window_bytes,
                      count_toggles=count_toggles, **options) as opened:
        driver = Driver(opened)
        driver.load(program)
        return driver.run(image)
