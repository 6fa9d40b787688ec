"""Compare cycles and energy: dense on one instance against partition-pruned on N, in RTL.

Four arms run side by side, each layer of each in RTL on Verilator, each output checked bit for
bit against the golden model:

    dense-1   the unpruned network on one instance: the baseline
    dense-N   the unpruned network on N instances: what parallelism alone gives
    pruned-1  the pruned network on one instance: what pruning alone gives
    pruned-N  the pruned network on N instances: Partition Pruning

Examples:
    python -m sw.compare                               full TinyVGG16, 1 against 8 instances
    python -m sw.compare --layers fc1,fc2 --memory private
    python -m sw.compare --network digits              a trained network on real scans
    python -m sw.compare --json --save result.json     for other programs

Exit codes: 0 all layers bit-exact, 1 a layer differs or the run failed, 2 usage,
3 a tool is missing, 4 the network does not fit the accelerator, 5 input or output failed,
130 interrupted.
"""

import argparse
import platform
import shlex
import sys
from concurrent.futures import as_completed
from dataclasses import replace
from importlib import metadata

import numpy as np

from hw.config import Config
from hw.options import add_config_arguments, config_from_arguments
from hw.support.arguments import (
    IMAGES,
    JOBS,
    PARTITIONS,
    SEED,
    Items,
    Parser,
    file_path,
    given,
    integer,
    nearest,
    real,
)
from hw.support.console import console
from hw.support.errors import exit_code
from hw.support.files import check_outputs
from hw.support.interrupts import thread_pool
from hw.support.processors import processors
from sim.settings import LIMITS, MOST_STALL
from sw.energy.model import EnergyModel, add_energy_arguments, energy_from_arguments
from sw.experiment.arms import Arm, expected_cycles, golden_outputs, layer_kind, run_arm, segments
from sw.experiment.workload import NETWORKS, Workload, check_images, load_workload
from sw.graph.integer import IntegerGraph
from sw.networks.shapes import shape_graph
from sw.prune.partition import PARTITIONERS
from sw.reference.golden import run_golden
from sw.report.console import print_report
from sw.report.page import render
from sw.report.values import Report
from sw.terminal.console import deliver
from sw.terminal.progress import SimulationProgress
from sw.training.dataset import root_of

__all__ = ["compare", "main"]

ARMS = ("dense-1", "dense-N", "pruned-1", "pruned-N")
#: One array with the MACs of all N, beside those.
BIG = "dense-big"


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m sw.compare", description=__doc__)
    what = parser.add_argument_group("what runs")
    what.add_argument("--network", choices=NETWORKS, default="tinyvgg16")
    what.add_argument("--partitions", type=PARTITIONS, default=8, metavar="P",
                      help="diagonal blocks of the pruned layers (default 8)")
    what.add_argument("--prune", choices=("fc", "all"), default="fc",
                      help="prune the linear layers but the classifier, or all layers but the "
                      "first and the classifier (default fc)")
    what.add_argument("--partitioner", choices=PARTITIONERS, default=None,
                      help="how partitions are chosen (default: optimised for trained weights, "
                      "identity for seeded ones)")
    what.add_argument("--layers", type=Items(str, "fc1,fc2"), metavar="A,B",
                      help="only these layers, by name; each run of "
                      "neighbours starts from the golden output of the layer before")
    what.add_argument("--arms", type=Items(str, ",".join(ARMS)), metavar="A,B",
                      default=list(ARMS),
                      help=f"which arms (default {','.join(ARMS)}); {BIG} is one array with the "
                      "MACs of all instances")
    what.add_argument("--images", type=IMAGES, metavar="N",
                      help="images to run (default 1; digits 64)")
    what.add_argument("--batch", type=integer(1, 1024), default=1, metavar="B",
                      help="images of a run (default 1): the fully connected layers at the end "
                      "take all together, and read their weights once")
    what.add_argument("--data", type=file_path, metavar="DIR",
                      help="Tiny ImageNet folder, for tinyvgg16-slim to classify held-out images")
    what.add_argument("--checkpoint", type=file_path, metavar="FILE",
                      help="trained weights of TinyVGG16, safetensors")
    what.add_argument("--epsilon", type=_epsilons, metavar="E",
                      help="with --zero-skip: inputs of fully connected layers whose "
                      "magnitude is at most this many integer steps count as zero (default 0); for "
                      "single layers as fc1=2,fc2=3")
    what.add_argument("--seed", type=SEED, default=1, help="of weights, images and stalls")
    add_config_arguments(parser)
    how = parser.add_argument_group("external memory and simulation")
    how.add_argument("--latency", type=integer(*LIMITS["latency_cycles"]), default=40,
                     metavar="CYCLES", help="memory latency (default 40)")
    how.add_argument("--stall", type=real(0, MOST_STALL), default=0.0, metavar="P",
                     help="probability, 0 to 0.9, that a memory channel stalls in a cycle")
    how.add_argument("--no-toggles", action="store_true",
                     help="count no activity, so no energy: faster")
    how.add_argument("--search", action="store_true",
                     help="try other splits of each layer on the cycle model before compiling")
    how.add_argument("--jobs", type=JOBS, default=2, metavar="N",
                     help="arms at a time (default 2)")
    how.add_argument("--threads", type=JOBS, metavar="N",
                     help="that share the instances of an arm (default: the processors, divided "
                          "among the arms that run at a time)")
    energy = parser.add_argument_group("energy")
    add_energy_arguments(energy)
    out = parser.add_argument_group("output")
    out.add_argument("--json", action="store_true", help="JSON alone on stdout")
    out.add_argument("--save", type=file_path, metavar="FILE", help="also write the JSON to a file")
    out.add_argument("--report", type=file_path, metavar="FILE", help="also write one page of HTML")
    out.add_argument("--quiet", action="store_true", help="no progress")
    return parser


