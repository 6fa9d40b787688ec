"""Progress of simulations, of training and of anything else that takes time, on stderr."""

import sys
import threading
import time
from typing import Self

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from hw.support.console import console
from hw.support.text import printable

__all__ = ["SimulationProgress", "StepProgress", "TrainingProgress"]

#: Between lines where stderr is no terminal.
INTERVAL_S = 15.0


def _words(text: str) -> TextColumn:
    """A column whose fields are shown as they are."""
    return TextColumn(text, markup=False)


def _times() -> tuple[ProgressColumn, ...]:
    """Of a bar whose end is known: the time elapsed and left."""
    return TimeElapsedColumn(), _words("left"), TimeRemainingColumn()


class _Progress:
    """What all have: bars that are live on a terminal, and lines of status. Elsewhere, where
    nothing is said for as long as `interval_s`, a line repeats what is under way.

    Parameters
    ----------
    columns : of a bar
    quiet : say nothing
    interval_s : between lines where stderr is no terminal; by default `INTERVAL_S`
    """

    def __init__(self, *columns: ProgressColumn, quiet: bool, interval_s: float | None):
        self.quiet = quiet
        self.interval_s = INTERVAL_S if interval_s is None else interval_s
        self.console = console(stderr=True)
        self._live = not quiet and self.console.is_terminal
        self._bars = Progress(*columns, console=self.console, transient=True)
        self._step, self._step_began = "", time.monotonic()
        self._last_line = time.monotonic()
        self._ended, self._line_lock = threading.Event(), threading.Lock()

    def __enter__(self) -> Self:
        if self._live:
            self._bars.start()
        elif not self.quiet and self.interval_s:
            threading.Thread(target=self._repeat, daemon=True).start()
        return self

    def __exit__(self, *exc) -> None:
        self._ended.set()
        if self._live:
            self._bars.stop()

    def say(self, text: str) -> None:
        """Print one line of status, which is what is under way from now on."""
        self._step, self._step_began = text, time.monotonic()
        if not self.quiet:
            with self._line_lock:
                self._last_line = self._step_began
                self.console.print(text, style="dim", highlight=False)

    def _line_is_due(self) -> bool:
        """Whether to print a line now, where stderr is no terminal."""
        with self._line_lock:
            now = time.monotonic()
            if self.quiet or now - self._last_line <= self.interval_s:
                return False
            self._last_line = now
            return True

    def _repeat(self) -> None:
        """Tell, until the end, that what was said last goes on."""
        while not self._ended.wait(self.interval_s / 4):
            step, began = self._step, self._step_began
            if step and self._line_is_due():
                print(f"{printable(step)}: {time.monotonic() - began:.0f} s so far",
                      file=sys.stderr, flush=True)


class StepProgress(_Progress):
    """What is under way, one thing after another, and for how long."""

    def __init__(self, *, quiet: bool = False, interval_s: float | None = None):
        super().__init__(SpinnerColumn(), _words("{task.description}"), TimeElapsedColumn(),
                         quiet=quiet, interval_s=interval_s)
        self._task = TaskID(0)

    def say(self, text: str) -> None:
        """Print one line of status, which is what is under way from now on."""
        super().say(text)
        if self._live:
            if self._bars.tasks:
                self._bars.remove_task(self._task)
            self._task = self._bars.add_task(printable(text), total=None)

    def update(self, text: str) -> None:
        """Tell how far what is under way has come, with no line of its own."""
        self._step = text
        if self._live and self._bars.tasks:
            self._bars.update(self._task, description=printable(text))


class SimulationProgress(_Progress):
    """One bar per arm with its layer, simulated kHz and time left.

    On a terminal the bars are live; elsewhere a line is printed every `interval_s`. Use as a
    context manager; `update` may be called from any thread.
    """

    def __init__(self, *, quiet: bool = False, interval_s: float | None = None):
        super().__init__(_words("{task.description:<10}"), BarColumn(bar_width=30),
                         _words("{task.percentage:>3.0f}%"), _words("{task.fields[state]:<26}"),
                         *_times(), quiet=quiet, interval_s=interval_s)
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}
        self._arms: dict[str, tuple[float, float]] = {}
        self._runs: dict[str, tuple[float, int]] = {}

    def start(self, arm: str, expected_cycles: int) -> None:
        """Begin an arm that is expected to take so many cycles."""
        with self._lock:
            self._arms[arm] = (time.monotonic(), max(expected_cycles, 1))
            if self._live:
                self._tasks[arm] = self._bars.add_task(arm, total=max(expected_cycles, 1),
                                                       state="", start=False)

    def update(self, arm: str, cycles: int, layer: str) -> None:
        """Report simulated `cycles` of an arm so far, and the layer that is under way. The clock
        of its run, by which the time left is told, starts with the first report: what is built
        before is no measure of it."""
        with self._lock:
            _, expected = self._arms[arm]
            now = time.monotonic()
            if arm not in self._runs:
                self._runs[arm] = now, cycles
                if self._live:
                    self._bars.start_task(self._tasks[arm])
            began, first = self._runs[arm]
            self._step = ""  # it tells of itself
            if cycles == first:
                return
            khz = (cycles - first) / max(now - began, 1e-3) / 1e3
            if self._live:
                self._bars.update(self._tasks[arm], completed=min(cycles, expected),
                                  state=f"{printable(layer)} {khz:,.0f} kHz")
            elif self._line_is_due():
                left = max(expected - cycles, 0) / max(khz * 1e3, 1)
                print(f"{arm}: {min(cycles / expected, 1):.0%}, {printable(layer)}, "
                      f"{khz:,.0f} kHz, about {left:.0f} s left", file=sys.stderr, flush=True)

    def finish(self, arm: str) -> None:
        """End an arm."""
        with self._lock:
            began, expected = self._arms[arm]
            if self._live:
                self._bars.update(self._tasks[arm], completed=expected, state="done")
        self.say(f"{arm}: done in {time.monotonic() - began:.1f} s")
        self._step = ""


class TrainingProgress(_Progress):
    """A bar for what is being trained, with its loss and the time left; lines off a terminal."""

    def __init__(self, *, quiet: bool = False, interval_s: float | None = None):
        super().__init__(_words("{task.description:<24}"), BarColumn(bar_width=30),
                         _words("{task.percentage:>3.0f}%"), _words("loss {task.fields[loss]:.3f}"),
                         *_times(), quiet=quiet, interval_s=interval_s)
        self._part, self._task, self._first = "", TaskID(0), 0
        self._began = time.monotonic()

    def update(self, part: str, step: int, steps: int, loss: float) -> None:
        """Report steps of a part that is being trained."""
        if part != self._part:
            if self._live and self._part:
                self._bars.remove_task(self._task)
            self._part, self._first, self._began = part, step, time.monotonic()
            self._step = ""  # it tells of itself
            if self._live:
                self._task = self._bars.add_task(printable(part), total=steps, loss=loss)
        if self._live:
            self._bars.update(self._task, completed=step, loss=loss)
        elif self._line_is_due():
            left = (time.monotonic() - self._began) / max(step - self._first, 1) * (steps - step)
            print(f"{printable(part)}: step {step:,} of {steps:,}, loss {loss:.3f}, about "
                  f"{left:.0f} s left", file=sys.stderr, flush=True)
