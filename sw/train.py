"""Train a network, partition it, fine-tune it under the mask, and measure float and int8.

Examples:
    python -m sw.train --network digits --partitions 4
    python -m sw.train --data tiny-imagenet-200                    full TinyVGG16, P = 8, on a GPU
    python -m sw.train --data tiny-imagenet-200 --ablation         the table of sw/training, full
    python -m sw.train --data tiny-imagenet-200 --width 0.125 --classes 20 --per-class 300 \\
        --epochs 20 --tune-epochs 3 --ablation                     the same in an hour on 2 cores

Tiny ImageNet comes in its published folder layout. Everything follows from the seed. The run's
folder keeps finished weights (safetensors), results.json, and the state of what is under way:
interrupt it at any second and the same command goes on, to the same weights.

Exit codes: 0 done, 2 usage or bad data, 5 input or output failed, 130 interrupted.
"""

import argparse
import itertools
import json
import platform
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from importlib import metadata
from pathlib import Path

import torch
from rich.table import Table

from hw.support.arguments import (
    PARTITIONS,
    SEED,
    Parser,
    UsageError,
    file_path,
    given,
    integer,
    real,
    word,
)
from hw.support.console import console
from hw.support.entries import own_cache
from hw.support.errors import exit_code
from hw.support.files import save_file
from hw.support.folders import FolderKind
from sw.networks.architectures import PIXEL_DEVIATION, PIXEL_MEAN, TINYVGG16_SHAPE, tinyvgg16
from sw.networks.shapes import bare_graph, captured
from sw.networks.statistics import graph_statistics
from sw.prune.layers import select_layers
from sw.prune.partition import PARTITIONERS
from sw.terminal.console import deliver
from sw.terminal.progress import TrainingProgress
from sw.training.augment import random_crops
from sw.training.dataset import load_tiny_imagenet, root_of
from sw.training.digits import digits_task
from sw.training.fit import Recipe
from sw.training.task import Monitor, Row, Task
from sw.training.trainer import Trainer, pruned_names

__all__ = ["main"]

RESULTS_NAME = "partita.train"
RESULTS_VERSION = 1
ABLATION_PARTITIONS = (2, 4, 8)
EPOCHS = integer(1, 100_000)
#: Options that TinyVGG16 alone has, and those that an ablation has not -> their defaults.
_TINYVGG16 = {"data": None, "width": 1.0, "classes": None, "per_class": None}
_ONE_PARTITION = {"partitions": 8, "prune": "fc", "partitioner": "optimised"}
RUN = FolderKind("run.json", "partita.run", "run of this program")


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m sw.train", description=__doc__)
    what = parser.add_argument_group("network and data")
    what.add_argument("--network", choices=("tinyvgg16", "digits"), default="tinyvgg16")
    what.add_argument("--data", type=file_path, metavar="DIR",
                      help="the Tiny ImageNet folder (tinyvgg16 needs it)")
    what.add_argument("--width", type=real(0.05, 2), metavar="W",
                      help="of TinyVGG16's hidden layers, 1 for the full ones (default 1)")
    what.add_argument("--classes", type=integer(2, 200), metavar="N",
                      help="only the first N classes")
    what.add_argument("--per-class", type=integer(1, 500), metavar="N",
                      help="only N training images of each")
    prune = parser.add_argument_group("partitioning")
    prune.add_argument("--partitions", type=PARTITIONS, metavar="P", help="(default 8)")
    prune.add_argument("--prune", type=word, metavar="fc|all|NAMES",
                       help="the linear layers but the classifier (default), all layers but the "
                       "first and the classifier, or layers by name, neighbours, commas between")
    prune.add_argument("--partitioner", choices=PARTITIONERS,
                       help="(default optimised)")
    prune.add_argument("--ablation", action="store_true",
                       help="P in 2, 4, 8 with every partitioner, fc and all")
    prune.add_argument("--seeds", type=integer(1, 1000), default=1, metavar="N",
                       help="repeat the largest P with N seeds of fine-tuning (default 1)")
    how = parser.add_argument_group("training")
    how.add_argument("--epochs", type=EPOCHS, metavar="N",
                     help="dense (default 60; digits 25)")
    how.add_argument("--tune-epochs", type=EPOCHS, metavar="N",
                     help="of fine-tuning under the mask (default 20; digits 15)")
    how.add_argument("--qat-epochs", type=integer(0, 100_000), metavar="N", default=2,
                     help="in int8, where quantisation loses over 0.5 points; 0 for never "
                     "(default 2)")
    how.add_argument("--batch", type=integer(2, 65_536), metavar="N",
                     help="(default 256; 64 on a CPU)")
    how.add_argument("--rate", type=real(0, 10, above=True), metavar="R",
                     help="peak learning rate (default 1e-3; digits 3e-3); fine-tuning takes a "
                     "half")
    how.add_argument("--gradual", type=real(0, 1), default=0.3, metavar="SHARE",
                     help="pruned weights fade over this share of fine-tuning; 0 for one shot "
                     "(default 0.3)")
    how.add_argument("--distil", type=real(0, 1), default=0.5, metavar="SHARE",
                     help="of the fine-tuning loss, from the dense network as teacher; 0 for none "
                     "(default 0.5)")
    how.add_argument("--seed", type=SEED, default=1)
    how.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    out = parser.add_argument_group("output")
    out.add_argument("--out", type=file_path, default=Path("runs"), metavar="DIR",
                     help="folder of the run (default runs)")
    out.add_argument("--restart", action="store_true",
                     help="drop the earlier run that the folder holds")
    out.add_argument("--json", action="store_true", help="results on stdout as JSON alone")
    out.add_argument("--quiet", action="store_true", help="no progress")
    return parser