def _check(args: argparse.Namespace) -> None:
    """Refuse what cannot work before anything is built."""
    if args.checkpoint and not args.checkpoint.is_file():
        raise ValueError(f"--checkpoint {args.checkpoint} is not a file")
    if args.data and args.network != "tinyvgg16-slim":
        raise ValueError("--data goes with --network tinyvgg16-slim")
    if args.checkpoint and args.network != "tinyvgg16":
        raise ValueError("--checkpoint goes with --network tinyvgg16")
    if args.epsilon and not args.array__zero_skip:
        raise ValueError("--epsilon goes with --zero-skip")
    if args.data:
        with given("--data", args.data):
            root_of(args.data)
    check_outputs(save=args.save, report=args.report)
    with given("--partitions", args.partitions):
        shapes = shape_graph(args.network, args.prune, args.partitions)
    with given("--images", args.images):
        check_images(args.network, args.images)
    with given("--layers", ",".join(args.layers or ())):
        segments(shapes, args.layers)
    if args.epsilon:
        _with_epsilon(shapes, args.epsilon)


def _epsilons(text: str) -> list[tuple[str, int]]:
    """The items of --epsilon: the layer's name, or "" for all, and its number."""
    found = []
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        try:
            found.append((name, integer(0, 127)(number)))
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(f"has an item that {error}") from None
    return found


def _with_epsilon(graph: IntegerGraph, items: list[tuple[str, int]]) -> IntegerGraph:
    """A network whose fully connected layers take small inputs for zero."""
    names = [x.name for x in graph.layers if layer_kind(x) == "fc"]
    values = dict.fromkeys(names, 0)
    for name, number in items:
        if name and name not in names:
            raise ValueError(f"--epsilon names {name!r}; fully connected layers are "
                             + ", ".join(names) + nearest(name, names))
        values |= dict.fromkeys([name] if name else names, number)
    return replace(graph, layers=tuple(replace(x, epsilon=values.get(x.name, 0))
                                       for x in graph.layers))


def _arm_names(given: list[str], config: Config) -> list[str]:
    """Names as in `ARMS`; N may also be written as the number of instances."""
    names = []
    for name in given:
        form, _, count = name.partition("-")
        general = f"{form}-N" if count not in ("1", "N") and count == str(config.instances) \
            else name
        if general not in (*ARMS, BIG):
            raise ValueError(f"--arms names {name!r}; there are {', '.join((*ARMS, BIG))}"
                             + nearest(name, (*ARMS, BIG)))
        names.append(general)
    return names


def _arms(names: list[str], config: Config, work: Workload, batch: int) -> list[Arm]:
    golden: dict[str, tuple[tuple[np.ndarray, ...], ...]] = {}
    arms: list[Arm] = []
    for name in names:
        form, count = name.split("-")
        graph = work.dense if form == "dense" else work.pruned
        instances = config.instances if count == "N" else 1
        if form not in golden:
            golden[form] = golden_outputs(graph, work.images)
        own = _big(config) if name == BIG else config.replace(instances=instances)
        arm = Arm(name if name == BIG else f"{form}-{instances}", graph, own, work.images,
                  golden[form], batch)
        if arm.name not in [a.name for a in arms]:
            arms.append(arm)
    return arms


def _big(config: Config) -> Config:
    """One instance whose array has the MACs of all, its sides doubled in turn."""
    rows, cols, left = config.array.rows, config.array.cols, config.instances
    while left % 2 == 0:
        rows, cols = (rows, 2 * cols) if cols <= rows else (2 * rows, cols)
        left //= 2
    if left > 1 or max(rows, cols) > 32:
        raise ValueError(f"{BIG}: {config.instances} arrays of {config.array.rows}x"
                         f"{config.array.cols} do not make one of at most 32x32 by doubling")
    return config.replace(instances=1, array__rows=rows, array__cols=cols, array__post_lanes=0)


