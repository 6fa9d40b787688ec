"""What each of the compiler's optimisations brings: cycles in RTL without each of them.

A network is compiled and run as it is, then again with each optimisation switched off by itself;
every layer of every run is compared with the golden model. The three workloads are the pruned
network on N instances behind one port, the network pruned throughout with a port for each, and the
unpruned convolutions on N instances.

Examples:
    python -m sw.ablation                          TinyVGG16, eight instances: ten minutes
    python -m sw.ablation --network digits --only multicast,prefetch

Exit codes: 0 ok, 1 a run differs from the golden model or failed, 2 usage, 3 a tool is missing,
4 the network does not fit the accelerator, 5 input or output failed, 130 interrupted.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields

from rich.table import Table

from hw.config import Config
from hw.options import add_config_arguments, config_from_arguments
from hw.support.arguments import PARTITIONS, SEED, Items, Parser, file_path, given, integer, nearest
from hw.support.console import console
from hw.support.errors import exit_code
from hw.support.files import check_outputs
from hw.support.processors import processors
from sim.settings import LIMITS
from sw.experiment.arms import Arm, golden_outputs, layer_kind, run_arm
from sw.experiment.workload import NETWORKS, load_workload
from sw.lowering.switches import Switches, switched
from sw.networks.shapes import shape_graph
from sw.terminal.console import deliver
from sw.terminal.progress import SimulationProgress

__all__ = ["SWITCHES", "Work", "measure"]

#: Optimisations by name, in the order in which a run meets them.
SWITCHES = tuple(f.name for f in fields(Switches))


@dataclass(frozen=True)
class Work:
    """A workload: `name`, what runs, and the `layers` of it (None for all)."""

    name: str
    arm: Arm
    layers: tuple[str, ...] | None = None


def workloads(network: str, config: Config, partitions: int, seed: int,
              say: Callable[[str], None]) -> list[Work]:
    """The three of the module's text."""
    found = []
    for prune, memory in (("fc", "shared"), ("all", "private")):
        work = load_workload(network, partitions=partitions, seed=seed, images=1, prune=prune,
                             checkpoint=None, partitioner=None, data=None, say=say)
        own = config.replace(port__memory=memory)
        kinds = {"fc": "fully connected layers pruned, one port",
                 "all": "all layers pruned, a port each"}
        found.append(Work(kinds[prune], Arm(f"{prune}-{memory}", work.pruned, own, work.images,
                                            golden_outputs(work.pruned, work.images))))
    convolutions = tuple(x.name for x in work.dense.layers if layer_kind(x) == "conv")
    found.append(Work("convolutions, dense, one port",
                      Arm("dense", work.dense, config.replace(port__memory="shared"), work.images,
                          golden_outputs(work.dense, work.images)), convolutions))
    return found


def measure(work: Work, off: str | None, memory: dict,
            say: Callable[[str], None] = lambda text: None) -> tuple[int, bool]:
    """Cycles of a workload with an optimisation left out (None: with all), and whether every
    layer was as in the golden model."""
    with switched(**({off: False} if off else {})):
        report, _ = run_arm(work.arm, work.layers, count_toggles=False, memory=memory,
                            threads=processors(), say=say)
    return report.cycles, report.bit_exact


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m sw.ablation", description=__doc__)
    parser.add_argument("--network", choices=NETWORKS, default="tinyvgg16")
    parser.add_argument("--partitions", type=PARTITIONS, default=8, metavar="P")
    parser.add_argument("--only", type=Items(str, "multicast,prefetch"), metavar="A,B",
                        help=f"of {', '.join(SWITCHES)}")
    parser.add_argument("--latency", type=integer(*LIMITS["latency_cycles"]), default=40,
                        metavar="CYCLES", help="memory latency (default 40)")
    parser.add_argument("--seed", type=SEED, default=1, help="of weights and images")
    parser.add_argument("--json", action="store_true", help="JSON alone on stdout")
    parser.add_argument("--save", type=file_path, metavar="FILE",
                        help="also write the JSON to a file")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    add_config_arguments(parser)
    return parser


def run(argv: list[str]) -> int:
    """Run the command and return its exit code; errors are raised."""
    args = parser().parse_args(argv)
    config = config_from_arguments(args)
    chosen = args.only or list(SWITCHES)
    for name in chosen:
        if name not in SWITCHES:
            raise ValueError(f"--only names {name!r}; there are {', '.join(SWITCHES)}"
                             + nearest(name, SWITCHES))
    check_outputs(save=args.save)
    with given("--partitions", args.partitions):
        for prune in ("fc", "all"):
            shape_graph(args.network, prune, args.partitions)
    memory = {"latency_cycles": args.latency}
    rows: dict[str, dict[str, int]] = {}
    exact = True
    with SimulationProgress(quiet=args.quiet) as progress:
        works = workloads(args.network, config, args.partitions, args.seed, progress.say)
        for off in (None, *chosen):
            for work in works:
                progress.say(f"{work.name}, without {off}" if off else work.name)
                cycles, right = measure(work, off, memory, progress.say)
                rows.setdefault(off or "", {})[work.name] = cycles
                exact &= right
    data = {"network": args.network, "config": config.to_dict(), "bit_exact": exact,
            "cycles": rows}
    text = json.dumps(data, indent=1) + "\n"
    deliver(text, lambda: console(wide=True).print(_table(rows)), {args.save: lambda: text},
            as_json=args.json)
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


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m sw.ablation")


if __name__ == "__main__":
    sys.exit(main())
