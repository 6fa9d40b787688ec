"""A network of which partitions are dropped while it runs, at levels of supply."""

import argparse
import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import torch
from rich.table import Table

from hw.config import Config
from hw.options import config_from_arguments
from hw.support.arguments import given
from hw.support.console import console
from hw.support.entries import own_cache
from hw.support.files import check_outputs
from hw.support.text import printable
from sw.compiler import compile_graph
from sw.driver.backend import open_backend
from sw.driver.driver import Driver
from sw.driver.result import RunResult
from sw.energy.levels import Level
from sw.energy.model import OUTSIDE, EnergyModel, Features, energy_from_arguments, features
from sw.graph.active import with_active
from sw.networks.names import check_images
from sw.reference.batched import accuracy, run_integer
from sw.reference.golden import run_golden
from sw.report.charts import PLOT, scatter
from sw.report.energy import energy_unit
from sw.terminal.console import deliver
from sw.terminal.progress import StepProgress
from sw.terminal.reads import files_read
from sw.training.incremental import Grown, grow_digits
from sw.training.recipe import INCREMENTAL

from .choice import Choice, choice_from_arguments
from .pareto import pareto
from .parted import load_parted
from .planned import plan_as_asked

__all__ = ["OperatingPoint", "drop_as_asked", "spread", "unbeaten_points"]

#: Dynamic range in energy and time of channel groups trained incrementally, with a choice of
#: processor and levels of supply: Xun et al., arXiv 2105.03600.
PUBLISHED_RANGE = (10.6, 41.6)


@dataclass(frozen=True)
class Measured:
    """What the RTL did with some partitions active, for each image on average.

    Members: `active`; `accuracy` of int8 on all images that there are, `rtl_accuracy` on those that
    the RTL ran; `cycles`; `energy_pj` by category at the nominal level; whether all layers were
    `bit_exact`.
    """

    active: int
    accuracy: float
    rtl_accuracy: float
    cycles: float
    energy_pj: dict[str, float]
    bit_exact: bool


@dataclass(frozen=True)
class OperatingPoint:
    """Some partitions active at a level: what an image takes; `chip_nj` is `energy_nj` without
    external memory, which no level scales."""

    active: int
    level: Level
    accuracy: float
    time_us: float
    energy_nj: float
    chip_nj: float


Points = Sequence[OperatingPoint]


def measure_active(grown: Grown, config: Config, images: int, model: EnergyModel,
                   say) -> list[Measured]:
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
                .energy(model.values())
            share = accuracy(partial(run_integer, left), torch.from_numpy(grown.images),
                             torch.from_numpy(grown.labels)).top1
            hits = [int(np.argmax(r.output)) == y
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
              model: EnergyModel) -> list[OperatingPoint]:
    """Time and energy of each at each level."""
    points = []
    for m in measured:
        for level in levels:
            energy = level.scale(m.energy_pj)
            points.append(OperatingPoint(
                m.active, level, m.accuracy, m.cycles / (model.clock_mhz * level.clock),
                sum(energy.values()) / 1e3,
                sum(pj for c, pj in energy.items() if c not in OUTSIDE) / 1e3))
    return points


def unbeaten_points(points: Points) -> list[OperatingPoint]:
    """Those that no other beats in accuracy, time and energy at once."""
    return pareto(points, lambda p: (-p.accuracy, p.time_us, p.energy_nj))


def spread(points: Iterable[OperatingPoint], energy: str = "energy_nj") -> tuple[float, float]:
    """Largest over smallest energy, and time."""
    chosen = list(points)
    energies, times = ([getattr(p, name) for p in chosen] for name in (energy, "time_us"))
    return max(energies) / min(energies), max(times) / min(times)


