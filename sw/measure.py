"""Measures again, in RTL, what the READMEs' tables show, and writes it to `sw/data`.

What is measured by name, of TinyVGG16: `headline`, the arms of the demonstration, with activity;
`zeros`, the fully connected layers with zeros skipped; `scaling`, other prunings, ports and numbers
of instances; `ablation`, cycles with one of the compiler's optimisations left out. And of digits:
`levels`, fewer partitions at levels of supply; `spread`, energy over images and sets of weights;
with the slim TinyVGG16 `small`, layers that do not fill one large array; and `clocks`, as many
arrays as an FPGA holds, whose area and clock stand in `hw/fpga/clocks.json`. `python -m sw.tables`
then writes the tables.

Examples:
    python -m sw.measure                   everything: a quarter of an hour on two cores
    python -m sw.measure scaling ablation

Exit codes: 0 ok, 1 a layer differs from the golden model, 2 usage, 3 a tool is missing, 5 input or
output failed, 130 interrupted.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from hw.config import PRESETS
from hw.support.arguments import Parser, nearest
from hw.support.errors import exit_code
from hw.support.files import check_file
from sw.experiment.bigarray import big_array
from sw.experiment.names import BIG, DEMO_ARMS
from sw.terminal.console import deliver

from .data import DATA

__all__ = ["MEASUREMENTS", "SCALING", "main"]

#: What is measured -> the file in `DATA` that it is in.
MEASUREMENTS = {name: f"{stem}-tinyvgg16.json" for name, stem in (
    ("headline", "measured"), ("zeros", "zeros"), ("scaling", "scaling"),
    ("ablation", "ablation"))} | {"levels": "levels-digits.json", "spread": "spread-digits.json",
                                  "small": "small-networks.json",
                                  "clocks": "clocks-digits.json"}
_COMMANDS = {
    "headline": ["sw.compare", "--arms", ",".join(DEMO_ARMS), "--json"],
    "zeros": ["sw.compare", "--zero-skip", "--layers", "fc1,fc2,fc3", "--json"],
    "ablation": ["sw.ablation", "--json"],
    "levels": ["sw.scale", "--no-background", "--json"],
}
#: Of `scaling`: what is pruned (nothing, if it is empty), partitions and instances, and the memory
#: port.
SCALING = (("", 8, "private"), ("", 16, "shared"), ("", 32, "shared"), ("fc", 8, "private"),
           ("all", 8, "shared"), ("all", 8, "private"), ("fc", 16, "shared"),
           ("fc", 32, "shared"), ("all", 16, "shared"), ("all", 32, "shared"))
#: Of `spread`: seeds of the weights, and images of each.
SEEDS, IMAGES = (0, 1, 2), 8
#: Of `small`: networks with layers of few channels.
SMALL = ("digits", "tinyvgg16-slim")
#: Of `clocks`: the preset, and instances and partitions with the arm.
PLACED = "ecp5-85k"
CLOCKS = ((1, "dense-1"), (2, "pruned-2"), (4, "pruned-4"), (8, "pruned-8"), (8, "pruned-big"))


class MeasurementError(RuntimeError):
    """A command failed; what it said is on stderr."""

    def __init__(self, command: list[str], code: int):
        super().__init__(f"python -m {' '.join(command)} ended with exit code {code}")
        self.exit_code = code if code > 0 else 128 - code  # as the shell's, by a signal


def scaling_command(prune: str, count: int, memory: str) -> list[str]:
    """The command of a row of `SCALING`, after `python -m`."""
    pruned = ["--partitions", str(count), "--prune", prune, "--arms", f"pruned-{count}"]
    return ["sw.compare", "--no-toggles", "--json", "--instances", str(count), "--memory", memory,
            *(pruned if prune else ["--arms", f"dense-{count}"])]


def _run(command: list[str]) -> dict:
    """What a command prints as JSON; its progress goes to stderr."""
    print(f"-- python -m {' '.join(command)}", file=sys.stderr)
    done = subprocess.run([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise MeasurementError(command, done.returncode)
    return json.loads(done.stdout)


def _scaling() -> list[dict]:
    rows = []
    for prune, count, memory in SCALING:
        command = scaling_command(prune, count, memory)
        arm = _run(command)["arms"][0]
        rows.append({
            "prune": prune, "partitions": count, "memory": memory, "cycles": arm["cycles"],
            "command": "python -m " + " ".join(command),
            "layers": [{k: x[k] for k in ("name", "kind", "pruned", "cycles")}
                       for x in arm["layers"]]})
    return rows


def _kept(command: list[str], fields: tuple[str, ...], **said: object) -> dict:
    """What is stored of a comparison: activity and `fields` of each layer of each arm."""
    report = _run(command)
    return said | {
        "command": "python -m " + " ".join(command), "arms": [
            {"name": a["name"], "cycles": a["cycles"], "layers": [
                {k: x[k] for k in ("name", "kind", "pruned", "activity", *fields)}
                for x in a["layers"]]} for a in report["arms"]]}


def _spread() -> list[dict]:
    return [_kept(["sw.compare", "--network", "digits", "--images", str(IMAGES), "--seed",
                   str(seed), "--arms", "dense-1,dense-N,pruned-N", "--json"],
                  ("image_pj",), seed=seed) for seed in SEEDS]


def _small() -> list[dict]:
    return [_kept(["sw.compare", "--network", network, "--images", "1", "--arms",
                   "dense-N,dense-big,pruned-N,pruned-big", "--json"], ("cycles",),
                  network=network) for network in SMALL]


def _clocks() -> list[dict]:
    rows = []
    for count, arm in CLOCKS:
        config = PRESETS[PLACED].replace(instances=count)
        hardware = big_array(config) if arm in BIG else config
        rows.append(_kept(
            ["sw.compare", "--network", "digits", "--preset", PLACED, "--instances", str(count),
             "--partitions", str(count), "--images", "1", "--arms", arm, "--json"], ("cycles",),
            instances=hardware.instances,
            array=str(hardware.array)))
    return rows


_OWN: dict[str, Callable[[], list[dict]]] = {
    "scaling": _scaling, "spread": _spread, "small": _small, "clocks": _clocks}


def _measure(name: str, path: Path) -> None:
    found = _OWN[name]() if name in _OWN else _run(_COMMANDS[name])
    text = json.dumps(found, indent=1) + "\n"
    deliver(text, lambda: None, {path: lambda: text}, as_json=False)


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m sw.measure", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help=f"of {', '.join(MEASUREMENTS)} (default all)")
    return parser


def run(argv: list[str]) -> int:
    """Run the command and return its exit code; errors are raised."""
    names = parser().parse_args(argv).names
    for name in names:
        if name not in MEASUREMENTS:
            raise ValueError(f"nothing is measured by the name {name!r}; there are "
                             + ", ".join(MEASUREMENTS) + nearest(name, MEASUREMENTS))
    for name in names or MEASUREMENTS:
        check_file(DATA / MEASUREMENTS[name])
    for name in names or MEASUREMENTS:
        _measure(name, DATA / MEASUREMENTS[name])
    return 0


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m sw.measure")


if __name__ == "__main__":
    sys.exit(main())