def compare(work: Workload, config: Config, *, arms: list[str], layers: list[str] | None,
            memory: dict, count_toggles: bool, jobs: int, threads: int | None, partitions: int,
            seed: int, command: str, progress: SimulationProgress,
            model: EnergyModel | None = None, search: bool = False, batch: int = 1) -> Report:
    """Run the arms, at most `jobs` at a time, and gather what they measured.

    Raises
    ------
    ValueError
        If a layer name is unknown.
    """
    for graph in (work.dense, work.pruned):
        segments(graph, layers)
    progress.say("golden model: computing every layer's expected output")
    todo = _arms(arms, config, work, batch)
    # The longest first, so that the last to finish did not start late.
    order = sorted(todo, key=lambda a: -_weight(a, layers))
    threads = threads or max(1, processors() // min(jobs, len(todo)))

    def run(arm: Arm):
        progress.start(arm.name, sum(expected_cycles(g, arm.config, len(arm.images), arm.batch)
                                     for _, g in segments(arm.graph, layers)))
        result = run_arm(arm, layers, count_toggles=count_toggles, memory=memory, threads=threads,
                         model=model, search=search, say=progress.say,
                         on_progress=lambda n, layer: progress.update(arm.name, n, layer))
        progress.finish(arm.name)
        return result

    with thread_pool(jobs) as submit:
        futures = {submit(run, a): a.name for a in order}
        results = {futures[f]: f.result() for f in as_completed(futures)}
    accuracy = _accuracy(work, results, layers)
    return Report(
        network=work.name, weights=work.weights, partitions=partitions, config=config.to_dict(),
        memory_model=memory, arms=tuple(results[a.name][0] for a in todo), command=command,
        seed=seed, versions=_versions(), accuracy=accuracy,
        energy_model=model or EnergyModel(), images=len(work.images), batch=batch,
        pictures=work.pictures)


def _weight(arm: Arm, layers: list[str] | None) -> int:
    cycles = sum(expected_cycles(g, arm.config, len(arm.images), arm.batch)
                 for _, g in segments(arm.graph, layers))
    return cycles * (1 + arm.config.instances)


def _accuracy(work: Workload, results: dict, layers: list[str] | None) -> dict | None:
    """The network's accuracies, and those of what the RTL computed."""
    if work.labels is None:
        return work.accuracy
    accuracy = dict(work.accuracy or {})
    if not layers:
        for form, graph in (("int8", work.dense), ("pruned int8", work.pruned)):
            finals = [run_golden(graph, x)[-1] for x in work.images]
            accuracy[f"{form} on the {len(finals)} images in RTL"] = _share(finals, work.labels)
    for name, (_, finals) in results.items():
        graph = work.dense if name.startswith("dense") else work.pruned
        if layers and graph.layers[-1].name not in layers:
            continue
        accuracy[f"RTL {name}"] = _share(finals[-len(work.labels):], work.labels)
    return accuracy


def _share(outputs: list[np.ndarray], labels: np.ndarray) -> float:
    """Share of outputs whose largest value is at the label."""
    return float(np.mean([int(np.argmax(x)) == y for x, y in zip(outputs, labels, strict=True)]))


def _versions() -> dict[str, str]:
    names = ("partita", "amaranth", "verilator", "torch", "numpy")
    versions = {"python": platform.python_version()}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def run(argv: list[str]) -> int:
    """Run the command and return its exit code; errors are raised."""
    args = parser().parse_args(argv)
    config = config_from_arguments(args)
    arms = _arm_names(args.arms, config)
    if BIG in arms:
        _big(config)
    _check(args)
    model = energy_from_arguments(args)
    memory = {"latency_cycles": args.latency, "stall_probability": args.stall, "seed": args.seed}
    with SimulationProgress(quiet=args.quiet) as progress:
        work = load_workload(args.network, partitions=args.partitions, seed=args.seed,
                             images=args.images, checkpoint=args.checkpoint,
                             partitioner=args.partitioner, prune=args.prune, data=args.data,
                             say=progress.say)
        if args.epsilon:
            work = replace(work, dense=_with_epsilon(work.dense, args.epsilon),
                           pruned=_with_epsilon(work.pruned, args.epsilon))
        report = compare(work, config, arms=arms, layers=args.layers, memory=memory,
                         count_toggles=not args.no_toggles, jobs=args.jobs, threads=args.threads,
                         search=args.search, partitions=args.partitions, seed=args.seed,
                         batch=args.batch,
                         command="python -m sw.compare " + shlex.join(argv), progress=progress,
                         model=model)
    text = report.to_json() + "\n"
    deliver(text, lambda: print_report(report, console(wide=True)), {
        args.save: lambda: text, args.report: lambda: render(report)}, as_json=args.json)
    return 0 if report.bit_exact else 1


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m sw.compare")


if __name__ == "__main__":
    sys.exit(main())
