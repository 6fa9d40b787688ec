"""Runs with one of the compiler's optimisations left out."""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass

from rich.table import Table

from hw.config import Config
from hw.options import config_from_arguments
from hw.support.arguments import given, nearest
from hw.support.console import console
from hw.support.files import check_outputs
from hw.support.processors import processors
from sw.lowering.switches import switched
from sw.networks.shapes import captured, check_cut, require_cut
from sw.prune.plan import PartitionPlan
from sw.terminal.console import deliver
from sw.terminal.progress import StepProgress
from sw.terminal.reads import files_read

from .arms import Arm, golden_outputs, layer_kind, run_arm
from .choice import Choice, choice_from_arguments
from .names import SWITCHES
from .planned import plan_as_asked
from .workload import MOST_PARTITIONS, load_workload

__all__ = ["ablate_as_asked", "workloads"]

_SCHEMA = "partita.ablation"


@dataclass(frozen=True)
class Work:
    """A workload: `name`, what runs, and the `layers` of it (None for all)."""

    name: str
    arm: Arm
    layers: tuple[str, ...] | None = None


def workloads(choice: Choice, config: Config, partitions: int | None, seed: int,
              say: Callable[[str], None], plan: PartitionPlan | None = None) -> list[Work]:
    """Those that `sw.ablation`'s text tells; where nothing can be pruned, the dense network in
    their place; with a `plan` what it prunes in both."""
    found: list[Work] = []
    for prune, memory in (("fc", "shared"), ("all", "private")):
        asked = partitions and check_cut(captured(choice.origin), prune, partitions)
        work = load_workload(choice, partitions=partitions if asked else None, seed=seed, images=1,
                             prune=prune, plan=plan, say=say)
        graph = work.pruned or work.dense
        what = "dense" if work.pruned is None else "pruned by the plan" if plan else {
            "fc": "fully connected layers pruned", "all": "all layers pruned"}[prune]
        ports = "one port" if memory == "shared" else "a port each"
        found.append(Work(
            f"{what}, {ports}",
            Arm(f"{prune}-{memory}", graph, config.replace(port__memory=memory), work.images,
                golden_outputs(graph, work.images))))
    convolutions = tuple(x.name for x in work.dense.layers if layer_kind(x) == "conv")
    if not work.dense.is_chain or not convolutions:
        return found
    found.append(Work("convolutions, dense, one port",
                      Arm("dense", work.dense, config.replace(port__memory="shared"), work.images,
                          golden_outputs(work.dense, work.images)), convolutions))
    return found


def measure_without(work: Work, off: str | None, memory: dict,
            say: Callable[[str], None] = lambda text: None) -> tuple[int, bool]:
    """Cycles of a workload with an optimisation left out (None: with all), and whether every
    layer was as in the golden model."""
    with switched(**({off: False} if off else {})):
        report, _ = run_arm(work.arm, work.layers, count_toggles=False, memory=memory,
                            threads=processors(), say=say)
    return report.cycles, report.bit_exact


def ablate_as_asked(args: argparse.Namespace) -> int:
    """Do what `sw.ablation`'s arguments ask for, and return the exit code; errors are raised."""
    config = config_from_arguments(args)
    chosen = args.only or list(SWITCHES)
    for name in chosen:
        if name not in SWITCHES:
            raise ValueError(f"--only names {name!r}; there are {', '.join(SWITCHES)}"
                             + nearest(name, SWITCHES))
    check_outputs(files_read(args), save=(args.save, _SCHEMA))
    choice = choice_from_arguments(args)
    plan = plan_as_asked(args, choice)
    partitions = args.partitions or (MOST_PARTITIONS if choice.origin.ours else None)
    with given("--partitions", partitions):
        graph, parts = captured(choice.origin), partitions or 1
        cuts = [check_cut(graph, prune, parts) for prune in ("fc", "all")]
        if not any(cuts):
            require_cut(graph, "all", parts)
    memory = {"latency_cycles": args.latency}
    rows: dict[str, dict[str, int]] = {}
    exact = True
    with StepProgress(quiet=args.quiet) as progress:
        works = workloads(choice, config, partitions, args.seed, progress.say, plan)
        for off in (None, *chosen):
            for work in works:
                progress.say(f"{work.name}, without {off}" if off else work.name)
                cycles, right = measure_without(work, off, memory, progress.say)
                rows.setdefault(off or "", {})[work.name] = cycles
                exact &= right
    data = {"schema": _SCHEMA, "version": 1, "network": args.network,
            "config": config.to_dict(), "bit_exact": exact, "cycles": rows}
    text = json.dumps(data, indent=1) + "\n"
    deliver(text, lambda: console(wide=True).print(_table(rows)), {args.save: lambda: text},
            as_json=args.json, quiet=args.quiet)
    return 0 if exact else 1


def _table(rows: dict[str, dict[str, int]]) -> Table:
    table = Table(title="cycles with one optimisation left out", title_justify="left",
                  title_style="bold", box=None, pad_edge=False, header_style="dim")
    table.add_column("without", no_wrap=True)
    for name in rows[""]:
        table.add_column(name, justify="right")
    for off, cycles in rows.items():
        table.add_row(off.replace("_", " ") or "(nothing left out)", *(
            f"{n:,}" + (f" ({n / rows[''][name] - 1:+.1%})" if off else "")
            for name, n in cycles.items()))
    return table
