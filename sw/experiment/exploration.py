"""Configurations predicted by the cycle model, and those that nothing else beats."""

import argparse
import itertools
import json
import math
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from rich.table import Table

from hw.config import PRESETS, Config
from hw.fpga.devices import DEVICES, DoesNotFitError, Usage
from hw.fpga.estimate import quick_usage
from hw.options import changed_fields, differing_options, named_by_option
from hw.support.arguments import given
from hw.support.console import console, print_next
from hw.support.files import check_outputs
from sw.compiler import CompileError, compile_graph
from sw.compiler.predict import predict
from sw.cycles.limits import network_limit
from sw.driver.backend import open_backend
from sw.driver.driver import Driver
from sw.graph.integer import IntegerGraph
from sw.networks.naming import Origin
from sw.networks.shapes import captured, require_cut, shape_graph
from sw.prune.plan import PartitionPlan
from sw.reference.golden import run_golden
from sw.report.charts import PLOT, scatter
from sw.terminal.console import deliver
from sw.terminal.options import NETWORK, as_typed
from sw.terminal.progress import StepProgress
from sw.terminal.reads import files_read

from .choice import choice_from_arguments
from .own import chosen_partitions
from .pareto import pareto
from .planned import plan_as_asked
from .pool import each

__all__ = ["Candidate", "Result", "evaluate", "explore_as_asked", "unbeaten_results"]

_MOST_POINTS = 10_000
_FEW_POINTS = 16


@dataclass(frozen=True)
class Candidate:
    """One combination: a network cut into `partitions` (1: dense), by a `plan` if there is one, on
    a configuration; one that comes with it by its name."""

    network: str | Origin
    prune: str
    partitions: int
    config: Config
    plan: PartitionPlan | None = None

    @property
    def graph(self) -> IntegerGraph:
        return shape_graph(self.network, self.prune, self.partitions, self.plan)


@dataclass(frozen=True)
class Result:
    """What became of a candidate.

    Members: predicted `cycles`, None with the reason in `why` if it cannot run; `limit` as
    sw/cycles/limits.py; `usage` as far as known without synthesis; `fits` the device
    asked for; `rtl_cycles` if it was run.
    """

    candidate: Candidate
    cycles: int | None
    limit: int
    usage: Usage
    why: str = ""
    fits: bool = True
    rtl_cycles: int | None = None

    def row(self) -> dict:
        """For JSON."""
        p = self.candidate
        data = {k: v for k, v in asdict(self).items() if k not in ("candidate", "usage")}
        network = p.network if isinstance(p.network, str) else p.network.text
        return {"network": network, "prune": "plan" if p.plan else p.prune,
                "partitions": p.partitions,
                "config": p.config.to_dict(), "dsps": self.usage.dsps,
                "block_rams": self.usage.block_rams, **data}


def _random_weights(graph: IntegerGraph, seed: int) -> IntegerGraph:
    """Weights and requantisation whose outputs spread over int8."""
    rng = np.random.default_rng(seed)
    layers = []
    for x in graph.layers:
        out, terms = x.weight.shape[0], math.prod(x.weight.shape[1:])
        layers.append(replace(
            x, weight=rng.integers(-127, 128, x.weight.shape, dtype=np.int8),
            bias=rng.integers(-2000, 2000, (out,), dtype=np.int32),
            mult=np.full(out, 1 << 14, np.uint16),
            shift=np.full(out, 20 + int(math.log2(terms) / 2), np.uint8)))
    return replace(graph, layers=tuple(layers))


def evaluate(candidate: Candidate, graph: IntegerGraph | None = None) -> Result:
    """Predict a candidate."""
    graph = graph or candidate.graph
    limit = network_limit(graph.layers, candidate.config).cycles
    try:
        cycles, why = predict(graph, candidate.config).cycles, ""
    except CompileError as error:
        cycles, why = None, str(error)
    return Result(candidate, cycles, limit, quick_usage(candidate.config), why)


