"""A network trained, partitioned and fine-tuned, once or in every way, and what comes of it."""

import argparse
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from hw.support.arguments import UsageError, given
from hw.support.entries import own_cache
from hw.support.files import save_file
from hw.support.folders import FolderKind
from sw.networks.architectures import PIXEL_DEVIATION, PIXEL_MEAN, TINYVGG16_SHAPE, tinyvgg16
from sw.networks.bare import bare_graph
from sw.networks.shapes import captured
from sw.networks.statistics import graph_statistics
from sw.prune.layers import select_layers
from sw.prune.names import PARTITIONERS, PRUNINGS
from sw.prune.partition import partition
from sw.prune.plan import PartitionPlan
from sw.terminal.console import deliver
from sw.terminal.options import DATA, NETWORK, attribute
from sw.terminal.progress import TrainingProgress
from sw.training.augment import random_crops
from sw.training.dataset import load_tiny_imagenet, root_of
from sw.training.digits import digits_task
from sw.training.recipe import Recipe
from sw.training.task import Monitor, Row, Task, equal_dense
from sw.training.trainer import Trainer, pruned_names

from .choice import Choice
from .planned import plan_as_asked
from .trained import named, print_rows, results_of
from .tuning import (
    CALIBRATED,
    HELD_OUT,
    check_files,
    check_masks,
    image_files,
    next_command,
    own_choice,
    own_graph,
    own_task,
)

__all__ = ["RUN", "train_as_asked"]

ABLATION_PARTITIONS = (2, 4, 8)
#: Options that TinyVGG16 alone has, and those that an ablation has not -> their defaults.
_TINYVGG16 = {"data": None, "width": 1.0, "classes": None, "per_class": None}
#: How what is pruned, and the partitioner, are called where a user's own plan says both.
_GIVEN = ("plan", "given")
_ONE_PARTITION = {"partitions": 8, "prune": "fc", "partitioner": "optimised"}
#: Options of a user's network alone.
OWN = (*NETWORK[2:], *DATA[1:], "--augment")
RUN = FolderKind("run.json", "partita.run", "run of this program")


def train_as_asked(args: argparse.Namespace, argv: list[str]) -> int:
    """Do what `sw.train`'s arguments ask for, and return the exit code; errors are raised."""
    choice = own_choice(args)
    plan = plan_as_asked(args, choice)
    if plan:
        args.partitions, args.prune, args.partitioner = plan.partitions, *_GIVEN
    _check(args, choice, plan)
    device = torch.device("cuda" if args.device != "cpu" and torch.cuda.is_available() else "cpu")
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
    recipes = _recipes(args, device)
    RUN.check(args.out)
    with RUN.held(args.out):
        return _work(args, argv, recipes, device, choice, plan)


def _settle(args: argparse.Namespace, defaults: dict, applies: bool, rule: str) -> None:
    """Give options their defaults; refuse those that are given and would change nothing."""
    for name, default in defaults.items():
        if getattr(args, name) is None:
            setattr(args, name, default)
        elif not applies:
            raise UsageError(f"--{name.replace('_', '-')} {rule}")


def _check(args: argparse.Namespace, choice: Choice | None, plan: PartitionPlan | None) -> None:
    """Refuse what cannot work before anything is read or trained."""
    if args.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device is cuda; this torch sees no GPU: use --device cpu")
    if args.network == "tinyvgg16" and args.data is None:
        raise ValueError("tinyvgg16 trains on Tiny ImageNet: give its folder with --data "
                         "(or train --network digits, which needs none)")
    tiny = {k: v for k, v in _TINYVGG16.items() if k != "data" or choice is None}
    if choice is None and args.network != "tinyvgg16" and args.data is not None:
        raise UsageError("--data goes with --network tinyvgg16, or one of your own")
    _settle(args, tiny, args.network == "tinyvgg16", "goes with --network tinyvgg16")
    if choice is None:
        for option in OWN:
            if getattr(args, attribute(option)) is not None:
                raise UsageError(f"{option} goes with a network of your own")
    _settle(args, _ONE_PARTITION, not args.ablation,
            "does not go with --ablation, which takes several in turn")
    if args.network == "tinyvgg16":
        with given("--data", args.data):
            root_of(args.data)
    if args.checkpoint is None and args.epochs == 0 and choice is None:
        raise UsageError("--epochs is 0: without a --checkpoint the network would not be trained")
    if args.checkpoint and not args.checkpoint.is_file():
        raise ValueError(f"--checkpoint {args.checkpoint} is not a file")
    check_files(args)
    if choice and plan:
        check_masks(choice, own_graph(choice), plan)
    else:
        _check_layers(args, choice)


