"""Predict a network's cycles on many configurations, and say which are worth building.

Examples:
    python -m sw.explore --network tinyvgg16 --instances 1,2,4,8 --arrays 4x4,8x8
    python -m sw.explore --network digits --device ecp5-85k --arrays 2x2,4x4,4x8 --plot plan.svg
    python -m sw.explore --network digits --instances 1,2 --arrays 4x4 --rtl
    python -m sw.explore --scheduler tcp://host:8786 --instances 1,2,4,8,16,32 --rtl

Every combination of the lists is predicted by the cycle model (sw/cycles). The table shows the
Pareto front: configurations that no other beats in cycles, DSP blocks and block RAMs at once, for
each number of partitions, as accuracy depends on that. --rtl also runs the front in RTL with random
weights, checks each output, and tells the model's error. Points run in local processes, or on an
existing Dask cluster whose workers have this package.

Exit codes: 0 ok, 1 RTL and golden model differ, 2 usage, 3 a tool is missing, 4 nothing fits.
"""

import argparse
import itertools
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from hw.config import PRESETS, Config
from hw.errors import ToolMissingError, exit_code
from hw.estimate import DEVICES, quick_usage
from hw.toolchain import DoesNotFitError, Usage
from sim.processors import processors

from .capture import capture
from .compiler import CompileError
from .cycles import predict
from .digits import DIGITS_SHAPE
from .floatgraph import FloatGraph
from .graph import IntegerGraph, Layer
from .html import scatter
from .limits import network_limit
from .models import TINYVGG16_SHAPE, slim_digits, tinyvgg16
from .output import require_folder, save_text, table_console
from .pareto import pareto
from .partition import prunable_layers, select_layers

__all__ = ["Point", "Result", "evaluate", "front", "main", "shape_graph"]

NETWORKS = {
    "tinyvgg16": (tinyvgg16, TINYVGG16_SHAPE),
    "tinyvgg16-slim": (lambda: tinyvgg16(width=0.125, classes=20, batch_norm=True),
                       TINYVGG16_SHAPE),
    "digits": (slim_digits, DIGITS_SHAPE),
}
_MOST_POINTS = 10_000
_FEW_POINTS = 16


@dataclass(frozen=True)
class Point:
    """One combination: a network cut into `partitions` (1: dense) on a configuration."""

    network: str
    prune: str
    partitions: int
    config: Config


@dataclass(frozen=True)
class Result:
    """What became of a point.

    Members: predicted `cycles`, None with the reason in `why` if it cannot run; `limit` as
    sw/limits.py; `usage` as far as known without synthesis; `fits` the device
    asked for; `rtl_cycles` if it was run.
    """

    point: Point
    cycles: int | None
    limit: int
    usage: Usage
    why: str = ""
    fits: bool = True
    rtl_cycles: int | None = None

    def row(self) -> dict:
        """For JSON."""
        p = self.point
        data = {k: v for k, v in asdict(self).items() if k not in ("point", "usage")}
        return {"network": p.network, "prune": p.prune, "partitions": p.partitions,
                "config": p.config.to_dict(), "dsps": self.usage.dsps,
                "block_rams": self.usage.block_rams, **data}


