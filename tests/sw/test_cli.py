"""The `partita` command finds its programs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hw.support.commands import GROUP, commands, program, summary
from sw import cli, demo

ROOT = Path(cli.__file__).parent.parent


def test_help_lists_the_commands_in_their_own_words(capsys):
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    told = " ".join(text.split())
    for name, point in commands().items():
        assert f" {name} {summary(point)} ({program(point)})" in told


@pytest.mark.parametrize(("arguments", "told"), [
    ("check --network digits", "unrecognized arguments: --network; give NETWORK without --network"),
    ("check --network=digits", "required: NETWORK; give NETWORK without --network"),
    ("agree --network x.onnx", "arguments: --network; give MODEL.onnx without --network"),
    ("compare digits", "arguments: digits; the network has an option: --network digits"),
    ("compare --network digits digits", "unrecognized arguments: digits"),
    ("compare --nonsense", "unrecognized arguments: --nonsense"),
    ("boards run icebreaker x.onnx --virtual",
     "arguments: x.onnx; the network has an option: --network x.onnx")])
def test_a_network_that_is_named_in_the_other_way_is_told_the_right_one(arguments, told, capsys):
    assert cli.main(arguments.split()) == 2
    assert capsys.readouterr().err.endswith(f"{told}\n")


def test_the_demonstration_says_what_it_shows_in_that_order(monkeypatch):
    shown: list[list[str]] = []

    def run(argv: list[str]) -> int:
        shown.append(argv)
        return 0

    monkeypatch.setattr(demo.compare, "run", run)
    assert demo.main([]) == 0
    assert shown[0] == ["--network", "digits"] and "--network" not in shown[1]
    text = summary(commands()["demo"])
    assert 0 < text.index("real scans") < text.index("TinyVGG16")


def test_a_package_beside_this_one_adds_a_command(tmp_path):
    """By an entry point of its own, whether it is installed or found on the path."""
    (tmp_path / "theirs.py").write_text('"""Count sheep."""\ndef main(argv): return len(argv)\n')
    about = tmp_path / "theirs-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    (about / "entry_points.txt").write_text(f"[{GROUP}]\nsheep = theirs:main\n")
    found = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}

    def ask(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-m", "sw.cli", *arguments], cwd=tmp_path,
                              env=found, capture_output=True, text=True)

    assert ask("sheep", "a", "b", "c").returncode == 3
    assert "Count sheep. (python -m theirs)" in ask("--help").stdout


def test_no_command_and_an_unknown_one_are_usage_errors(capsys):
    assert cli.main([]) == 2
    assert cli.main(["fly"]) == 2
    assert "no command 'fly'; there are " in capsys.readouterr().err


def test_commands_are_the_modules(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["build", "--help"])
    assert stop.value.code == 0
    assert "python -m hw.build" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--version", "--help"])
@pytest.mark.parametrize("unbuffered", [[], ["-u"]])
@pytest.mark.parametrize("output", [">/dev/full", ">&-"])
def test_what_cannot_be_printed_ends_with_5(option, unbuffered, output):
    for module in ("sw.cli", *(["hw.build"] if option == "--help" else [])):
        command = f"{' '.join([sys.executable, *unbuffered])} -m {module} {option} {output}"
        done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 5 and "Traceback" not in done.stderr, (command, done.stderr)


def test_json_is_alone_where_standard_error_is_closed(tmp_path):
    command = f"{sys.executable} -m hw.build --preset tiny --json --out {tmp_path / 'x'} 2>&-"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and json.loads(done.stdout)["macs_per_cycle"] > 0