def _check_layers(args: argparse.Namespace, choice: Choice | None) -> None:
    """Refuse layers that are not there or not divisible before anything is trained."""
    graph = own_graph(choice) if choice else \
        captured("digits") if args.network == "digits" else bare_graph(
        partial(tinyvgg16, width=args.width, classes=args.classes or 200), TINYVGG16_SHAPE,
        args.network)
    for partitions, prune, _, _ in _variants(args):
        with given("--prune", prune):
            names = pruned_names(graph, prune)
            for name in names:
                graph.layer(name)
        with given("--partitions", partitions):
            select_layers(graph, names, partitions)
    if choice is not None:
        for prune, partitions in {x[1]: x[0] for x in _variants(args)}.items():
            check_masks(choice, graph, partition(graph, pruned_names(graph, prune), partitions,
                                                 "identity"))


def _variants(args: argparse.Namespace) -> list[tuple[int, str, str, int]]:
    """(partitions, prune, partitioner, seed) of every network to fine-tune."""
    if not args.ablation:
        return [(args.partitions, args.prune, args.partitioner, args.seed + s)
                for s in range(args.seeds)]
    return [(p, prune, partitioner, args.seed + s)
            for p, prune, partitioner in itertools.product(
                ABLATION_PARTITIONS, PRUNINGS, PARTITIONERS)
            for s in range(args.seeds if p == max(ABLATION_PARTITIONS) else 1)]


def _recipes(args: argparse.Namespace, device: torch.device) -> tuple[Recipe, Recipe, Recipe]:
    digits = args.network == "digits"

    def default(value, for_digits, otherwise):
        return value if value is not None else for_digits if digits else otherwise

    batch = default(args.batch, 64, 256 if device.type == "cuda" else 64)
    rate = default(args.rate, 3e-3, 1e-3)
    fresh = args.network in ("tinyvgg16", "digits") and args.checkpoint is None
    epochs = default(args.epochs, 25, 60) if fresh else args.epochs or 0
    dense = Recipe(epochs, batch, rate, args.seed,
                   smoothing=0.05 if digits else 0.1, dropout=args.dropout,
                   precision=args.precision or (
                       "bfloat16" if device.type == "cuda" else "float32"))
    tune = replace(dense, epochs=default(args.tune_epochs, 15, 20), rate=rate / 2,
                   gradual=args.gradual, distil=args.distil)
    qat = replace(dense, epochs=args.qat_epochs, rate=rate / 20)
    with given("--rate", rate):  # options have the other fields' rules
        for recipe in (dense, tune, qat):
            recipe.validate()
    return dense, tune, qat


def _task(args: argparse.Namespace, monitor: Monitor, choice: Choice | None) -> Task:
    if choice:
        monitor.say("reading images")
        return own_task(choice, seed=args.seed, augment=args.augment or (), say=monitor.say)
    if args.network == "digits":
        return digits_task(args.seed)
    data = load_tiny_imagenet(args.data, classes=args.classes, per_class=args.per_class,
                              cache=own_cache() / "images", say=monitor.say)
    augment, plain = random_crops(TINYVGG16_SHAPE[1], PIXEL_MEAN, PIXEL_DEVIATION)
    name = "tinyvgg16" if args.width == 1 else f"tinyvgg16-w{args.width:g}"
    return Task(name, lambda: tinyvgg16(width=args.width, classes=len(data.classes),
                                        batch_norm=True),
                TINYVGG16_SHAPE, data, augment, plain)


def _name(variant: tuple[int, str, str, int]) -> str:
    partitions, prune, partitioner, seed = variant
    return f"p{partitions}-{prune.replace(',', '+')}-{partitioner}-{seed}"


