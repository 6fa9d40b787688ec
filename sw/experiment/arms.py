"""One arm of a comparison: a network on an accelerator, every layer run in RTL and checked."""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hw.config import Config
from hw.support.arguments import nearest
from sw.compiler import LayerInfo, Program, compile_graph
from sw.compiler.search import search_splits
from sw.cycles.limits import Roof, network_limit
from sw.driver.backend import open_backend
from sw.driver.driver import Driver
from sw.driver.result import RunResult
from sw.energy.model import EnergyModel, Features, features, unit_features
from sw.graph.convolution import Convolution
from sw.graph.edges import INPUT, Edges
from sw.graph.integer import IntegerGraph
from sw.reference.golden import run_golden
from sw.report.values import ArmReport, LayerReport

__all__ = ["Arm", "check_layers", "expected_cycles", "golden_outputs", "layer_kind", "run_arm",
           "segments"]


@dataclass(frozen=True)
class Arm:
    """A named network on a named accelerator.

    Members: `name` ("dense-8"), `graph`, `config`, `images` and `golden`: for each image, each
    layer's golden output int8[C, H, W]; `batch`, images of a run.
    """

    name: str
    graph: IntegerGraph
    config: Config
    images: tuple[np.ndarray, ...]
    golden: tuple[tuple[np.ndarray, ...], ...]
    batch: int = 1


def layer_kind(layer: Convolution) -> str:
    """"fc" for a layer with one output pixel, else "conv"."""
    return "fc" if layer.gives_vector else "conv"


def check_layers(graph: Edges, names: Sequence[str] | None) -> None:
    """Refuse names that are not of a network's layers, and some of the layers of a graph with
    branches."""
    known = [layer.name for layer in graph.layers]
    for name in names or ():
        if name not in known:
            raise ValueError(f"layer {name!r} is not in {graph.name}; its layers are "
                             + ", ".join(known) + nearest(name, known))
    if names:
        graph.require_chain("running some of a network's layers")


def segments(graph: IntegerGraph, names: Sequence[str] | None) -> list[tuple[int, IntegerGraph]]:
    """Cut the selected layers into runs of neighbours, each a graph of its own.

    Returns
    -------
    list of (index of the first layer, graph)

    Raises
    ------
    ValueError
        As `check_layers`.
    """
    check_layers(graph, names)
    if not names:
        return [(0, graph)]
    known = [layer.name for layer in graph.layers]
    chosen = sorted({known.index(n) for n in names})
    runs: list[list[int]] = []
    for index in chosen:
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return [(run[0], replace(graph, layers=graph.layers[run[0]:run[-1] + 1])) for run in runs]


def golden_outputs(graph: IntegerGraph,
                   images: Sequence[np.ndarray]) -> tuple[tuple[np.ndarray, ...], ...]:
    """Every layer's golden output for every image."""
    return tuple(tuple(run_golden(graph, image)) for image in images)


def expected_cycles(graph: IntegerGraph, config: Config, images: int, batch: int) -> int:
    """Rough length of all runs, for progress bars only."""
    return round(sum(network_limit([x], config, images, batch).cycles
                     for x in graph.layers) / 0.93)


def _inputs(arm: Arm, first: int) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
    """Of each run that starts at layer `first`: its input, and every layer's golden output."""
    sources = arm.images if first == 0 else [outputs[first - 1] for outputs in arm.golden]
    if arm.batch == 1:
        yield from ((image, list(golden)) for image, golden in zip(sources, arm.golden,
                                                                   strict=True))
        return
    for at in range(0, len(sources), arm.batch):
        yield (np.stack(sources[at:at + arm.batch]),
               [np.stack(maps) for maps in zip(*arm.golden[at:at + arm.batch], strict=True)])


