"""Whether a recipe's network is exact in RTL, and what is wrong if it is not."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from hw.registers import COUNTERS
from sim.backend import VerilatorBackend
from sim.verilated.build import build
from sw.driver.driver import Driver
from sw.driver.result import RunResult
from sw.graph.integer import IntegerGraph
from sw.reference.golden import run_golden

from .accelerators import CONFIGS
from .recipes import Recipe

__all__ = ["Golden", "wrong"]

#: Every layer's output for an input.
Golden = Callable[[IntegerGraph, np.ndarray], Sequence[np.ndarray]]
_TIMEOUT_CYCLES = 3_000_000


@functools.cache
def _library(name: str) -> Path:
    return build(CONFIGS[name])


def wrong(recipe: Recipe, golden: Golden = run_golden) -> str | None:
    """Run a network; what is the first thing wrong with it, or None."""
    try:
        program, images = recipe.program, recipe.inputs()
        with VerilatorBackend(
                recipe.config, library=_library(recipe.config_name), check=True,
                memory_bytes=program.window_bytes, latency_cycles=recipe.run["latency"],
                stall_probability=recipe.run["stall"] / 100, seed=recipe.run["seed"],
        ) as backend:
            driver = Driver(backend)
            driver.load(program)
            for k, inputs in enumerate(images):
                result = driver.run(inputs if program.batch > 1 else inputs[0],
                                    timeout_cycles=_TIMEOUT_CYCLES)
                found = _wrong_value(recipe, inputs, result, golden) \
                    or _wrong_count(recipe, result) or _wrong_cause(backend, result)
                if found:
                    return f"run {k}: {found}"
    except Exception as error:  # whatever a simulation or a run ends with is what was looked for
        return f"{type(error).__name__}: {error}"
    return None


def _wrong_value(recipe: Recipe, inputs: np.ndarray, result: RunResult,
                 golden: Golden) -> str | None:
    """The first layer that differs from the golden model, and where."""
    expected = [np.stack(maps) for maps in zip(
        *(golden(recipe.graph, image) for image in inputs), strict=True)]
    for layer, ours, theirs in zip(recipe.graph.layers, result.outputs, expected, strict=True):
        if ours is None:
            continue
        differ = np.argwhere(ours.reshape(theirs.shape) != theirs)
        if len(differ):
            image, *place = (int(n) for n in differ[0])
            mine = ours.reshape(theirs.shape)[image, *place]
            return (f"layer {layer.name} of image {image}: {place} is {mine}, by the golden model "
                    f"{theirs[image, *place]}; {len(differ)} of {theirs.size} values differ")
    return None


def _wrong_count(recipe: Recipe, result: RunResult) -> str | None:
    """Cycles or vectors that do not add up."""
    if result.layer_cycles is not None and sum(result.layer_cycles) != result.cycles:
        return f"layers take {result.layer_cycles} cycles, all of them {result.cycles}"
    for i, counters in enumerate(result.counters):
        if not sum(counters[name] for name in COUNTERS) == counters["TOTAL"] == result.cycles:
            return f"instance {i} counts {counters} of {result.cycles} cycles"
    layers, spared = recipe.program.layers, result.spared_vectors
    if all(layer.vectors for layer in layers) and spared is not None:  # else by live inputs
        vectors = sum(layer.vectors * (1 if layer.stacked else recipe.program.batch)
                      for layer in layers)
        fed = sum(counters["COMPUTE"] for counters in result.counters)
        if fed + sum(spared) != vectors:
            return f"{fed} vectors multiplied and {sum(spared)} spared of {vectors}"
    return None


def _wrong_cause(backend: VerilatorBackend, result: RunResult) -> str | None:
    """Cycles that count for another cause than what the units did."""
    for i, counters in enumerate(result.counters):
        shown = backend.causes(i)
        counted = {name: counters[name] for name in COUNTERS}
        if shown is not None and counted != shown:
            return f"instance {i} counts {counted}; its units show {shown}"
    return None
