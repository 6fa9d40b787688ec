"""No command answers a bad invocation with a traceback, or by beginning to work.

Every option of every command gets values of the wrong kind, beyond its bounds, empty, overlong and
strange; files and folders are missing, or one where the other is wanted. A share is drawn from a
seed: PARTITA_SEED=N repeats a run.
"""

import argparse
import importlib
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hw.options import add_config_arguments
from hw.support.arguments import Items, Number, file_path, word
from hw.support.commands import commands
from sw import cli

SEED = int(os.environ.get("PARTITA_SEED", "28"))
#: Invocations of a command that `make test` tries; `make test-slow` tries all.
SHARE = 60
LONG = "9" * 5000
STRANGE = ("", "x", "nan", "inf", "-inf", "1e999", "1.5.5", "--", "[red]1[/blue]", "\x1b[31m1", "½",
           "\udcff", "\0", "1,", "x" * 5000)
#: Command -> arguments that would begin its work, were it not for what is wrong with others.
WORKS = {
    "build": ["--preset", "tiny", "--out=@new"], "check": ["digits"],
    "compare": ["--network", "digits"],
    "train": ["--network", "digits", "--out=@new"], "explore": ["--network", "digits"],
    "scale": ["--preset", "tiny"], "trace": ["--network", "digits", "--out=@new.vcd"],
    "agree": ["@file"], "report": ["@file"],
    "ablation": ["--network", "digits"], "calibrate": ["--liberty=@file"], "measure": [],
    "tables": [], "demo": [], "boards build": ["icebreaker", "--out=@new"],
    "boards export": ["icebreaker", "--network", "digits", "--out=@new"],
    "boards run": ["icebreaker", "--virtual"], "boards flash": ["icebreaker", "--out=@new"],
    "boards check": ["icebreaker", "--virtual", "--report=@new.txt"],
    "boards table": ["icebreaker"], "boards margins": ["ulx3s-25f"], "boards list": [],
    "boards doctor": [],
}
#: What a command begins its work with.
BEGINS = (
    "hw.rtl.folder.generate", "hw.rtl.command.estimate",
    "sw.experiment.checking.command.facts_of", "sw.experiment.comparison.load_workload",
    "sw.experiment.comparison.run_arm", "sw.experiment.ablation.workloads",
    "sw.experiment.tracing.load_workload", "sw.experiment.agreement.read_onnx",
    "sw.experiment.dropping.grow_digits",
    "sw.experiment.training.Trainer", "sw.experiment.exploration.each",
    "sw.experiment.calibration.map_core", "sw.experiment.gates.generate", "sw.measure._run",
    "boards.flow.commands.build", "boards.host.command.run_network",
    "boards.host.checking.check_board", "boards.host.checking.VirtualBoard",
    "boards.virtual.sweep.memory_library", "boards.deploy.command.task_as_asked",
    "subprocess.run", "subprocess.Popen",
)


class Began(BaseException):
    """A bad invocation began to work."""


@pytest.fixture
def idle(monkeypatch):
    """Let whatever a command begins its work with fail the test."""
    def begin(what: str):
        def refuse(*args, **options):
            raise Began(what)
        return refuse

    for what in BEGINS:
        importlib.import_module(what.rpartition(".")[0])
        monkeypatch.setattr(what, begin(what))
    monkeypatch.setattr("signal.signal", lambda number, handler: None)


def parser_of(command: str) -> argparse.ArgumentParser:
    """The parser of a command or, as "boards run", of a command's command."""
    first, _, second = command.partition(" ")
    parser = importlib.import_module(commands()[first].module).parser()
    if not second:
        return parser
    return next(a for a in parser._actions
                if isinstance(a, argparse._SubParsersAction)).choices[second]


def bad_numbers(kind: Number) -> Iterator[str]:
    yield from (*STRANGE, LONG, "-" + LONG, "4294967297", "-1") if kind.low >= 0 else (
        *STRANGE, LONG, "-1", "4294967297")
    if kind.kind is int:
        yield from ("1.5", "0x10")
    if abs(kind.low) < 1e30:
        step = 1 if kind.kind is int else 1e-6
        yield from (str(kind.low - step), str(kind.high + step))


def bad_values(action: argparse.Action) -> Iterator[str]:
    """Values that an option must refuse."""
    if action.nargs == 0:
        yield from ("1", "", "true")
    elif action.choices is not None:
        yield from (*STRANGE, "nonsense")
    elif isinstance(action.type, Number):
        yield from bad_numbers(action.type)
    elif isinstance(action.type, Items):
        yield from (x for x in STRANGE if x != "--")
        if isinstance(action.type.item, Number):
            yield from (f"1,{x}" for x in bad_numbers(action.type.item))
    elif action.type is file_path:
        yield from ("", "\0")
    elif action.type is word:
        yield from ("", " ", *(() if "scheduler" in action.dest or "port" in action.dest
                               else STRANGE))
    else:
        yield from (x for x in STRANGE if x != "--")