class _Totals:
    """Sums of one layer's measurements over images."""

    def __init__(self) -> None:
        self.cycles = self.port_bytes = self.weight_port_bytes = self.program_port_bytes = 0
        self.spared_vectors = 0
        self.toggles = self.clocked = 0
        self.exact = True
        self.ledger: list[dict[str, int]] = []
        self.features: Features | None = None
        self.instance_pj: np.ndarray | None = None
        self.image_pj: list[float] = []

    def add(self, result: RunResult, index: int, golden: np.ndarray, model: EnergyModel) -> None:
        """Add a run's measurements of its layer `index`, and compare its output."""
        assert result.layer_cycles is not None and result.ledger is not None
        self.cycles += result.layer_cycles[index]
        if result.spared_vectors is not None:
            self.spared_vectors += result.spared_vectors[index]
        if result.port_bytes is not None and result.weight_port_bytes is not None:
            self.port_bytes += result.port_bytes[index]
            self.weight_port_bytes += result.weight_port_bytes[index]
        if result.program_port_bytes is not None:
            self.program_port_bytes += result.program_port_bytes[index]
        for mine, seen in itertools.zip_longest(self.ledger, result.ledger[index]):
            if mine is None:
                self.ledger.append(dict(seen))
            else:
                for cause, value in seen.items():
                    mine[cause] = mine.get(cause, 0) + value
        if result.activity is not None and result.page_misses is not None:
            self._add_activity(result, index, model)
        output = result.outputs[index]
        self.exact &= output is not None and np.array_equal(output, golden)


    def _add_activity(self, result: RunResult, index: int, model: EnergyModel) -> None:
        assert result.activity is not None and result.page_misses is not None
        assert result.port_bytes is not None and result.layer_cycles is not None
        *instances, shell = result.activity[index]
        self.toggles += sum(u.toggles for u in instances)
        self.clocked += sum(u.clocked for u in instances)
        cycles = result.layer_cycles[index]
        found = features(instances, shell, cycles=cycles, port_bytes=result.port_bytes[index],
                         page_misses=result.page_misses[index], model=model)
        self.features = found if self.features is None else self.features + found
        values = model.values()
        self.image_pj.append(float(sum(found.energy(values).values())))
        own = np.array([sum(unit_features(u, cycles, model).energy(values).values())
                        for u in instances])
        self.instance_pj = own if self.instance_pj is None else self.instance_pj + own


def run_arm(arm: Arm, names: Sequence[str] | None, *, count_toggles: bool,
            memory: dict, threads: int = 1, model: EnergyModel | None = None,
            search: bool = False,
            on_progress: Callable[[int, str], None] = lambda cycles, layer: None,
            say: Callable[[str], None] = lambda text: None,
            ) -> tuple[ArmReport, list[np.ndarray]]:
    """Compile, run and check the selected layers of an arm for every image.

    Parameters
    ----------
    arm : Arm
    names : layers to run, or None for all
    count_toggles : bool
    memory : options of the external memory model
    threads : that share the simulation of the instances
    model : how energy is priced, where activity is counted
    search : try other splits on the cycle model before compiling
    on_progress : called with (cycles so far, layer under way)
    say : called with lines of status

    Returns
    -------
    ArmReport
        Cycles, bytes and toggles summed over the images.
    list of int8[C, H, W]
        The last layer's output of each image, as the RTL computed it.
    """
    model = model or EnergyModel()
    totals = {x.name: _Totals() for x in arm.graph.layers}
    counters: list[dict[str, int]] = [{} for _ in range(arm.config.instances)]
    reports: list[LayerReport] = []
    finals: list[np.ndarray] = []
    programs: list[Program] = []
    roof, cycles, misses, seconds = Roof.of(arm.config), 0, 0, 0.0
    for first, graph in segments(arm.graph, names):
        splits = search_splits(graph, arm.config, batch=arm.batch, say=say).splits \
            if search and arm.config.core == "pipelined" else None
        programs.append(program := compile_graph(graph, arm.config, batch=arm.batch,
                                                 splits=splits))
        program.check_log()
        with open_backend("verilator", arm.config, memory_bytes=program.window_bytes,
                          count_toggles=count_toggles, threads=threads, say=say,
                          **memory) as backend:
            driver = Driver(backend)
            driver.load(program)
            for source, golden in _inputs(arm, first):
                start = cycles

                def report(n: int, layer: int, s: int = start, g: IntegerGraph = graph) -> None:
                    on_progress(s + n, g.layers[min(layer, len(g.layers) - 1)].name)

                report(0, 0)  # now all is built
                began = time.monotonic()
                result = driver.run(source, progress=report)
                seconds += time.monotonic() - began
                cycles += result.cycles
                misses += sum(result.page_misses or ())
                for index, layer in enumerate(graph.layers):
                    totals[layer.name].add(result, index, golden[first + index], model)
                for mine, seen in zip(counters, result.counters, strict=True):
                    for cause, value in seen.items():
                        mine[cause] = mine.get(cause, 0) + value
                finals.extend([result.output] if arm.batch == 1 else result.output)
        reports += [_layer_report(graph, k, info, totals[info.name], arm, model)
                    for k, info in enumerate(program.layers)]
    return ArmReport(
        name=arm.name, instances=arm.config.instances, memory=arm.config.port.memory,
        macs_per_cycle=roof.macs_per_cycle, bytes_per_cycle=roof.bytes_per_cycle, batch=arm.batch,
        cycles=cycles, layers=tuple(reports), counters=tuple(counters), page_misses=misses,
        simulated_khz=round(cycles / seconds / 1e3, 1), **_external_bytes(programs)), finals


