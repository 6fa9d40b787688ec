"""Ctrl-C and SIGTERM end every command in seconds, with its children, and leave nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hw.support.interrupts import end_children
from tests.support.present import present

ROOT = Path(__file__).parents[3]
#: Seconds in which a command has to end; far more than it promises, as the tests' machine may be
#: busy.
LIMIT_S = 20.0


def as_from_a_terminal() -> None:
    """In a new process: have no signal ignored, as nohup and shells' background jobs do."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def start(code: str, folder: Path, **environment: str) -> subprocess.Popen:
    """Start a Python program whose temporary files are in `folder`."""
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, text=True, start_new_session=True,
        preexec_fn=as_from_a_terminal,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), **environment})


def command(body: str) -> str:
    """A program that runs `body` as a command does, after it has said that it is ready."""
    return ("import os, signal, subprocess, sys, tempfile, threading, time\n"
            "from pathlib import Path\n"
            "from hw.support.errors import exit_code\nfrom hw.support.interrupts import *\n"
            "from hw.support.pools import thread_pool\n"
            "def ready(): print('ready', flush=True)\n"
            "def run(argv):\n" + "".join(f"    {line}\n" for line in body.splitlines())
            + "    return 0\nif __name__ == '__main__':\n    sys.exit(exit_code(run, [], 'it'))\n")


def processes_of(session: int) -> list[str]:
    """Processes of a session that still run: commands start no sessions."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue
        state, _, _, number = rest.split()[:4]
        if int(number) == session and state not in "ZX":
            found.append(name)
    return found


def interrupt(process: subprocess.Popen, number: int = signal.SIGINT,
              code: int | None = None) -> str:
    """Send a signal, see to the end, and return what was said on stderr."""
    began = time.monotonic()
    process.send_signal(number)
    try:
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    took = time.monotonic() - began
    assert process.returncode == (128 + number if code is None else code), said
    assert took < LIMIT_S and "Traceback" not in said, (took, said)
    assert processes_of(process.pid) == []
    return said


def wait_for(process: subprocess.Popen, line: str = "ready") -> None:
    assert process.stdout is not None
    for said in process.stdout:
        if said.startswith(line):  # of two threads perhaps both in one
            return
    pytest.fail(f"ended before: {process.communicate()}")


TREE = """with tempfile.TemporaryDirectory() as folder:
    script = "sleep 61 & sleep 62"
    def work():
        subprocess.run(["sh", "-c", script], cwd=folder)
    {run}
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("run", [
    "ready(); work()",
    "ready(); time.sleep(60)",
    "with thread_pool(2) as submit: a = submit(work); b = submit(work); ready(); a.result()",
], ids=["program", "nothing", "threads"])
def test_programs_and_threads_end_and_folders_go(tmp_path, run, number):
    process = start(command(TREE.format(run=run)), tmp_path)
    wait_for(process)
    assert interrupt(process, number).endswith("interrupted\n")  # after what the shell says
    assert not any(tmp_path.iterdir())


def test_a_thread_at_work_in_python_ends(tmp_path):
    process = start(command("""
def work():
    with tempfile.TemporaryDirectory():
        ready()
        while True: sum(range(100))
with thread_pool(1) as submit: submit(work).result()"""), tmp_path)
    wait_for(process)
    interrupt(process)
    assert not any(tmp_path.iterdir())


def test_a_failed_task_ends_the_others(tmp_path):
    process = start(command("""
def work():
    while True: sum(range(100))
def fail(): raise ValueError("wrong")
with thread_pool(2) as submit:
    submit(work)
    submit(fail).result()"""), tmp_path)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (2, "it: error: wrong\n")


def test_what_cannot_be_interrupted_is_ended_by_force(tmp_path):
    """A call of a library that runs on and on: nothing raises in the main thread."""
    process = start(command("""
import ctypes
from hw.support.interrupts import unfinished
with tempfile.TemporaryDirectory():
    Path("half").write_text("h"); unfinished.add(Path("half"))
    child = subprocess.Popen(["sleep", "63"])
    lock, mutex = ctypes.CDLL(None).pthread_mutex_lock, ctypes.create_string_buffer(64)
    lock(mutex)
    ready()
    lock(mutex)"""), tmp_path)
    wait_for(process)
    interrupt(process, signal.SIGTERM)
    assert not any(tmp_path.iterdir())


