"""All commands: help that comes at once, and options that mean the same everywhere."""

import argparse
import importlib
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from hw.support.commands import commands

ROOT = Path(__file__).parent.parent
#: What takes longer to import than help may take.
SLOW = ("torch", "sklearn", "scipy", "numpy", "PIL", "amaranth", "rich", "serial", "distributed")
#: Option -> why commands differ in what it takes; what its text says may differ as well.
DIFFERENT = {
    "--partitions": "explore takes several", "--instances": "explore takes several",
    "--board": "build's bitstream, and check's machine",
    "--data": "train's Tiny ImageNet",
    "--network": "not every one can be trained, or has partitions to drop",
    "--prune": "train takes layers by name as well",
    "--batch": "compare's images of a run, train's of a step",
    "--device": "explore's FPGA, and what train runs on",
    "--cycles": "trace writes them all, and calibrate has to evaluate gates on them",
    "--epochs": "none, for train, if there is a checkpoint to start from",
    "--virtual": "a check has less to do on a simulated board",
    "--report": "compare's page, and the form of a check of a board",
    "--out": "a folder, but trace's file of signals and the page of reports",
}


def parsers():
    """Every command's parser, and those of `boards`' commands, with how each is called."""
    for name, point in commands().items():
        parser = importlib.import_module(point.module).parser()
        yield [name], parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                yield from (([name, second], inner) for second, inner in action.choices.items())


@pytest.mark.parametrize("line", [[], *(line for line, _ in parsers())], ids=" ".join)
def test_help_imports_nothing_slow(line):
    """As a program does: what other tests have imported is not there."""
    code = ("import json, sys; from sw.cli import main\n"
            "try: main(sys.argv[1:])\n"
            "except SystemExit as stop: assert not stop.code\n"
            f"print(json.dumps([x for x in {SLOW} if x in sys.modules]))")
    done = subprocess.run([sys.executable, "-c", code, *line, "--help"], cwd=ROOT, check=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
                          text=True)
    *said, imported = done.stdout.splitlines()
    assert len(said) > 3 and json.loads(imported) == []


def options() -> dict[str, list[tuple[str, argparse.Action]]]:
    """Option -> the commands that have it."""
    found = defaultdict(list)
    for line, parser in parsers():
        for action in parser._actions:
            for option in action.option_strings:
                found[option].append((" ".join(line), action))
    return found


def test_an_option_takes_and_says_the_same_in_every_command():
    for option, everywhere in options().items():
        kinds = {(str(a.type), a.metavar, str(a.choices), type(a)) for _, a in everywhere}
        texts = {(a.help or "").partition(" (")[0] for _, a in everywhere}
        same = len(kinds) == len(texts) == 1
        assert same != (option in DIFFERENT), (option, [name for name, _ in everywhere], kinds,
                                               texts)


def test_every_option_has_a_text_that_tells_its_default():
    for option, everywhere in options().items():
        for name, action in everywhere:
            assert action.help, (name, option)
            if action.default not in (None, False, argparse.SUPPRESS):
                assert "default" in action.help, (name, option)