def _settle(args: argparse.Namespace, defaults: dict, applies: bool, rule: str) -> None:
    """Give options their defaults; refuse those that are given and would change nothing."""
    for name, default in defaults.items():
        if getattr(args, name) is None:
            setattr(args, name, default)
        elif not applies:
            raise UsageError(f"--{name.replace('_', '-')} {rule}")


def _check(args: argparse.Namespace) -> None:
    """Refuse what cannot work before anything is read or trained."""
    if args.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device is cuda; this torch sees no GPU: use --device cpu")
    if args.network == "tinyvgg16" and args.data is None:
        raise ValueError("tinyvgg16 trains on Tiny ImageNet: give its folder with --data "
                         "(or train --network digits, which needs none)")
    _settle(args, _TINYVGG16, args.network == "tinyvgg16", "goes with --network tinyvgg16")
    _settle(args, _ONE_PARTITION, not args.ablation,
            "does not go with --ablation, which takes several in turn")
    if args.network == "tinyvgg16":
        with given("--data", args.data):
            root_of(args.data)
    _check_layers(args)


def _task(args: argparse.Namespace, monitor: Monitor) -> Task:
    if args.network == "digits":
        return digits_task(args.seed)
    data = load_tiny_imagenet(args.data, classes=args.classes, per_class=args.per_class,
                              cache=own_cache() / "images", say=monitor.say)
    augment, plain = random_crops(TINYVGG16_SHAPE[1], PIXEL_MEAN, PIXEL_DEVIATION)
    name = "tinyvgg16" if args.width == 1 else f"tinyvgg16-w{args.width:g}"
    return Task(name, lambda: tinyvgg16(width=args.width, classes=len(data.classes),
                                        batch_norm=True),
                TINYVGG16_SHAPE, data, augment, plain)


def _check_layers(args: argparse.Namespace) -> None:
    """Refuse layers that are not there or not divisible before anything is trained."""
    graph = captured("digits") if args.network == "digits" else bare_graph(
        partial(tinyvgg16, width=args.width, classes=args.classes or 200), TINYVGG16_SHAPE,
        args.network)
    for partitions, prune, _, _ in _variants(args):
        with given("--prune", prune):
            names = pruned_names(graph, prune)
            for name in names:
                graph.layer(name)
        with given("--partitions", partitions):
            select_layers(graph, names, partitions)


def _variants(args: argparse.Namespace) -> list[tuple[int, str, str, int]]:
    """(partitions, prune, partitioner, seed) of every network to fine-tune."""
    if not args.ablation:
        return [(args.partitions, args.prune, args.partitioner, args.seed + s)
                for s in range(args.seeds)]
    return [(p, prune, partitioner, args.seed + s)
            for p, prune, partitioner in itertools.product(
                ABLATION_PARTITIONS, ("fc", "all"), PARTITIONERS)
            for s in range(args.seeds if p == max(ABLATION_PARTITIONS) else 1)]


def _recipes(args: argparse.Namespace, device: torch.device) -> tuple[Recipe, Recipe, Recipe]:
    digits = args.network == "digits"

    def default(value, for_digits, otherwise):
        return value if value is not None else for_digits if digits else otherwise

    batch = default(args.batch, 64, 256 if device.type == "cuda" else 64)
    rate = default(args.rate, 3e-3, 1e-3)
    dense = Recipe(default(args.epochs, 25, 60), batch, rate, args.seed,
                   smoothing=0.05 if digits else 0.1)
    tune = replace(dense, epochs=default(args.tune_epochs, 15, 20), rate=rate / 2,
                   gradual=args.gradual, distil=args.distil)
    qat = replace(dense, epochs=args.qat_epochs, rate=rate / 20)
    with given("--rate", rate):  # options have the other fields' rules
        for recipe in (dense, tune, qat):
            recipe.validate()
    return dense, tune, qat


def _print(rows: list[Row], title: str) -> None:
    table = Table(title=title, box=None, title_justify="left")
    for left in ("P", "pruned", "partitioner", "seed"):
        table.add_column(left)
    for right in ("|w| kept", "weights", "top-1 %", "top-5 %", "to dense", "int8 top-1 %",
                  "to float"):
        table.add_column(right, justify="right", no_wrap=True)
    for row in rows:
        kept = row.kept_weight.values()
        table.add_row(
            str(row.partitions), row.prune, row.partitioner, str(row.seed),
            f"{min(kept):.0%}-{max(kept):.0%}" if kept else "", f"{row.parameters:,}",
            f"{100 * row.top1:.2f}", f"{100 * row.top5:.2f}",
            f"{100 * (row.top1 - rows[0].top1):+.2f}",
            f"{100 * row.int8_top1:.2f}" + (" *" if row.qat else "  "),
            f"{100 * (row.int8_top1 - row.top1):+.2f}")
    out = console(wide=True)
    out.print(table)
    if any(r.qat for r in rows):
        out.print("* fine-tuned with quantisation; the others are quantised after training")