def _layers_read(graph: IntegerGraph, k: int) -> tuple[str, ...]:
    """The layers whose outputs layer k takes, each once."""
    parts = [part for value in graph.inputs(k) for part in graph.parts(value)]
    return tuple(dict.fromkeys(part for part in parts if part != INPUT))


def _external_bytes(programs: Sequence[Program]) -> dict[str, int]:
    """External memory that the runs need, by `ArmReport`'s names."""
    return {"external_bytes": max(program.window_bytes for program in programs),
            "tensor_bytes": max(program.tensor_bytes for program in programs)}


def _layer_report(graph: IntegerGraph, k: int, info: LayerInfo, total: _Totals, arm: Arm,
                  model: EnergyModel) -> LayerReport:
    layer = graph.layers[k]
    found, own = total.features, total.instance_pj
    images = len(arm.images)
    macs = saved = None
    live = 1.0
    if info.row_bytes:
        # Each row is fetched for a live input alone, and each of its weights multiplied once.
        rows = images * info.row_bytes
        saved = rows + images * info.param_bytes - total.weight_port_bytes
        live = 1 - saved / rows
    elif arm.config.array.zero_skip:
        saved = 0  # a dead input block's weights are fetched all the same
        passes = -(-images // arm.batch) if info.stacked else images
        live = 1 - total.spared_vectors / (passes * info.vectors)
    if saved is not None:
        macs = round(images * layer.macs * (1 - live))
    return LayerReport(
        name=layer.name, macs=images * layer.macs, weight_bytes=layer.weight_bytes,
        cycles=total.cycles, needed_macs=math.floor(images * layer.needed_macs * live),
        needed_bytes=int(-(-images // arm.batch) * layer.weight_bytes * live),
        port_bytes=total.port_bytes, weight_port_bytes=total.weight_port_bytes,
        program_port_bytes=total.program_port_bytes,
        skipped_macs=macs, skipped_bytes=saved, batched=info.stacked,
        toggles=None if found is None else total.toggles,
        clocked_ff_cycles=None if found is None else total.clocked, bit_exact=total.exact,
        pruned=layer.pruned, kind=layer_kind(layer),
        split=info.split + (", taps packed" if info.tap_packed else "")
        + (", batched" if info.stacked else ""),
        ledger=tuple(total.ledger), activity=None if found is None else dict(found.counts),
        energy_pj=None if found is None else found.energy(model.values()),
        instance_pj=None if own is None else tuple(float(v) for v in own),
        image_pj=None if own is None else tuple(total.image_pj),
        reads=_layers_read(graph, k), shape=layer.out_shape)