def _claim(args: argparse.Namespace) -> None:
    """Make sure of the run's folder, and drop an earlier run if that is asked for."""
    pruned = [*map(_name, _variants(args))]
    names = ["dense", "dense-longer", *pruned]
    files = ["results.json", "statistics.json", HELD_OUT, CALIBRATED,
             *(f"{n}.plan.json" for n in pruned)]
    for name in names:
        files += [f"{name}.safetensors", f"{name}.state", f"{name}-int8.safetensors",
                  f"{name}-int8.state"]
    RUN.check(args.out)
    if args.restart:
        RUN.clear(args.out)
    RUN.claim(args.out, files)


def _work(args: argparse.Namespace, argv: list[str], recipes: tuple[Recipe, Recipe, Recipe],
          device: torch.device, choice: Choice | None, plan: PartitionPlan | None) -> int:
    """Train into the run's folder, which is held, and deliver the results."""
    rows: list[Row] = []
    with TrainingProgress(quiet=args.quiet) as progress:
        monitor = Monitor(progress.say, progress.update)
        task = _task(args, monitor, choice)
        checkpoint = named(args.checkpoint)

        def results() -> str:
            return results_of(args, argv, task, recipes, rows, device, checkpoint)

        _claim(args)
        try:
            _train(args, Trainer(task, args.out, device, monitor), recipes, rows, results, plan)
        except OSError:
            if rows:
                print(results(), end="")  # what took hours is not lost
            raise

    def show() -> None:
        changed = f"; {', '.join(task.augmented)}" if task.augmented else ""
        print_rows(rows, f"{task.name}: {task.data.source}{changed}", len(task.data.held_labels))
        print(f"\nweights, plans, statistics and results.json are in {args.out}")
        if choice:
            print(f"next: {next_command(args, rows[-1])}")

    text = results()
    deliver(text, show, {args.out / "results.json": lambda: text}, as_json=args.json,
            quiet=True)
    return 0


def _train(args: argparse.Namespace, trainer: Trainer, recipes: tuple[Recipe, Recipe, Recipe],
           rows: list[Row], results: Callable[[], str], given: PartitionPlan | None) -> None:
    """Train all networks, pruned by the plan that is given if there is one, and add what is
    measured of each to `rows`."""
    dense_recipe, tune, qat = recipes
    monitor, variants = trainer.monitor, _variants(args)
    net = trainer.dense(dense_recipe, args.checkpoint)
    graph = trainer.graph(net)
    if trainer.task.given:
        for name, content in image_files(trainer.task.data).items():
            save_file(args.out / name, content)
    else:
        save_file(args.out / "statistics.json", json.dumps(graph_statistics(
            graph, trainer.calibration(), trainer.task.data.source)) + "\n")
    if not graph.is_chain and qat.epochs:
        qat = replace(qat, epochs=0)
        monitor.say("int8 is not fine-tuned: the network branches, and chains alone are")
    _measure("dense", net, trainer, args, qat, rows)
    if tune.epochs:
        _measure("dense-longer", trainer.longer(net, tune), trainer, args, qat, rows)
    for k, variant in enumerate(variants, 1):
        partitions, prune, partitioner, seed = variant
        name = _name(variant)
        monitor.say(f"{k} of {len(variants)}: {name}")
        plan = given or trainer.plan(net, partitions, prune, partitioner, seed)
        pruned = trainer.pruned(name, net, plan, replace(tune, seed=seed))
        plan.save(args.out / f"{name}.plan.json")
        row, integer = trainer.row(name, pruned, plan, prune=prune, seed=seed,
                                   qat=replace(qat, seed=seed) if qat.epochs else None)
        rows.append(row)
        trainer.save(name, integer)
        monitor.say(f"{name}: top-1 {row.top1:.2%}, int8 {row.int8_top1:.2%}; dense "
                    f"{equal_dense(rows).top1:.2%}")
        save_file(args.out / "results.json", results())


def _measure(name: str, net: torch.nn.Module, trainer: Trainer, args: argparse.Namespace,
             qat: Recipe, rows: list[Row]) -> None:
    """Add the row of a network that is not pruned."""
    row, integer = trainer.row(name, net, None, prune="", seed=args.seed,
                               qat=qat if qat.epochs else None)
    rows.append(row)
    trainer.save(name, integer)