def invocations(command: str) -> Iterator[tuple[str, ...]]:
    """Command lines with one thing wrong, and some, drawn, with two."""
    works, wrong = WORKS[command], []
    for action in parser_of(command)._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        for value in bad_values(action):
            if action.option_strings:
                wrong.append([f"{action.option_strings[-1]}={value}"])
            elif value and not value.startswith("-"):
                wrong.append([value])
    wrong += [["--nonsense"], ["--nonsense=1"], ["-q"], ["surplus", "surplus"]]
    for bad in wrong:
        yield (*works, *bad)
    draw = random.Random(f"{SEED} {command}")
    for _ in range(20):
        two = [*draw.choice(wrong), *draw.choice(wrong)]
        yield tuple(draw.sample([*works, *two], len(works) + len(two)))


def code_of(command: str, arguments: tuple[str, ...]) -> int:
    try:
        return cli.main([*command.split(), *arguments])
    except SystemExit as stop:  # --help alone may
        return int(stop.code or 0)


def placed(argument: str, folder) -> str:
    """An argument in which @new is a path that is not there, and @file one of a file."""
    return argument.replace("@", f"{folder}/")


@pytest.fixture
def folder(tmp_path, monkeypatch, idle):
    (tmp_path / "file").write_text("not what it should be")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(command: str, arguments: tuple[str, ...], allowed: tuple[int, ...], capsys) -> None:
    """Run a command line: it ends with such a code, one message and nothing begun."""
    line = f"PARTITA_SEED={SEED} partita {command} {' '.join(map(ascii, arguments))[:300]}"
    try:
        code = code_of(command, arguments)
    except (Began, Exception) as error:
        raise AssertionError(f"{line}: {type(error).__name__}: {error}") from error
    said = capsys.readouterr()
    assert code in allowed, f"{line}: exit code {code}: {said.err[-300:]}"
    assert said.err.strip() and "Traceback" not in said.err, line
    assert not said.out, f"{line}: printed {said.out[:200]!r}"
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", said.err), f"{line}: {said.err!r}"


@pytest.mark.parametrize("command", WORKS)
def test_a_bad_value_is_refused_before_any_work(command, folder, capsys):
    print(f"PARTITA_SEED={SEED}")
    capsys.readouterr()
    every = list(invocations(command))
    for arguments in random.Random(SEED).sample(every, min(len(every), SHARE)):
        check(command, tuple(placed(x, folder) for x in arguments), (2,), capsys)
    assert sorted(p.name for p in folder.iterdir()) == ["file", "folder"]  # nothing was written


@pytest.mark.slow
@pytest.mark.parametrize("command", WORKS)
def test_every_bad_value_is_refused_before_any_work(command, folder, capsys):
    for arguments in invocations(command):
        check(command, tuple(placed(x, folder) for x in arguments), (2,), capsys)


#: Options that name a file or a folder to write, and those that name one to read.
OUTPUTS = {"build": {"--out": "folder"}, "compare": {"--save": "file", "--report": "file"},
           "explore": {"--plot": "file"}, "scale": {"--plot": "file"},
           "trace": {"--out": "file", "--timeline": "file"}, "ablation": {"--save": "file"},
           "agree": {"--save": "file"}, "check": {"--save": "file"}, "report": {"--out": "file"},
           "train": {"--out": "folder"}}
INPUTS = {"compare": {"--weights": "file", "--data": "folder"}, "train": {"--data": "folder"},
          "calibrate": {"--liberty": "file"}, "boards flash": {"--out": "folder"}}


def bad_places(kind: str, folder) -> Iterator[str]:
    """Paths at which no file, or no folder, can be read or written."""
    yield from (f"{folder}/file/below.vcd", "/proc/nothing/here.vcd", f"{folder}/{'x' * 300}.vcd",
                "/" + "x/" * 5000 + "y.vcd", f"{folder}/circle/x.vcd",
                f"{folder}/folder" if kind == "file" else f"{folder}/file")


@pytest.mark.parametrize("command", sorted(OUTPUTS | INPUTS))
def test_a_bad_place_is_refused_before_any_work(command, folder, capsys):
    (folder / "circle").symlink_to("circle")
    (folder / "folder" / "theirs").write_text("not ours")
    before = sorted(str(p) for p in folder.rglob("*"))
    for option, kind in (OUTPUTS.get(command, {}) | INPUTS.get(command, {})).items():
        more = {"--weights": ("--network=tinyvgg16",), "--data": ("--network=tinyvgg16-slim",)}
        if command == "train":
            more = {"--data": ("--network=tinyvgg16",)}
        for path in (*bad_places(kind, folder), *([] if option in OUTPUTS.get(command, {})
                                                  else [f"{folder}/missing"])):
            works = [placed(x, folder) for x in WORKS[command]]
            check(command, (*works, *more.get(option, ()), f"{option}={path}"), (2, 5), capsys)
    assert sorted(str(p) for p in folder.rglob("*")) == before