def drop_as_asked(args: argparse.Namespace, argv: list[str]) -> int:
    """Do what `sw.scale`'s arguments ask for, and return the exit code; errors are raised."""
    check_outputs(files_read(args), plot=(args.plot, PLOT))
    choice = choice_from_arguments(args)
    _check(args, choice)
    plan = plan_as_asked(args, choice)
    config = config_from_arguments(args)
    if config.instances < 2:
        raise ValueError("--instances is 1; there must be 2 or more, one for each partition")
    model = energy_from_arguments(args)
    with StepProgress(quiet=args.quiet) as progress:
        if choice.origin.ours:
            grown = grow_digits(config.instances, config.unit_channels, seed=args.seed,
                                cache=own_cache(), epochs=args.epochs or INCREMENTAL.epochs,
                                say=progress.say)
        else:
            grown = load_parted(choice, config.instances, prune=args.prune or "all", plan=plan,
                                images=args.images, seed=args.seed, say=progress.say)
        measured = measure_active(grown, config, args.images, model, progress.say)
    points = points_of(measured, args.levels, model)
    best = unbeaten_points(points)
    deliver(_json(grown, measured, points, best, config, args, argv),
            lambda: _print(grown, measured, points, best, config, args),
            {args.plot: lambda: _plot(points, best, args.levels)}, as_json=args.json,
            quiet=args.quiet)
    return 0 if all(m.bit_exact for m in measured) else 1


def _check(args: argparse.Namespace, choice: Choice) -> None:
    """Refuse what does not go with the network."""
    with given("--images", args.images):
        check_images(args.network, args.images)
    if not choice.origin.ours and args.epochs:
        raise ValueError("--epochs goes with --network digits: a network of your own is not "
                         "trained here")
    if choice.origin.ours and args.network != "digits":
        raise ValueError(f"--network is {args.network}; partitions of digits are trained to be "
                         "dropped, and those of a network of your own can be")
    if choice.origin.ours and args.prune:
        raise ValueError("--prune goes with a network of your own; digits is trained in partitions")


def _ranges(points: Points, levels: Sequence[Level]) -> dict[str, tuple[float, float]]:
    """Spread of dropping partitions alone, at the first level, and with all levels."""
    return {"dropping": spread(p for p in points if p.level == levels[0]), "all": spread(points),
            "all_chip": spread(points, "chip_nj")}


def _json(grown: Grown, measured: Sequence[Measured], points: Points, best: Points,
          config: Config, args: argparse.Namespace, argv: list[str]) -> str:
    return json.dumps({
        "schema": "partita.scale", "version": 1, "network": args.network, "seed": args.seed,
        "config": config.to_dict(), "energy_column": args.energy_column,
        "external": args.external, "clock_mhz": args.clock_mhz, "images": args.images,
        "command": "python -m sw.scale " + shlex.join(argv),
        "accuracy_images": len(grown.images), "accuracy_source": grown.source,
        "right": "the dense network's first guess in floating point" if grown.guessed else "labels",
        "notes": list(grown.notes),
        "measured": [asdict(m) for m in measured],
        "points": [{**asdict(p), "front": p in best} for p in points],
        "ranges": {name: {"energy": energy, "time": time}
                   for name, (energy, time) in _ranges(points, args.levels).items()},
        "published_range": dict(zip(("energy", "time"), PUBLISHED_RANGE, strict=True))})


def _print(grown: Grown, measured: Sequence[Measured], points: Points, best: Points,
           config: Config, args: argparse.Namespace) -> None:
    unit = energy_unit(p.energy_nj * 1e3 for p in points)
    table = Table(title=f"{args.network} on {config.shape}, {config.port.memory} port of "
                  f"{config.port.bytes} bytes: us and {unit.name} per image",
                  title_justify="left", box=None, header_style="dim")
    for name in ("active", "int8 %", "RTL %", "cycles", *map(str, args.levels)):
        table.add_column(name, justify="right", no_wrap=True)
    for m in measured:
        cells = [f"{p.time_us:,.0f}  {unit.text(p.energy_nj * 1e3)}{'*' if p in best else ' '}"
                 for p in points if p.active == m.active]
        table.add_row(str(m.active), f"{100 * m.accuracy:.1f}", f"{100 * m.rtl_accuracy:.0f}",
                      f"{m.cycles:,.0f}", *cells)
    out = console(wide=True)
    out.print(table)
    what = "first guesses that are the dense network's in floating point" if grown.guessed else \
        "right first guesses"
    out.print("\n* no other point is better in accuracy, time and energy at once.  int8: "
              f"{printable(f'{what}, on {grown.source}')}; RTL: on {args.images} of them.")
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


def _plot(points: Points, best: Points, levels: Sequence[Level]) -> str:
    return scatter(
        [(levels.index(p.level), p.time_us, p.energy_nj, p in best,
          f"{p.active} active at {p.level}: {p.accuracy:.1%}, {p.time_us:,.0f} us, "
          f"{p.energy_nj:,.0f} nJ") for p in points],
        [str(x) for x in levels], "us per image", "nJ per image")
