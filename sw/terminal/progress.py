"""Progress of simulations and of training, on stderr."""

import sys
import threading
import time
from typing import Self

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from hw.support.console import console
from hw.support.text import printable

__all__ = ["SimulationProgress", "TrainingProgress"]


def _words(text: str) -> TextColumn:
    """A column whose fields are shown as they are."""
    return TextColumn(text, markup=False)


class _Progress:
    """What both have: bars that are live on a terminal, and lines of status.

    Parameters
    ----------
    columns : of a bar, before the time elapsed and left
    quiet : say nothing
    interval_s : between lines where stderr is no terminal
    """

    def __init__(self, *columns: ProgressColumn, quiet: bool, interval_s: float):
        self.quiet = quiet
        self.interval_s = interval_s
        self.console = console(stderr=True)
        self._live = not quiet and self.console.is_terminal
        self._bars = Progress(*columns, TimeElapsedColumn(), _words("left"),
                              TimeRemainingColumn(), console=self.console, transient=True)
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        if self._live:
            self._bars.start()
        return self

    def __exit__(self, *exc) -> None:
        if self._live:
            self._bars.stop()

    def say(self, text: str) -> None:
        """Print one line of status."""
        if not self.quiet:
            self.console.print(text, style="dim", highlight=False)

    def _line_is_due(self) -> bool:
        """Whether to print a line now, where stderr is no terminal."""
        now = time.monotonic()
        if self.quiet or now - self._last_line <= self.interval_s:
            return False
        self._last_line = now
        return True


class SimulationProgress(_Progress):
    """One bar per arm with its layer, simulated kHz and time left.

    On a terminal the bars are live; elsewhere a line is printed every `interval_s`. Use as a
    context manager; `update` may be called from any thread.
    """

    def __init__(self, *, quiet: bool = False, interval_s: float = 15.0):
        super().__init__(_words("{task.description:<10}"), BarColumn(bar_width=30),
                         _words("{task.percentage:>3.0f}%"), _words("{task.fields[state]:<26}"),
                         quiet=quiet, interval_s=interval_s)
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}
        self._arms: dict[str, tuple[float, float]] = {}

    def start(self, arm: str, expected_cycles: int) -> None:
        """Begin an arm that is expected to take so many cycles."""
        with self._lock:
            self._arms[arm] = (time.monotonic(), max(expected_cycles, 1))
            if self._live:
                self._tasks[arm] = self._bars.add_task(arm, total=expected_cycles, state="")

    def update(self, arm: str, cycles: int, layer: str) -> None:
        """Report simulated `cycles` of an arm so far, and the layer that is under way."""
        with self._lock:
            began, expected = self._arms[arm]
            seconds = max(time.monotonic() - began, 1e-3)
            khz = cycles / seconds / 1e3
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


class TrainingProgress(_Progress):
    """A bar for what is being trained, with its loss and the time left; lines off a terminal."""

    def __init__(self, *, quiet: bool = False, interval_s: float = 15.0):
        super().__init__(_words("{task.description:<24}"), BarColumn(bar_width=30),
                         _words("{task.percentage:>3.0f}%"), _words("loss {task.fields[loss]:.3f}"),
                         quiet=quiet, interval_s=interval_s)
        self._part, self._task, self._first = "", TaskID(0), 0
        self._began = time.monotonic()

    def update(self, part: str, step: int, steps: int, loss: float) -> None:
        """Report steps of a part that is being trained."""
        if part != self._part:
            if self._live and self._part:
                self._bars.remove_task(self._task)
            self._part, self._first, self._began = part, step, time.monotonic()
            if self._live:
                self._task = self._bars.add_task(printable(part), total=steps, loss=loss)
        if self._live:
            self._bars.update(self._task, completed=step, loss=loss)
        elif self._line_is_due():
            left = (time.monotonic() - self._began) / max(step - self._first, 1) * (steps - step)
            print(f"{printable(part)}: step {step:,} of {steps:,}, loss {loss:.3f}, about "
                  f"{left:.0f} s left", file=sys.stderr, flush=True)
