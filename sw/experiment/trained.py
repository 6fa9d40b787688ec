"""What came of a training, for programs and for people."""

import argparse
import hashlib
import json
import platform
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import torch
from rich.table import Table

from hw.support.console import console
from sw.training.recipe import Recipe
from sw.training.shares import percent
from sw.training.task import Row, Task, equal_dense

__all__ = ["named", "print_rows", "results_of"]

RESULTS_NAME = "partita.train"
RESULTS_VERSION = 1


def named(checkpoint: Path | None) -> dict[str, str] | None:
    """What results say of the weights that a training begins with: it is read here."""
    return None if checkpoint is None else {
        "file": checkpoint.name, "sha256": hashlib.sha256(checkpoint.read_bytes()).hexdigest()}


def results_of(args: argparse.Namespace, argv: list[str], task: Task,
               recipes: tuple[Recipe, Recipe, Recipe], rows: Sequence[Row],
               device: torch.device, checkpoint: dict[str, str] | None) -> str:
    """As JSON; `checkpoint` as of `named`."""
    dense, tune, qat = recipes
    return json.dumps({
        "schema": RESULTS_NAME, "version": RESULTS_VERSION, "network": task.name,
        "data": task.data.source, "augment": list(task.augmented),
        "held_out": len(task.data.held_labels), "seed": args.seed,
        "checkpoint": checkpoint,
        "recipes": {"dense": asdict(dense), "tune": asdict(tune), "qat": asdict(qat)},
        "rows": [asdict(r) for r in rows],
        "command": "python -m sw.train " + shlex.join(argv),
        "versions": {"python": platform.python_version(), "torch": torch.__version__,
                     "numpy": metadata.version("numpy"), "device": device.type},
    }, indent=1) + "\n"


def print_rows(rows: Sequence[Row], title: str, held_out: int) -> None:
    """As a table."""
    dense = equal_dense(rows)
    table = Table(title=title, box=None, title_justify="left")
    for left in ("P", "pruned", "partitioner", "seed"):
        table.add_column(left)
    for right in ("|w| kept", "weights", "top-1 %", "top-5 %", "to dense", "int8 top-1 %",
                  "to float"):
        table.add_column(right, justify="right", no_wrap=True)
    for row in rows:
        kept = row.kept_weight.values()
        table.add_row(
            str(row.partitions) if row.prune else row.name, row.prune, row.partitioner,
            str(row.seed),
            f"{min(kept):.0%}-{max(kept):.0%}" if kept else "", f"{row.parameters:,}",
            percent(row.top1, held_out), percent(row.top5, held_out),
            "" if row is dense else f"{100 * (row.top1 - dense.top1):+.2f}",
            percent(row.int8_top1, held_out) + (" *" if row.qat else "  "),
            f"{100 * (row.int8_top1 - row.top1):+.2f}")
    out = console(wide=True)
    out.print(table)
    out.print("+-: standard error by the number of held-out images; to dense: trained as long")
    if any(r.qat for r in rows):
        out.print("* fine-tuned with quantisation; the others are quantised after training")
