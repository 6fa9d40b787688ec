"""Nobody waits in silence, and the time left is that of the run."""

import time

import pytest

from sw import calibrate, explore, scale, trace
from sw.terminal import progress as module
from sw.terminal.progress import SimulationProgress, StepProgress
from tests.sim.gates.test_gates import LIBERTY


def test_time_left_is_told_by_what_has_run_since_the_run_began(monkeypatch, capsys):
    """Not since the arm did, whose simulation was built first."""
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    progress = SimulationProgress(interval_s=15)
    progress.start("dense-1", 1_000_000)
    now = 60.0
    progress.update("dense-1", 0, "conv1")
    assert capsys.readouterr().err == ""  # nothing is known so far
    now = 80.0
    progress.update("dense-1", 100_000, "conv1")
    assert capsys.readouterr().err == "dense-1: 10%, conv1, 5 kHz, about 180 s left\n"
    now = 81.0
    progress.finish("dense-1")
    assert capsys.readouterr().err == "dense-1: done in 81.0 s\n"


def heard(capsys: pytest.CaptureFixture[str], words: str) -> str:
    """What is said until these words are, within some seconds."""
    said, until = "", time.monotonic() + 20
    while words not in said and time.monotonic() < until:
        time.sleep(0.01)
        said += capsys.readouterr().err
    return said


def test_what_goes_on_is_told_again(capsys):
    with StepProgress(interval_s=0.02) as progress:
        progress.say("compiling [it]")
        assert heard(capsys, "so far\n").startswith("compiling [it]\ncompiling [it]: 0 s so far\n")
        progress.update("half of it")
        assert "half of it: 0 s so far\n" in heard(capsys, "half of it")


def test_an_arm_that_tells_of_itself_is_not_told_twice(capsys):
    with SimulationProgress(interval_s=0.02) as progress:
        progress.say("compiling")
        progress.start("dense-1", 100)
        progress.update("dense-1", 0, "conv1")
        capsys.readouterr()
        time.sleep(0.1)
        progress.finish("dense-1")
        time.sleep(0.1)
    assert "so far" not in capsys.readouterr().err


def test_nothing_is_said_where_quiet_is_asked_for(capsys):
    with StepProgress(quiet=True, interval_s=0.01) as progress:
        progress.say("compiling")
        time.sleep(0.05)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("main", "place", "arguments"), [
    (trace.main, "tracing.load_workload", ["--network", "digits", "--timeline", "t.json"]),
    (scale.main, "dropping.grow_digits", ["--preset", "tiny"]),
    (calibrate.main, "calibration.map_core", ["--liberty", "toy.lib"]),
    (explore.main, "exploration.each", ["--network", "digits"])])
def test_no_command_is_silent_for_long(monkeypatch, tmp_path, capsys, main, place, arguments):
    def slow(*values, say=None, **options):
        tell = say or values[-1]
        if callable(tell):  # else the command has said something before
            tell("at work")
        assert "so far" in heard(capsys, "so far")
        raise ValueError("enough")

    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.lib").write_text(LIBERTY)
    monkeypatch.setattr(module, "INTERVAL_S", 0.02)
    monkeypatch.setattr(f"sw.experiment.{place}", slow)
    assert main(arguments) == 2
    assert capsys.readouterr().err.endswith("error: enough\n")
