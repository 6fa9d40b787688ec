"""Ctrl-C and its like: a command ends within seconds, and leaves nothing behind.

A signal becomes an exception in the main thread, so that `with` and `finally` put away what was
begun: temporary folders, unfinished files. Child processes are ended before, as they write into
these folders; threads of a `hw.support.pools.thread_pool` get an exception as well. Where the main
thread is in a long call of a library and cannot see the exception, the process ends by force, its
temporary folders removed.
"""

import ctypes
import gc
import os
import select
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

__all__ = ["Interrupted", "end_children", "end_while_starting", "importing", "interruptible",
           "leave", "unfinished", "uninterrupted"]

#: What ends a command: Ctrl-C, a polite kill, and a terminal that is closed.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Seconds that children have to put their own things away.
_GRACE_S = 1.0
#: Seconds after which children that even force does not end are given up.
_GIVE_UP_S = 0.5
#: Seconds after a signal at which a command that still runs is ended by force.
_LIMIT_S = 2.3
_PR_SET_CHILD_SUBREAPER = 36


class Interrupted(KeyboardInterrupt):
    """A signal has asked the command to end; its exit code is the shell's, 128 + the signal."""

    def __init__(self, number: int = signal.SIGINT):
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


#: Files and folders that are being written, to be removed where the command ends before that.
unfinished: set[Path] = set()


class _Hold:
    """Whether the main thread may be interrupted, and the signal that waits for it."""

    #: Blocks of `uninterrupted` that are under way.
    depth = 0
    waiting: int | None = None
    #: Modules are being imported.
    importing = False
    installed = False
    #: Python runs one of the commands and nothing else.
    program = False


def _descendants() -> set[int]:
    """Processes that this one has started, and theirs; without those that ignore SIGTERM, which
    end by themselves once nobody needs them. Empty where there is no /proc."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError, KeyError, ValueError):
            facts = dict(line.split(":", 1) for line in status.read_text().splitlines())
            ignored = int(facts["SigIgn"], 16) >> (signal.SIGTERM - 1) & 1
            if facts["State"].split()[0] not in "ZX" and not ignored:
                parents[int(status.parent.name)] = int(facts["PPid"])
    found: set[int] = set()
    new = {os.getpid()}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new}
        found |= new
    return found


def _adopt(yes: bool) -> None:
    """Become the parent of processes whose parent ends, where the system can do that: what a
    child has started while it was being ended is found, too."""
    with suppress(AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0)


def _send(number: int, processes: set[int]) -> None:
    for pid in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def end_children(grace_s: float = _GRACE_S) -> None:
    """End all processes that this one has started, and theirs; with force after some time.
    What the system does not let end, as it waits for a disk or is another user's, runs on."""
    _adopt(True)
    told: set[int] = set()
    until = time.monotonic() + grace_s
    while (left := _descendants()) and (now := time.monotonic()) < until + _GIVE_UP_S:
        if now > until:
            _send(signal.SIGKILL, left)
        else:
            _send(signal.SIGTERM, left - told)
            told |= left
        time.sleep(0.01)
    _adopt(False)


def _handle(number: int, frame) -> None:
    for n in SIGNALS:  # once is enough: a second one must not disturb what puts things away
        if signal.getsignal(n) is _handle:
            signal.signal(n, lambda number, frame: None)
    if _Hold.importing and _Hold.program:
        _end_here(number)
    if _Hold.depth:
        _Hold.waiting = number
        return
    end_children()
    raise Interrupted(number)


def _end_here(number: int) -> NoReturn:
    """End a program that has begun nothing that would have to be put away."""
    with suppress(OSError):
        os.write(2, b"interrupted\n")
    os._exit(128 + number)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let a signal wait until some steps that belong together are done; they take no time."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _Hold.depth += 1
    try:
        yield
    finally:
        _Hold.depth -= 1
        if not _Hold.depth and _Hold.waiting is not None:
            number, _Hold.waiting = _Hold.waiting, None
            end_children()
            raise Interrupted(number)


@contextmanager
def importing() -> Iterator[None]:
    """Import what a command works with, which takes seconds: a signal ends the program on the
    spot, or waits where there is more than the command, as no module must be left half made."""
    _Hold.importing = True
    try:
        with uninterrupted():
            yield
    finally:
        _Hold.importing = False


def _watch(pipe: int) -> None:
    """End the process by force if it runs on after a signal; `pipe` tells of signals, and with a
    zero of the end."""
    while (number := os.read(pipe, 1)[0]) not in SIGNALS:
        if not number:
            return
    until = time.monotonic() + _LIMIT_S
    while (left := until - time.monotonic()) > 0:
        if select.select([pipe], [], [], left)[0] and os.read(pipe, 1) == b"\0":
            return
    end_children(0)
    for thing in gc.get_objects():
        if isinstance(thing, tempfile.TemporaryDirectory):
            with suppress(OSError):
                thing.cleanup()
    _remove_unfinished()
    with suppress(OSError):
        os.write(2, b"interrupted\n")
    os._exit(128 + number)


def _remove_unfinished() -> None:
    for path in tuple(unfinished):
        with suppress(OSError):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        unfinished.discard(path)


@contextmanager
def interruptible() -> Iterator[None]:
    """Have signals raise `Interrupted` in what is done here, on the main thread.

    Signals that are ignored, as those of a program in the background, stay so.
    """
    if threading.current_thread() is not threading.main_thread() or _Hold.installed:
        yield
        return
    out, into = os.pipe()
    os.set_blocking(into, False)
    watch = threading.Thread(target=_watch, args=(out,), daemon=True)
    watch.start()
    _Hold.installed, _Hold.waiting = True, None
    pipe_before = signal.set_wakeup_fd(into, warn_on_full_buffer=False)
    before = {n: signal.signal(n, _handle) for n in SIGNALS
              if signal.getsignal(n) not in (signal.SIG_IGN, None)}
    try:
        yield
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)
        signal.set_wakeup_fd(pipe_before)
        _Hold.installed = False
        os.write(into, b"\0")
        watch.join()
        _remove_unfinished()  # a thread may have been stopped while it put its own away
        os.close(into)
        os.close(out)


def end_while_starting(package: str | None = None) -> None:
    """Have signals end the program on the spot, until `interruptible` takes over: importing takes
    seconds and begins nothing that would have to be put away. Of a package, only if Python was
    started with -m and a module of it: who imports one keeps their signals."""
    given = sys.orig_argv
    if package and not (sys.argv[:1] == ["-m"] and "-m" in given[:-1]
                        and given[given.index("-m") + 1].partition(".")[0] == package):
        return
    _Hold.program = True

    for n in SIGNALS:
        if signal.getsignal(n) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(n, lambda number, frame: _end_here(number))


def leave(code: int) -> int:
    """End a program that was interrupted and has put everything away: what is left is to take
    apart the interpreter, which takes seconds. Where there is more than the command, return."""
    if _Hold.program:
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(code)
    return code
