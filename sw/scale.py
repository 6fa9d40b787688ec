"""Accuracy, time and energy of a network with 1 to all of its partitions, at levels of supply.

A network is trained incrementally, one partition after another, and compiled once, a partition on
each instance. Then it runs in RTL with 1, 2, ... of them active: the others are dropped through a
register, with no recompile, and their clocks are off. Every layer of every run is compared bit for
bit with the golden model of the network without them.

Examples:
    python -m sw.scale                                 digits on 8 instances of 4x4
    python -m sw.scale --levels 1V@1,0.8V@0.5 --plot scaling.svg
    python -m sw.scale --preset tiny --epochs 3 --images 1
    python -m sw.scale --rows 8 --cols 8 --memory private --json

A level is a supply voltage and a clock, as shares of the nominal ones: 0.8V@0.5 is 80% of the
voltage at half of the clock. Cycles and activity are measured, and what a level makes of them is a
model: energy of what switches goes with the square of the voltage, leakage with voltage times
time, external memory keeps its own supply. Points that no other beats in accuracy, time and energy
at once are marked with *.

Exit codes: 0 all layers bit-exact, 1 a layer differs or a run failed, 2 usage, 3 a tool is missing,
4 the network does not fit the accelerator, 5 input or output failed, 130 interrupted.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import torch
from rich.table import Table

from hw.config import Config
from hw.options import add_config_arguments, config_from_arguments
from hw.support.arguments import SEED, Parser, file_path, integer
from hw.support.console import console
from hw.support.entries import own_cache
from hw.support.errors import exit_code
from hw.support.files import check_outputs
from sw.driver.backend import open_backend
from sw.driver.driver import Driver
from sw.driver.result import RunResult
from sw.energy.model import (
    DEFAULT_LEVELS,
    EnergyModel,
    Features,
    Level,
    add_energy_arguments,
    energy_from_arguments,
    features,
)
from sw.experiment.pareto import pareto
from sw.graph.active import with_active
from sw.reference.batched import accuracy, run_integer
from sw.reference.golden import run_golden
from sw.report.charts import scatter
from sw.terminal.console import deliver
from sw.training.digits import HELD_OUT
from sw.training.incremental import DIGITS, Grown, grow_digits

from .compiler import compile_graph

__all__ = ["Measured", "Point", "front", "main", "measure", "points_of", "spread"]

#: Dynamic range in energy and time of channel groups trained incrementally, with a choice of
#: processor and levels of supply: Xun et al., arXiv 2105.03600.
PUBLISHED_RANGE = (10.6, 41.6)


@dataclass(frozen=True)
class Measured:
    """What the RTL did with some partitions active, for each image on average.

    Members: `active`; `accuracy` of int8 on the held-out images, `rtl_accuracy` on those that the
    RTL ran; `cycles`; `energy_pj` by category at the nominal level; whether all layers were
    `bit_exact`.
    """

    active: int
    accuracy: float
    rtl_accuracy: float
    cycles: float
    energy_pj: dict[str, float]
    bit_exact: bool


@dataclass(frozen=True)
class Point:
    """Some partitions active at a level: what an image takes; `chip_nj` is `energy_nj` without
    external memory, which no level scales."""

    active: int
    level: Level
    accuracy: float
    time_us: float
    energy_nj: float
    chip_nj: float


def measure(grown: Grown, config: Config, images: int, model: EnergyModel, say) -> list[Measured]:
    """Run with 1 to all partitions, from one program in one simulation.

    Raises
    ------
    CompileError, ScalingError
        If the network's partitions cannot be dropped on this accelerator.
    """
    graph, count = grown.graph, config.instances
    program = compile_graph(graph, config, scalable=True)
    program.check_log()
    inputs = [graph.quantise_input(x) for x in grown.images[:images]]
    measured = []
    with open_backend("verilator", config, memory_bytes=program.window_bytes, count_toggles=True,
                      say=say) as backend:
        driver = Driver(backend)
        driver.load(program)
        for active in range(1, count + 1):
            say(f"{active} of {count} partitions: {images} images in RTL")
            left = with_active(graph, count, active)
            driver.activate(active)
            results = [driver.run(x) for x in inputs]
            exact = all(
                ours is not None and np.array_equal(ours, theirs)
                for x, result in zip(inputs, results, strict=True)
                for ours, theirs in zip(result.outputs, run_golden(left, x), strict=True))
            energy = sum((_features(r, model) for r in results), Features({})) \
                .energy(model.coefficients.values())
            share = accuracy(partial(run_integer, left), torch.from_numpy(grown.images),
                             torch.from_numpy(grown.labels)).top1
            hits = [int(np.argmax(r.outputs[-1])) == y  # type: ignore[arg-type]
                    for r, y in zip(results, grown.labels, strict=False)]
            measured.append(Measured(
                active, share, float(np.mean(hits)), float(np.mean([r.cycles for r in results])),
                {k: v / images for k, v in energy.items()}, exact))
    return measured


def _features(result: RunResult, model: EnergyModel) -> Features:
    """Counts of a whole run."""
    assert result.activity is not None and result.port_bytes is not None
    assert result.page_misses is not None and result.layer_cycles is not None
    return sum((features(units[:-1], units[-1], cycles=cycles, port_bytes=moved,
                         page_misses=misses, model=model)
                for units, cycles, moved, misses in zip(
                    result.activity, result.layer_cycles, result.port_bytes, result.page_misses,
                    strict=True)), Features({}))


def points_of(measured: Iterable[Measured], levels: Sequence[Level],
              model: EnergyModel) -> list[Point]:
    """Time and energy of each at each level."""
    points = []
    for m in measured:
        for level in levels:
            energy = level.scale(m.energy_pj)
            points.append(Point(
                m.active, level, m.accuracy, m.cycles / (model.clock_mhz * level.clock),
                sum(energy.values()) / 1e3, (sum(energy.values()) - energy["external"]) / 1e3))
    return points


def front(points: Sequence[Point]) -> list[Point]:
    """Those that no other beats in accuracy, time and energy at once."""
    return pareto(points, lambda p: (-p.accuracy, p.time_us, p.energy_nj))


def spread(points: Iterable[Point], energy: str = "energy_nj") -> tuple[float, float]:
    """Largest over smallest energy, and time."""
    chosen = list(points)
    energies, times = ([getattr(p, name) for p in chosen] for name in (energy, "time_us"))
    return max(energies) / min(energies), max(times) / min(times)


def _levels(text: str) -> list[Level]:
    try:
        levels = [Level.parse(x) for x in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if len(set(levels)) != len(levels):
        raise argparse.ArgumentTypeError(f"{text!r} names a level twice")
    return levels


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m sw.scale", description=__doc__)
    what = parser.add_argument_group("what runs")
    what.add_argument("--network", choices=("digits",), default="digits",
                      help="as many partitions as instances, as wide as the array needs")
    what.add_argument("--epochs", type=integer(1, 100_000), default=DIGITS.epochs, metavar="N",
                      help=f"of training, for each partition (default {DIGITS.epochs})")
    what.add_argument("--images", type=integer(1, HELD_OUT), default=4, metavar="N",
                      help="held-out images that the RTL runs for each number (default 4)")
    what.add_argument("--seed", type=SEED, default=1)
    add_config_arguments(parser)
    parser.set_defaults(preset="ecp5-85k")
    energy = parser.add_argument_group("levels and energy")
    energy.add_argument("--levels", type=_levels, default=list(DEFAULT_LEVELS), metavar="V@F,V@F",
                        help=f"default {','.join(map(str, DEFAULT_LEVELS))}")
    add_energy_arguments(energy)
    out = parser.add_argument_group("output")
    out.add_argument("--plot", type=file_path, metavar="FILE.svg", help="energy over time")
    out.add_argument("--json", action="store_true", help="JSON alone on stdout")
    return parser


def run(argv: list[str]) -> int:
    """Measure and print; errors are raised."""
    args = parser().parse_args(argv)
    check_outputs(plot=args.plot)
    config = config_from_arguments(args)
    if config.instances < 2:
        raise ValueError("--instances is 1; there must be 2 or more, one for each partition")
    model = energy_from_arguments(args)
    notes = console(stderr=True)

    def say(text: str) -> None:
        notes.print(text, style="dim", highlight=False)

    grown = grow_digits(config.instances, config.unit_channels, seed=args.seed, cache=own_cache(),
                        epochs=args.epochs, say=say)
    measured = measure(grown, config, args.images, model, say)
    points = points_of(measured, args.levels, model)
    best = front(points)
    deliver(_json(measured, points, best, config, args, argv),
            lambda: _print(measured, points, best, config, args),
            {args.plot: lambda: _plot(points, best, args.levels)}, as_json=args.json)
    if args.plot:
        say(f"wrote {args.plot}")
    return 0 if all(m.bit_exact for m in measured) else 1


def _ranges(points: Sequence[Point], levels: Sequence[Level]) -> dict[str, tuple[float, float]]:
    """Spread of dropping partitions alone, at the first level, and with all levels."""
    return {"dropping": spread(p for p in points if p.level == levels[0]), "all": spread(points),
            "all_chip": spread(points, "chip_nj")}


def _json(measured: Sequence[Measured], points: Sequence[Point], best: Sequence[Point],
          config: Config, args: argparse.Namespace, argv: list[str]) -> str:
    return json.dumps({
        "schema": "partita.scale", "version": 1, "network": args.network, "seed": args.seed,
        "config": config.to_dict(), "energy_column": args.energy_column,
        "external": args.external, "clock_mhz": args.clock_mhz, "images": args.images,
        "command": "python -m sw.scale " + shlex.join(argv),
        "measured": [asdict(m) for m in measured],
        "points": [{**asdict(p), "front": p in best} for p in points],
        "ranges": {name: {"energy": energy, "time": time}
                   for name, (energy, time) in _ranges(points, args.levels).items()},
        "published_range": dict(zip(("energy", "time"), PUBLISHED_RANGE, strict=True))})


def _print(measured: Sequence[Measured], points: Sequence[Point], best: Sequence[Point],
           config: Config, args: argparse.Namespace) -> None:
    table = Table(title=f"{args.network} on {config.shape}, {config.port.memory} port of "
                  f"{config.port.bytes} bytes: us and uJ per image", title_justify="left", box=None,
                  header_style="dim")
    for name in ("active", "int8 %", "RTL %", "cycles", *map(str, args.levels)):
        table.add_column(name, justify="right", no_wrap=True)
    for m in measured:
        cells = [f"{p.time_us:,.0f}  {p.energy_nj / 1e3:,.2f}{'*' if p in best else ' '}"
                 for p in points if p.active == m.active]
        table.add_row(str(m.active), f"{100 * m.accuracy:.1f}", f"{100 * m.rtl_accuracy:.0f}",
                      f"{m.cycles:,.0f}", *cells)
    out = console(wide=True)
    out.print(table)
    out.print("\n* no other point is better in accuracy, time and energy at once.  int8: on "
                  f"all held-out images; RTL: on {args.images} of them.")
    words = {"dropping": f"partitions alone, at {args.levels[0]}", "all": "partitions and levels",
             "all_chip": "the same, without external memory"}
    for name, (energy, time) in _ranges(points, args.levels).items():
        out.print(f"range, {words[name]}: {energy:.1f}x in energy, {time:.1f}x in time",
                  highlight=False)
    out.print("published, with a choice of processor and levels: {}x and {}x".format(
        *PUBLISHED_RANGE), highlight=False)
    wrong = [str(m.active) for m in measured if not m.bit_exact]
    out.print(f"RTL differs from the golden model with {', '.join(wrong)} active" if wrong else
                  "every layer of every run is bit-exact")


def _plot(points: Sequence[Point], best: Sequence[Point], levels: Sequence[Level]) -> str:
    return scatter(
        [(levels.index(p.level), p.time_us, p.energy_nj, p in best,
          f"{p.active} active at {p.level}: {p.accuracy:.1%}, {p.time_us:,.0f} us, "
          f"{p.energy_nj:,.0f} nJ") for p in points],
        [str(x) for x in levels], "us per image", "nJ per image")


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m sw.scale")


if __name__ == "__main__":
    sys.exit(main())