def cycles_in_rtl(candidate: Candidate, seed: int = 1) -> int:
    """Run a candidate in RTL, one that comes with it with random weights, and return its cycles.

    Raises
    ------
    RuntimeError
        If an output differs from the golden model's.
    """
    graph = candidate.graph
    if isinstance(candidate.network, str):
        graph = _random_weights(graph, seed)
    image = np.random.default_rng(seed).integers(-128, 128, graph.in_shape, dtype=np.int8)
    program = compile_graph(graph, candidate.config)
    with open_backend("verilator", candidate.config, memory_bytes=program.window_bytes) as backend:
        driver = Driver(backend)
        driver.load(program)
        result = driver.run(image)
    for layer, ours, theirs in zip(graph.layers, result.outputs, run_golden(graph, image),
                                   strict=True):
        if ours is not None and not np.array_equal(ours, theirs):
            raise RuntimeError(f"{candidate.config.shape}, {candidate.partitions} partitions: "
                               f"layer {layer.name} in RTL differs from the golden model")
    return result.cycles


def unbeaten_results(results: Iterable[Result]) -> list[Result]:
    """Those that no other with as many partitions and the same memory beats, fastest first."""
    able = [r for r in results if r.cycles is not None and r.fits]

    def key(r: Result) -> tuple[int, int, int]:
        assert r.cycles is not None
        return r.cycles, r.usage.dsps, r.usage.block_rams

    def kind(r: Result) -> tuple:
        return r.candidate.partitions, r.candidate.prune, r.candidate.config.port

    best = [r for k in {kind(r): None for r in able}
            for r in pareto([r for r in able if kind(r) == k], key)]
    return sorted(best, key=lambda r: (r.candidate.partitions, key(r)))


def explore_as_asked(args: argparse.Namespace) -> int:
    """Do what `sw.explore`'s arguments ask for, and return the exit code; errors are raised."""
    check_outputs(files_read(args), plot=(args.plot, PLOT))
    choice = choice_from_arguments(args)
    origin, prune, plan = choice.origin, args.prune or "fc", plan_as_asked(args, choice)
    several = args.partitions or ([1, 8] if origin.ours else list(dict.fromkeys(
        (1, plan.partitions if plan else chosen_partitions(captured(origin), prune, None)[0]))))
    points = _points(args, Candidate(args.network if origin.ours else origin, prune, 1,
                                     PRESETS[args.preset], plan), several)
    for partitions in several if plan is None else ():
        with given("--partitions", partitions):
            require_cut(captured(origin), prune, partitions)
    with StepProgress(quiet=args.quiet) as progress:
        results = _predicted(points, args, progress)
        chosen = unbeaten_results(results)
        if not chosen:
            raise DoesNotFitError(f"none of {len(points)} configurations fits"
                                  + (f" {DEVICES[args.device].name}" if args.device else "")
                                  + f"; the first: {results[0].why}")
        if args.rtl:
            _run(results, chosen, args, progress)
    rows = [r.row() | {"front": r in chosen} for r in results]
    deliver(json.dumps({"schema": "partita.explore", "version": 1, "points": rows}),
            lambda: _print(results, chosen, args.all, _next(args, chosen)),
            {args.plot: lambda: _plot(results, chosen)}, as_json=args.json, quiet=args.quiet)
    return 0


def _predicted(points: Sequence[Candidate], args: argparse.Namespace,
               progress: StepProgress) -> list[Result]:
    """Each point, and whether it fits the device that is asked for."""
    found: dict[int, Result] = {}
    device = DEVICES[args.device] if args.device else None
    progress.say(f"predicting {len(points)} points")
    for k, value in _each(evaluate, points, args):
        assert isinstance(value, Result)
        lacks = value.usage.lacks(device) if device else []
        found[k] = replace(value, fits=not lacks, why="; ".join(lacks) or value.why)
        progress.update(f"predicted {len(found)} of {len(points)} points")
    return [found[k] for k in range(len(points))]


def _run(results: list[Result], chosen: list[Result], args: argparse.Namespace,
         progress: StepProgress) -> None:
    """Run the chosen in RTL, and put what they took into both lists."""
    progress.say(f"running {len(chosen)} points in RTL")
    measured = _each(cycles_in_rtl, [r.candidate for r in chosen], args)
    for done, (k, value) in enumerate(measured, 1):
        assert isinstance(value, int)
        old, chosen[k] = chosen[k], replace(chosen[k], rtl_cycles=value)
        results[results.index(old)] = chosen[k]
        progress.update(f"ran {done} of {len(chosen)} points in RTL")