def _results(args: argparse.Namespace, argv: list[str], task: Task, recipes, rows: list[Row],
             device: torch.device) -> str:
    dense, tune, qat = recipes
    return json.dumps({
        "schema": RESULTS_NAME, "version": RESULTS_VERSION, "network": task.name,
        "data": task.data.source, "held_out": len(task.data.held_labels), "seed": args.seed,
        "recipes": {"dense": asdict(dense), "tune": asdict(tune), "qat": asdict(qat)},
        "rows": [asdict(r) for r in rows],
        "command": "python -m sw.train " + shlex.join(argv),
        "versions": {"python": platform.python_version(), "torch": torch.__version__,
                     "numpy": metadata.version("numpy"), "device": device.type},
    }, indent=1) + "\n"


def _name(variant: tuple[int, str, str, int]) -> str:
    partitions, prune, partitioner, seed = variant
    return f"p{partitions}-{prune.replace(',', '+')}-{partitioner}-{seed}"


def _claim(args: argparse.Namespace) -> None:
    """Make sure of the run's folder, and drop an earlier run if that is asked for."""
    names = ["dense", *map(_name, _variants(args))]
    files = ["results.json", "statistics.json", *(f"{n}.plan.json" for n in names[1:])]
    for name in names:
        files += [f"{name}.safetensors", f"{name}.state", f"{name}-int8.safetensors",
                  f"{name}-int8.state"]
    RUN.check(args.out)
    if args.restart:
        RUN.clear(args.out)
    RUN.claim(args.out, files)


def _train(args: argparse.Namespace, trainer: Trainer, recipes: tuple[Recipe, Recipe, Recipe],
           rows: list[Row], results: Callable[[], str]) -> None:
    """Train all networks and add what is measured of each to `rows`."""
    dense_recipe, tune, qat = recipes
    monitor, variants = trainer.monitor, _variants(args)
    began = time.monotonic()
    net = trainer.dense(dense_recipe)
    graph = trainer.graph(net)
    save_file(args.out / "statistics.json", json.dumps(graph_statistics(
        graph, trainer.calibration(), trainer.task.data.source)) + "\n")
    row, integer = trainer.row("dense", net, None, prune="", seed=args.seed,
                               qat=qat if qat.epochs else None, began=began)
    rows.append(row)
    trainer.save("dense", integer)
    for k, variant in enumerate(variants, 1):
        partitions, prune, partitioner, seed = variant
        began, name = time.monotonic(), _name(variant)
        monitor.say(f"{k} of {len(variants)}: {name}")
        plan = trainer.plan(net, partitions, prune, partitioner, seed)
        plan.save(args.out / f"{name}.plan.json")
        pruned = trainer.pruned(name, net, plan, replace(tune, seed=seed))
        row, integer = trainer.row(name, pruned, plan, prune=prune, seed=seed,
                                   qat=replace(qat, seed=seed) if qat.epochs else None,
                                   began=began)
        rows.append(row)
        trainer.save(name, integer)
        monitor.say(f"{name}: top-1 {row.top1:.2%}, int8 {row.int8_top1:.2%}; dense "
                    f"{rows[0].top1:.2%}")
        save_file(args.out / "results.json", results())


def run(argv: list[str]) -> int:
    """Train as asked and return the exit code; errors are raised."""
    args = parser().parse_args(argv)
    _check(args)
    device = torch.device("cuda" if args.device != "cpu" and torch.cuda.is_available() else "cpu")
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
    recipes = _recipes(args, device)
    RUN.check(args.out)
    with RUN.held(args.out):
        return _work(args, argv, recipes, device)


def _work(args: argparse.Namespace, argv: list[str], recipes: tuple[Recipe, Recipe, Recipe],
          device: torch.device) -> int:
    """Train into the run's folder, which is held, and deliver the results."""
    rows: list[Row] = []
    with TrainingProgress(quiet=args.quiet) as progress:
        monitor = Monitor(progress.say, progress.update)
        task = _task(args, monitor)

        def results() -> str:
            return _results(args, argv, task, recipes, rows, device)

        _claim(args)
        try:
            _train(args, Trainer(task, args.out, device, monitor), recipes, rows, results)
        except OSError:
            if rows:
                print(results(), end="")  # what took hours is not lost
            raise

    def show() -> None:
        _print(rows, f"{task.name}: {task.data.source}")
        print(f"\nweights, plans, statistics and results.json are in {args.out}")

    text = results()
    deliver(text, show, {args.out / "results.json": lambda: text}, as_json=args.json)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m sw.train")


if __name__ == "__main__":
    sys.exit(main())
