"""Runs mutants: each in a copy of the tree, by its test, which has to pass without it."""

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from xml.etree import ElementTree

from hw.support.pools import thread_pool

from .mutant import Mutant

__all__ = ["Verdict", "judge", "run_mutants"]

ROOT = Path(__file__).parent.parent.parent
#: Seconds for a test; one that takes longer has not failed.
LIMIT_S = 400
#: How a failure begins that a fault of the hardware can cause: not one of Python or of Amaranth.
_TELLS = re.compile(r"assert |AssertionError|Failed: |(sim\.faults|[a-z.]+\.errors)\.\w+:")


@dataclass(frozen=True)
class Verdict:
    """Members: `what` became of a mutant, killed, alive or broken; `why`; and how long it took."""

    mutant: Mutant
    what: str
    why: str
    seconds: float


def run_mutants(mutants: Sequence[Mutant], jobs: int, seed: int,
                tell: Callable[[Verdict], None]) -> list[Verdict]:
    """Run mutants, `jobs` side by side; `tell` of each as it is done, in a thread."""
    by_test = sorted(mutants, key=attrgetter("test"))
    groups = [list(group) for _, group in groupby(by_test, attrgetter("test"))]
    copies: queue.SimpleQueue[Path] = queue.SimpleQueue()

    def run_group(group: list[Mutant]) -> list[Verdict]:
        copy = copies.get()
        try:
            return _run_group(group, copy, seed, tell)
        finally:
            copies.put(copy)

    with tempfile.TemporaryDirectory(prefix="partita-mutants-") as folder:
        for k in range(min(jobs, len(groups))):
            _copy_tree(copy := Path(folder) / str(k) / "tree")
            copies.put(copy)
        found = []
        with thread_pool(jobs) as submit:
            for done in as_completed([submit(run_group, group) for group in groups]):
                found += done.result()
    order = {mutant.name: n for n, mutant in enumerate(mutants)}
    return sorted(found, key=lambda verdict: order[verdict.mutant.name])


def _copy_tree(to: Path) -> None:
    """Copy what git knows of, and what it would not ignore."""
    names = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT,
                           check=True, capture_output=True).stdout.decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, to / name)


def _run_group(group: list[Mutant], copy: Path, seed: int,
               tell: Callable[[Verdict], None]) -> list[Verdict]:
    """Run mutants that have a test in common, first of all without any."""
    what, why, seconds = _run_test(group[0].test, copy, seed, cached=True)
    found = []
    for one in group:
        if what != "alive":
            verdict = Verdict(one, "broken", f"its test does not pass without it: {why}", seconds)
        else:
            text = one.put_in(copy)
            try:
                verdict = Verdict(one, *_run_test(one.test, copy, seed, cached=False))
            finally:
                (copy / one.file).write_text(text)
        found.append(verdict)
        tell(verdict)
    return found


def _run_test(test: str, copy: Path, seed: int, *, cached: bool) -> tuple[str, str, float]:
    """Run a test in a copy; what becomes of a mutant by it, why, and the seconds. Simulations of
    mutants are not kept."""
    began = time.monotonic()
    results, cache = copy.parent / "results.xml", copy.parent / "cache"
    # Two mutants of a file within a second must not share its byte code.
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1",
                   "PARTITA_TEST_SEED": str(seed)}
    if not cached:
        environment["PARTITA_CACHE"] = str(cache)
    results.unlink(missing_ok=True)
    with subprocess.Popen(
            [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "-m", "",
             f"--basetemp={copy.parent / 'pytest'}", f"--junitxml={results}", test],
            cwd=copy, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
            start_new_session=True) as process:
        try:
            code = process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            return "alive", f"it takes more than {LIMIT_S} s", time.monotonic() - began
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            shutil.rmtree(cache, ignore_errors=True)
    return *judge(code, results), time.monotonic() - began


def judge(code: int, results: Path) -> tuple[str, str]:
    """What becomes of a mutant by a test's exit code and results, and why."""
    if not results.is_file():
        return "broken", f"pytest ends with {code}"
    cases = list(ElementTree.parse(results).iter("testcase"))
    wrong = [x for case in cases for x in case if x.tag in ("failure", "error")]
    for one in wrong:
        message = one.get("message", "")
        told = message.partition("\n")[0][:200]
        tells = one.tag == "failure" and _TELLS.match(message)
        return ("killed" if tells else "broken"), told
    if code or not any(not len(case) or case.find("skipped") is None for case in cases):
        return "broken", f"pytest ends with {code}, and no test has run"
    return "alive", "its test passes"