def shape_graph(network: str, prune: str, partitions: int) -> IntegerGraph:
    """A network's layers without weights (all zero, in no memory).

    Raises
    ------
    PartitionError
        If it cannot be cut into so many.
    """
    graph = _captured(network)
    names = prunable_layers(graph, prune) if partitions > 1 else []
    chosen = set(select_layers(graph, names, partitions)) if names else set()
    layers = []
    for k, x in enumerate(graph.layers):
        groups = partitions if k in chosen else x.groups
        out, inputs, height, width = x.weight.shape
        shape = (out, inputs * x.groups // groups, height, width)

        def zeros(dtype, shape=(out,)):
            return np.broadcast_to(np.zeros((), dtype), shape)

        layers.append(Layer(
            x.name, zeros(np.int8, shape), zeros(np.int32), zeros(np.uint16), zeros(np.uint8),
            0 if x.low == 0 else -128, 127, x.stride, x.padding, groups, x.in_shape, x.conv_shape,
            x.out_shape, x.pool, pruned=k in chosen))
    return IntegerGraph(graph.name, tuple(layers), 1.0, 1.0)


_CAPTURED: dict[str, FloatGraph] = {}


def _captured(network: str) -> FloatGraph:
    if network not in _CAPTURED:
        import torch
        make, shape = NETWORKS[network]
        with torch.device("meta"):
            net = make()
        net = net.to_empty(device="cpu")
        for tensor in (*net.parameters(), *net.buffers()):
            tensor.data.zero_()
        _CAPTURED[network] = capture(net, shape, network)
    return _CAPTURED[network]


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


def evaluate(point: Point, graph: IntegerGraph | None = None) -> Result:
    """Predict a point."""
    graph = graph or shape_graph(point.network, point.prune, point.partitions)
    limit = network_limit(graph.layers, point.config).cycles
    try:
        cycles, why = predict(graph, point.config).cycles, ""
    except CompileError as error:
        cycles, why = None, str(error)
    return Result(point, cycles, limit, quick_usage(point.config), why)


def measure(point: Point, seed: int = 1) -> int:
    """Run a point in RTL with random weights and return its cycles.

    Raises
    ------
    RuntimeError
        If an output differs from the golden model's.
    """
    from .compiler import compile_graph
    from .driver import Driver, open_backend
    from .golden import run_golden
    graph = _random_weights(shape_graph(point.network, point.prune, point.partitions), seed)
    image = np.random.default_rng(seed).integers(-128, 128, graph.in_shape, dtype=np.int8)
    program = compile_graph(graph, point.config)
    with open_backend("verilator", point.config, memory_bytes=program.window_bytes) as backend:
        driver = Driver(backend)
        driver.load(program)
        result = driver.run(image)
    for layer, ours, theirs in zip(graph.layers, result.outputs, run_golden(graph, image),
                                   strict=True):
        if ours is not None and not np.array_equal(ours, theirs):
            raise RuntimeError(f"{point.config.shape}, {point.partitions} partitions: layer "
                               f"{layer.name} in RTL differs from the golden model")
    return result.cycles


def front(results: Iterable[Result]) -> list[Result]:
    """Those that no other with as many partitions and the same memory beats, fastest first."""
    able = [r for r in results if r.cycles is not None and r.fits]

    def key(r: Result) -> tuple[int, int, int]:
        assert r.cycles is not None
        return r.cycles, r.usage.dsps, r.usage.block_rams

    def kind(r: Result) -> tuple:
        return r.point.partitions, r.point.prune, r.point.config.port

    best = [r for k in {kind(r): None for r in able}
            for r in pareto([r for r in able if kind(r) == k], key)]
    return sorted(best, key=lambda r: (r.point.partitions, key(r)))


def _numbers(text: str) -> list[int]:
    try:
        return [int(x) for x in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list like 1,2,4") from None


def _arrays(text: str) -> list[tuple[int, int]]:
    try:
        return [(int(r), int(c)) for r, c in (x.split("x") for x in text.split(","))]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list like 4x4,8x8") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sw.explore", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_argument_group("what is combined")
    what.add_argument("--network", choices=tuple(NETWORKS), default="tinyvgg16")
    what.add_argument("--partitions", type=_numbers, default=[1, 8], metavar="P,P",
                      help="1 is the dense network (default 1,8)")
    what.add_argument("--prune", choices=("fc", "all"), default="fc")
    what.add_argument("--instances", type=_numbers, default=[1, 2, 4, 8], metavar="N,N",
                      dest="counts")
    what.add_argument("--arrays", type=_arrays, default=[(4, 4), (8, 8)], metavar="RxC,RxC")
    what.add_argument("--buffers", type=_numbers, default=None, metavar="W,W",
                      help="activation memories in words (default: the preset's)")
    what.add_argument("--fifos", type=_numbers, default=None, metavar="B,B",
                      help="weight FIFOs in beats (default: the preset's)")
    what.add_argument("--preset", choices=tuple(PRESETS), default="default",
                      help="for everything else")
    what.add_argument("--memory", choices=("shared", "private"), default=None)
    what.add_argument("--port-bytes", type=int, default=None, metavar="N")
    how = parser.add_argument_group("how")
    how.add_argument("--device", choices=tuple(DEVICES),
                     help="keep what its DSP blocks and block RAMs hold")
    how.add_argument("--rtl", action="store_true", help="also run the front in RTL")
    how.add_argument("--jobs", type=int, default=processors(), metavar="N",
                     help="local processes (default: one for each core)")
    how.add_argument("--scheduler", metavar="ADDRESS",
                     help="a Dask scheduler, such as tcp://host:8786")
    how.add_argument("--all", action="store_true", help="print every point, not only the front")
    how.add_argument("--plot", type=Path, metavar="FILE.svg")
    how.add_argument("--json", action="store_true")
    return parser


def _points(args: argparse.Namespace) -> list[Point]:
    base = PRESETS[args.preset]
    buffers = args.buffers or [base.buffers.act_words]
    fifos = args.fifos or [base.buffers.weight_fifo_beats]
    changes: dict = {}
    if args.memory:
        changes["port__memory"] = args.memory
    if args.port_bytes:
        changes["port__bytes"] = args.port_bytes
    grid = list(itertools.product(args.partitions, args.counts, args.arrays, buffers, fifos))
    if len(grid) > _MOST_POINTS:
        raise ValueError(f"{len(grid):,} combinations; at most {_MOST_POINTS:,}: shorten a list")
    return [Point(args.network, args.prune, partitions, base.replace(
                instances=instances, array__rows=rows, array__cols=cols, array__post_lanes=0,
                buffers__act_words=words, buffers__weight_fifo_beats=beats, **changes))
            for partitions, instances, (rows, cols), words, beats in grid]


def _run(function: Callable, points: Sequence[Point], args: argparse.Namespace,
         ) -> Iterator[tuple[int, object]]:
    """Apply a function to all points, in processes or on a cluster; (index, value) as they end."""
    if args.scheduler:
        try:
            from distributed import Client
            from distributed import as_completed as ended
        except ImportError as error:
            raise ToolMissingError("--scheduler needs Dask: pip install distributed") from error
        try:
            client = Client(args.scheduler, timeout=10)
        except (OSError, ValueError) as error:
            raise ValueError(f"--scheduler {args.scheduler}: no Dask scheduler answers: "
                             f"{error}") from error
        with client:
            futures = client.map(function, points, pure=False)
            places = {f.key: k for k, f in enumerate(futures)}
            for future in ended(futures):
                yield places[future.key], future.result()
        return
    few = len(points) <= (_FEW_POINTS if function is evaluate else 1)
    if args.jobs == 1 or few:  # a process takes longer to start than few points to predict
        for k, point in enumerate(points):
            yield k, function(point)
        return
    with ProcessPoolExecutor(min(args.jobs, len(points)), mp_context=get_context("spawn")) as pool:
        tasks = {pool.submit(function, point): k for k, point in enumerate(points)}
        for task in as_completed(tasks):
            yield tasks[task], task.result()


def _print(results: Sequence[Result], chosen: Sequence[Result], every: bool) -> None:
    shown = results if every else chosen
    table = Table(title=f"{len(chosen)} of {len(results)} configurations are on the front")
    for name in ("P", "instances", "act words", "FIFO", "DSPs", "block RAMs", "cycles",
                 "of the limit", *(["RTL", "model"] if any(r.rtl_cycles for r in shown) else [])):
        table.add_column(name, justify="right")
    if every:
        table.add_column("")
    for r in shown:
        c = r.point.config
        cells = [str(r.point.partitions), c.shape, f"{c.buffers.act_words:,}",
                 str(c.buffers.weight_fifo_beats), str(r.usage.dsps), str(r.usage.block_rams),
                 f"{r.cycles:,}" if r.cycles else "", f"{r.limit / r.cycles:.1%}"
                 if r.cycles else ""]
        if any(x.rtl_cycles for x in shown):
            cells += [f"{r.rtl_cycles:,}", f"{r.cycles / r.rtl_cycles - 1:+.2%}"] \
                if r.rtl_cycles and r.cycles else ["", ""]
        mark = "front" if r in chosen else "" if r.fits and r.cycles else "too large" \
            if not r.fits else r.why
        table.add_row(*cells, *([mark] if every else []))
    table_console().print(table)


def run(argv: list[str]) -> int:
    """Explore and print; errors are raised."""
    args = _parser().parse_args(argv)
    if args.jobs < 1:
        raise ValueError(f"--jobs is {args.jobs}; it must be 1 or more")
    require_folder(plot=args.plot)
    points = _points(args)
    for partitions in args.partitions:
        shape_graph(args.network, args.prune, partitions)  # refuses what cannot be cut
    notes = Console(stderr=True)
    results: list[Result] = [None] * len(points)  # type: ignore[list-item]
    device = DEVICES[args.device] if args.device else None
    with notes.status(f"predicting {len(points)} points") as status:
        for done, (k, value) in enumerate(_run(evaluate, points, args), 1):
            assert isinstance(value, Result)
            lacks = value.usage.lacks(device) if device else []
            results[k] = replace(value, fits=not lacks, why="; ".join(lacks) or value.why)
            status.update(f"predicted {done} of {len(points)} points")
    chosen = front(results)
    if not chosen:
        raise DoesNotFitError(f"none of {len(points)} configurations fits"
                              + (f" {device.name}" if device else "")
                              + f"; the first: {results[0].why}")
    if args.rtl:
        with notes.status(f"running {len(chosen)} points in RTL") as status:
            for done, (k, value) in enumerate(_run(measure, [r.point for r in chosen], args), 1):
                assert isinstance(value, int)
                old, chosen[k] = chosen[k], replace(chosen[k], rtl_cycles=value)
                results[results.index(old)] = chosen[k]
                status.update(f"ran {done} of {len(chosen)} points in RTL")
    if args.plot:
        save_text(args.plot, _plot(results, chosen))
        notes.print(f"wrote {args.plot}")
    if args.json:
        rows = [r.row() | {"front": r in chosen} for r in results]
        print(json.dumps({"schema": "partita.explore", "version": 1, "points": rows}))
    else:
        _print(results, chosen, args.all)
    return 0


def _plot(results: Sequence[Result], chosen: Sequence[Result]) -> str:
    kinds = sorted({r.point.partitions for r in results})
    return scatter(
        [(kinds.index(r.point.partitions), r.usage.dsps, r.cycles, r in chosen,
          f"{r.point.config.shape}, {r.point.config.buffers.act_words:,} words: {r.cycles:,} "
          f"cycles, {r.usage.dsps} DSP blocks, {r.usage.block_rams} block RAMs")
         for r in results if r.cycles is not None and r.fits],
        [f"P = {k}" if k > 1 else "dense" for k in kinds], "DSP blocks", "cycles")


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m sw.explore")


if __name__ == "__main__":
    sys.exit(main())