def test_a_second_signal_does_not_disturb_the_end(tmp_path):
    process = start(command("""
try:
    ready()
    time.sleep(60)
finally:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)
    print("put away", flush=True)"""), tmp_path)
    wait_for(process)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "put away\n")


def test_steps_that_belong_together_are_done_before_the_end(tmp_path):
    process = start(command("""
with uninterrupted():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)
    print("both done", flush=True)
print("not reached")"""), tmp_path)
    said, _ = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "both done\n")


def test_signals_are_the_callers_again_afterwards():
    from hw.support.errors import exit_code
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    assert exit_code(lambda argv: 0, [], "it") == 0
    assert before == [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]


@pytest.mark.parametrize(("line", "module"), [
    ("sw.compare --network digits --images 361", "argparse"),
    ("sw.compare --network digits --images 361", "torch._utils"),
    ("boards run ulx3s-85f --virtual --images 361", "numpy._utils")])
def test_a_command_that_still_starts_ends_without_a_traceback(tmp_path, line, module):
    """While it imports what it reads its arguments with, or works with, which takes seconds."""
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", *line.split()], cwd=tmp_path, text=True,
       stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        preexec_fn=as_from_a_terminal, env={**os.environ, "PYTHONPATH": str(ROOT)})
    for said in present(process.stderr):
        if said.endswith(f" {module}\n"):
            break
    interrupt(process)


# -- what commands do ---------------------------------------------------------------------------
@pytest.mark.builds
def test_a_build_of_the_model_ends(tmp_path):
    """Compilers run in a thread, as in `sw.compare`; then the cache holds no folder of theirs."""
    cache = tmp_path / "cache"
    process = start(command("""
from hw.config import PRESETS
from sim.verilated.build import build
with thread_pool(1) as submit: submit(build, PRESETS["tiny"]).result()"""),
                    tmp_path, PARTITA_CACHE=str(cache))
    while not any("cc1plus" in name for name in processes_of(process.pid)):
        assert process.poll() is None
        time.sleep(0.05)
    interrupt(process)
    assert not [p for p in cache.iterdir() if p.name.startswith(".making-")]
    assert [p.name for p in tmp_path.iterdir()] == ["cache"]


@pytest.mark.parametrize("run", ["work()", """
with thread_pool(2) as submit: submit(work); submit(work).result()"""], ids=["alone", "pool"])
def test_a_run_in_rtl_ends(tmp_path, run):
    process = start(command(f"""
from hw.config import PRESETS
from sim.backend import VerilatorBackend
def work():
    with VerilatorBackend(PRESETS["tiny"], memory_bytes=4096, threads=2) as backend:
        ready()
        backend.advance(1 << 40)
{run}"""), tmp_path)
    wait_for(process)
    interrupt(process)
    assert not any(tmp_path.iterdir())


@pytest.mark.trains
def test_training_ends_and_goes_on(tmp_path):
    process = start("""
import functools, sys
from sw import train
from sw.experiment import training
training.Monitor = functools.partial(training.Monitor, checkpoint_s=0.1)
sys.exit(train.main(["--network", "digits", "--out", "run", "--quiet"]))""", tmp_path)
    run = tmp_path / "run"
    while not (run / "dense.state").exists():
        assert process.poll() is None
        time.sleep(0.05)
    assert "the same command goes on from there" in interrupt(process)
    assert sorted(p.name for p in run.iterdir()) == ["dense.state", "run.json"]
    assert "dense.state" in json.loads((run / "run.json").read_text())["written"]


def test_children_that_force_does_not_end_are_given_up(monkeypatch):
    monkeypatch.setattr("hw.support.interrupts._descendants", lambda: {2 ** 30})
    sent = []
    monkeypatch.setattr("hw.support.interrupts._send",
                        lambda number, processes: sent.append(number))
    end_children(0.05)
    assert sent[0] == signal.SIGTERM and sent[-1] == signal.SIGKILL