def test_there_are_hundreds_of_them():
    counts = [len(list(invocations(command))) for command in WORKS]
    assert sum(counts) >= 1000 and sum(min(SHARE, n) for n in counts) >= 300


def test_every_command_of_every_command_is_tried():
    tried = {command.partition(" ")[0] for command in WORKS}
    assert tried == set(commands())
    boards = next(a for a in parser_of("boards")._actions
                  if isinstance(a, argparse._SubParsersAction))
    assert {f"boards {name}" for name in boards.choices} <= set(WORKS)


def test_every_number_has_bounds_or_is_a_field_of_the_configuration():
    fields = argparse.ArgumentParser()
    add_config_arguments(fields)
    known = {a.dest for a in fields._actions}
    for command in WORKS:
        for action in parser_of(command)._actions:
            assert action.choices or action.type not in (int, float, str), action
            kind = action.type.item if isinstance(action.type, Items) else action.type
            if isinstance(kind, Number) and abs(kind.low) > 1e30:
                assert action.dest in known or action.dest in ("buffers", "fifos"), action.dest


@pytest.mark.parametrize(("arguments", "message"), [
    ("compare --latency 4294967297",
     "--latency is 4294967297; it must be a whole number from 1 to 1,000,000"),
    ("compare --clock-mhz inf", "--clock-mhz is inf; it must be a number from 0.001 to 10000"),
    ("boards run ulx3s-85f --virtual --virtual-baud 0", "--virtual-baud is 0; it must be a whole"),
    ("boards run ulx3s-85f --virtual --virtual-baud 9000000",
     "at 50 MHz it must be at most 8,333,333"),
    ("explore --partitions 0", "--partitions has an item that is 0; it must be a whole number"),
    ("explore --partitions 4,", "--partitions is '4,', not a list like 1,8"),
    ("explore --port-bytes 3", "--port-bytes is 3; it must be an integer from 4 to 64"),
    ("explore --buffers 1000", "--buffers is 1000; it must be a power of two"),
    ("train --network digits --epochs 0", "--epochs is 0: without a --checkpoint the network"),
    ("train --network digits --rate nan", "--rate is nan; it must be a number above 0"),
    ("train --network digits --prune fc1,fc9", "--prune is 'fc1,fc9': layer 'fc9' is not in"),
    ("train --network digits --partitions 7", "--partitions is 7: layer fc1: 64 input channels"),
    ("compare --seed -1", "--seed is -1; it must be a whole number from 0 to 4,294,967,295"),
    ("build --port-bytes 3", "--port-bytes is 3; it must be an integer from 4 to 64"),
    ("build --rows 3 --cols 6 --post-lanes 2",
     "--post-lanes is 2; it must divide both --rows (3) and --cols (6)"),
    ("build --core microcoded", "--instances is 8; with --core 'microcoded' it must be 1"),
    ("build --placements 9", "--placements is 9; it must be a whole number from 1 to"),
    ("compare --network digits --layers conv1_1,fcl", "did you mean 'fc"),
    ("compare --network digits --zero-skip --epsilon fcl=2", "--epsilon names 'fcl'; fully"),
    ("compare --network digits --zero-skip --epsilon 128", "--epsilon has an item that is 128"),
    ("compare --network digits --images 361", "--images is 361: digits has 360 scans"),
    ("compare --network digits --batch 361", "--batch is 361: digits has 360 scans"),
    ("compare --arms dense-1,pruned-n", "did you mean 'pruned-N'?"),
    ("trace --network digits --out t.vcd --layer conv1", "did you mean 'conv1_"),
    ("ablation --network digits --only multicasts", "did you mean 'multicast'?"),
    ("boards build ulx3", "did you mean 'ulx3s"), ("measure scalling", "did you mean 'scaling'?"),
    ("bulid", "did you mean 'build'?"),
])
def test_a_refusal_names_option_value_and_rule(arguments, message, folder, capsys):
    command, *others = arguments.split()
    assert code_of(command, tuple(others)) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [
    ["hw.build", "--rows", "nan"], ["sw.compare", "--latency", "4294967297"],
    ["sw.cli", "boards", "run", "\x1b[31m"]])
def test_as_a_program(arguments):
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.count("\n") == 1 and "error: " in done.stderr and "\x1b" not in done.stderr