def _points(args: argparse.Namespace, first: Candidate, several: Sequence[int],
            ) -> list[Candidate]:
    """A candidate with all that options combine; the dense one has no plan."""
    base = first.config
    buffers = args.buffers or [base.buffers.act_words]
    fifos = args.fifos or [base.buffers.weight_fifo_beats]
    changes = changed_fields(args)
    grid = list(dict.fromkeys(itertools.product(several, args.counts, args.arrays, buffers,
                                                fifos)))
    if len(grid) > _MOST_POINTS:
        raise ValueError(f"{len(grid):,} combinations; at most {_MOST_POINTS:,}: shorten a list")
    with named_by_option({"array.rows": "--arrays", "array.cols": "--arrays",
                          "instances": "--instances", "buffers.act_words": "--buffers",
                          "buffers.weight_fifo_beats": "--fifos"}):
        return [replace(first, partitions=partitions, config=base.replace(
                    instances=instances, array__rows=rows, array__cols=cols, array__post_lanes=0,
                    buffers__act_words=words, buffers__weight_fifo_beats=beats, **changes),
                    plan=first.plan if partitions > 1 else None)
                for partitions, instances, (rows, cols), words, beats in grid]


def _each(function: Callable, points: Sequence[Candidate], args: argparse.Namespace,
          ) -> Iterator[tuple[int, object]]:
    return each(function, points, jobs=args.jobs, scheduler=args.scheduler,
                few=_FEW_POINTS if function is evaluate else 1)


def _next(args: argparse.Namespace, chosen: Sequence[Result]) -> str:
    """What to type next: the fastest configuration in RTL."""
    best = min(chosen, key=lambda r: r.cycles or 0).candidate
    if best.partitions == 1:
        form = ["--arms", "dense-N"]
    elif best.plan:
        form = as_typed(args, ["--plan"])
    else:
        form = ["--partitions", str(best.partitions), *as_typed(args, ["--prune"])]
    base = PRESETS[args.preset]
    return shlex.join([
        "python", "-m", "sw.compare", "--network", args.network, *as_typed(args, NETWORK[2:]),
        *form, *([] if args.preset == "default" else ["--preset", args.preset]),
        *differing_options(best.config, base)])


def _print(results: Sequence[Result], chosen: Sequence[Result], every: bool,
           following: str) -> None:
    shown = results if every else chosen
    table = Table(title=f"{len(chosen)} of {len(results)} configurations are on the front")
    for name in ("P", "instances", "act words", "FIFO", "DSPs", "block RAMs", "cycles",
                 "of the limit", *(["RTL", "model"] if any(r.rtl_cycles for r in shown) else [])):
        table.add_column(name, justify="right")
    if every:
        table.add_column("")
    for r in shown:
        c = r.candidate.config
        cells = [str(r.candidate.partitions), c.shape, f"{c.buffers.act_words:,}",
                 str(c.buffers.weight_fifo_beats), str(r.usage.dsps), str(r.usage.block_rams),
                 f"{r.cycles:,}" if r.cycles else "", f"{r.limit / r.cycles:.1%}"
                 if r.cycles else ""]
        if any(x.rtl_cycles for x in shown):
            cells += [f"{r.rtl_cycles:,}", f"{r.cycles / r.rtl_cycles - 1:+.2%}"] \
                if r.rtl_cycles and r.cycles else ["", ""]
        mark = "front" if r in chosen else "" if r.fits and r.cycles else "too large" \
            if not r.fits else r.why
        table.add_row(*cells, *([mark] if every else []))
    out = console(wide=True)
    out.print(table)
    print_next(out, following)


def _plot(results: Sequence[Result], chosen: Sequence[Result]) -> str:
    kinds = sorted({r.candidate.partitions for r in results})
    return scatter(
        [(kinds.index(r.candidate.partitions), r.usage.dsps, r.cycles, r in chosen,
          f"{r.candidate.config.shape}, {r.candidate.config.buffers.act_words:,} words: "
          f"{r.cycles:,} cycles, {r.usage.dsps} DSP blocks, {r.usage.block_rams} block RAMs")
         for r in results if r.cycles is not None and r.fits],
        [f"P = {k}" if k > 1 else "dense" for k in kinds], "DSP blocks", "cycles")
