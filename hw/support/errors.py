"""How errors become exit codes.

0 ok, 1 a check or the run failed, 2 a value breaks a rule, 3 a tool is missing, 4 does not fit,
5 a file, a folder or the output cannot be read or written, 130 interrupted (143 by SIGTERM, 129 as
the terminal was closed).

An exception class that has its own code carries it as `exit_code`; ValueError is a usage error and
OSError one of files.
"""

import errno
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .cache import NoCacheError, cache_dir
from .interrupts import interruptible, leave
from .text import printable, show_everything

__all__ = ["NoFolderError", "OutputError", "ToolMissingError", "exit_code", "explain",
           "raise_if_full"]

_ROOM = "make room, or name a place on another disk"
_RIGHTS = "get the right to do that, or name another place"
_REMEDIES = {
    errno.ENOENT: "check the name",
    errno.ENOTDIR: "a part of this path is a file; name another place",
    errno.EISDIR: "name a file",
    errno.EEXIST: "name another place, or move away what is there",
    errno.ENOTEMPTY: "name another place, or move away what is there",
    errno.EACCES: _RIGHTS, errno.EPERM: _RIGHTS,
    errno.EROFS: "name a place that is not read-only",
    errno.ENOSPC: _ROOM, errno.EDQUOT: _ROOM,
    errno.EFBIG: "raise the limit on the size of files: ulimit -f unlimited",
    errno.ENAMETOOLONG: "name a shorter one",
    errno.ELOOP: "its symbolic links lead in a circle; name another place",
    errno.EMFILE: "raise the limit on open files: ulimit -n",
    errno.ENOMEM: "give the program more memory",
}
#: What is wrong when a write fails.
_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


class ToolMissingError(RuntimeError):
    """A program that is needed is not installed; the message says how to get it."""

    exit_code = 3


class OutputError(RuntimeError):
    """Something cannot be written to where it should go; the message says where and what to do."""

    exit_code = 5


class NoFolderError(FileNotFoundError):
    """The folder of a file that is to be written is not there."""


def explain(error: OSError) -> str:
    """What is wrong with a file or a folder, and what to do about it."""
    said = error.strerror or str(error) or type(error).__name__
    remedy = _REMEDIES.get(error.errno or 0)
    if isinstance(error, NoFolderError):
        remedy = "check the name; a folder has to be made first"
    if error.filename is None:
        return f"{said}; {remedy}" if remedy else said
    path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) \
        else str(error.filename)
    place, cache = Path(path).absolute(), None
    with suppress(NoCacheError):
        cache = cache_dir().absolute()
    if cache and (cache in (place, *place.parents)
                  or (place in cache.parents and not place.is_dir())):
        remedy = f"it is of the cache, {cache}: set PARTITA_CACHE to a folder that can be written"
    return f"{path}: {said}; {remedy or 'name another place'}"


def raise_if_full(said: str, returncode: int, folder: Path) -> None:
    """Raise OSError if a program in `folder` failed because it could not write any more, by what
    it said or by the signal that ended it."""
    for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        if os.strerror(code) in said or (code == errno.EFBIG and (
                returncode == -signal.SIGXFSZ or "File size limit exceeded" in said)):
            raise OSError(code, os.strerror(code), str(folder))


class _Closed(io.TextIOBase):
    """Standard output that was closed before the program began: nothing can be printed there."""

    def write(self, text: str) -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard output")


@contextmanager
def _streams() -> Iterator[None]:
    """Take the place of closed standard streams: `print` leaves out what should go to None, or
    sends what should go to standard error to standard output."""
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w") as nowhere:
        sys.stdout, sys.stderr = before[0] or _Closed(), before[1] or nowhere
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before


def _say(text: str) -> None:
    with suppress(OSError):  # nobody is there to hear it
        print(text, file=sys.stderr, flush=True)


def _flush() -> None:
    """Write what `print` holds back; raise OSError, and drop it, if it cannot be written."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # Keep Python from trying, and complaining, again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        error.filename = error.filename or "standard output"
        raise


def _run(run: Callable[[list[str]], int], argv: list[str]) -> int:
    """Call `run(argv)` and see to it that what it has printed is out."""
    try:
        code = run(argv)
    except SystemExit:
        _flush()
        raise
    except OSError as error:
        _flush()
        if error.filename is None and error.errno in _WRITING:
            error.filename = "standard output"  # files' errors have their names
        raise
    _flush()
    return code


def exit_code(run: Callable[[list[str]], int], argv: list[str], program: str) -> int:
    """Call `run(argv)` and turn its typed errors, and signals, into a line on stderr and an exit
    code.

    Anything else is a bug and keeps its traceback.
    """
    show_everything()
    with _streams(), interruptible():
        try:
            return _run(run, argv)
        except KeyboardInterrupt as stop:
            _say("; ".join([f"{program}: interrupted", *getattr(stop, "__notes__", ())]))
            return leave(getattr(stop, "exit_code", 130))
        except BrokenPipeError:  # the reader of our output has gone, and knows that
            return 5
        except Exception as error:
            said, code = str(error), getattr(error, "exit_code", None)
            if code is None and isinstance(error, OSError):
                said, code = explain(error), 5
            elif code is None and isinstance(error, ValueError):
                code = 2
            if code is None:
                raise
            _say(f"{program}: error: {printable(said)}")
            return code
