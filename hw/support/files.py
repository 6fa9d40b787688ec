"""Files that commands write: checked before the work, and whole or not at all.

A regular file is written beside its place and renamed to it; a link stays and what it leads to is
replaced. A device or a named pipe is written to, and so is what standard output already goes to.
"""

import errno
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .errors import NoFolderError, OutputError, explain
from .interrupts import unfinished
from .marks import is_marked

__all__ = ["UNFINISHED", "check_file", "check_folder_place", "check_outputs", "save_file"]

#: What names of files begin with until they are whole.
UNFINISHED = ".partita-"
#: A file that an option names, or None, and of which kind it is, as `hw.support.marks` has them;
#: None where what it holds has been looked at.
Output = tuple[Path | None, str | None]


def _fail(code: int, path: Path) -> OSError:
    return OSError(code, os.strerror(code), str(path))


def _no_folder(folder: Path) -> NoFolderError:
    return NoFolderError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))


def _state(path: Path) -> os.stat_result | None:
    """Of what a path leads to; None if it is not there."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _own_stream(found: os.stat_result) -> int | None:
    """The descriptor of standard output or error, if that is what was found."""
    for number in (1, 2):
        with suppress(OSError):
            if os.path.samestat(os.fstat(number), found):
                return number
    return None


@contextmanager
def _stream(path: Path) -> Iterator[IO[bytes] | None]:
    """Open what is written to as it is: a device, a pipe, or our own output; None for a file."""
    found = _state(path)
    if found is None:
        yield None
        return
    if stat.S_ISDIR(found.st_mode):
        raise _fail(errno.EISDIR, path)
    number = _own_stream(found)
    if number is not None:
        if sys.stdout is not None:
            sys.stdout.flush()
        with os.fdopen(os.dup(number), "wb") as file:
            yield file
    elif stat.S_ISCHR(found.st_mode) or stat.S_ISFIFO(found.st_mode):
        with path.open("wb") as file:
            yield file
    elif stat.S_ISREG(found.st_mode):
        yield None
    else:  # of a disk or a socket, nobody means that
        raise _fail(errno.EPERM, path)


def _require_writable(path: Path, found: os.stat_result | None) -> None:
    """A file that its owner has protected is not replaced, though its folder would let us."""
    if found is not None and not os.access(path, os.W_OK):
        raise _fail(errno.EACCES, path)


def _beside(target: Path) -> Path:
    """A file's place until it is whole; its name does not grow with the file's."""
    return target.parent / f"{UNFINISHED}{secrets.token_hex(6)}"


def _copy(content: str | bytes | IO[bytes], file: IO[bytes]) -> None:
    if isinstance(content, str):
        content = content.encode()
    if isinstance(content, bytes):
        file.write(content)
    else:
        shutil.copyfileobj(content, file)


def save_file(path: Path, content: str | bytes | IO[bytes], *, head: bytes = b"") -> None:
    """Write a file, `head` before its content, whole or not at all; its mode stays.

    Raises
    ------
    OSError
        With the path as its `filename`.
    """
    temporary = None
    try:
        with _stream(path) as stream:
            if stream is not None:
                _copy(head, stream)
                _copy(content, stream)
                return
        target = Path(os.path.realpath(path))
        found = _state(target)
        _require_writable(target, found)
        temporary = _beside(target)
        unfinished.add(temporary)
        with temporary.open("xb") as file:
            if found is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(found.st_mode))
            _copy(head, file)
            _copy(content, file)
        os.replace(temporary, target)
        unfinished.discard(temporary)
    except BaseException as error:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()
            unfinished.discard(temporary)
        if isinstance(error, FileNotFoundError) and not Path(path).parent.exists():
            raise _no_folder(Path(path).parent) from None
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            error.filename, error.filename2 = str(path), None
        raise


def _try_folder(folder: Path) -> None:
    """Raise OSError if no file can be made in a folder."""
    probe = _beside(folder / "x")
    try:
        with probe.open("xb"):
            pass
    except FileNotFoundError:  # as of /proc, whose files are the kernel's
        raise _fail(errno.EROFS, folder) from None
    probe.unlink()


def check_file(path: Path) -> None:
    """Raise OSError if `save_file` could not write to a path."""
    found = _state(path)
    if found is not None and _own_stream(found) is not None:
        return
    if found is None or stat.S_ISREG(found.st_mode):
        _require_writable(path, found)
        target = Path(os.path.realpath(path))
        if found is None and target.is_symlink():
            raise _fail(errno.ELOOP, path)
        if not target.parent.exists():
            raise _no_folder(target.parent)
        if not target.parent.is_dir():
            raise _fail(errno.ENOTDIR, target.parent)
        _try_folder(target.parent)
    elif stat.S_ISDIR(found.st_mode):
        raise _fail(errno.EISDIR, path)
    elif stat.S_ISBLK(found.st_mode) or stat.S_ISSOCK(found.st_mode):
        raise _fail(errno.EPERM, path)
    elif not os.access(path, os.W_OK):
        raise _fail(errno.EACCES, path)


def _named(option: str, path: Path, error: OSError) -> OutputError:
    if error.filename and Path(str(error.filename)).name.startswith(UNFINISHED):
        error.filename = str(Path(str(error.filename)).parent)
    told = explain(error)
    return OutputError(f"--{option.replace('_', '-')} {path}: {told.removeprefix(f'{path}: ')}")


def check_outputs(reads: Iterable[Path] = (), **files: Output) -> None:
    """Refuse files, by the name of their option, that could not be written once all is done, or
    that are there and not of the kind that the command writes.

    Parameters
    ----------
    reads : files that are read, none of which may be replaced

    Raises
    ------
    OutputError
    ValueError
        If two options name the same file, one a file that is read, or one a user's file.
    """
    seen: dict[str, str] = {}
    read = {os.path.realpath(path) for path in reads}
    for option, (path, kind) in files.items():
        if path is None:
            continue
        try:
            check_file(path)
        except OSError as error:
            raise _named(option, path, error) from None
        target = os.path.realpath(path)
        if os.path.isfile(target) or not os.path.exists(target):
            if target in read:
                raise ValueError(f"--{option} {path} is a file that is read; name another")
            if target in seen:
                raise ValueError(f"--{seen[target]} and --{option} name the same file, {path}; "
                                 "name two")
            seen[target] = option
            new = not os.path.exists(target) or _own_stream(os.stat(target)) is not None
            if not new and kind is not None and not is_marked(Path(target), kind):
                raise ValueError(f"--{option} {path} holds what this command has not written "
                                 f"({kind}); name another file, or move it away")


def check_folder_place(option: str, folder: Path) -> None:
    """Refuse a folder, by the name of its option, that files could not be written into; it need
    not be there, nor those above it.

    Raises
    ------
    OutputError
    """
    try:
        found = _state(folder)
        if found is not None and not stat.S_ISDIR(found.st_mode):
            raise _fail(errno.ENOTDIR, folder)
        there = Path(os.path.realpath(folder))
        if found is None and there.is_symlink():
            raise _fail(errno.ELOOP, folder)
        new = []
        while not there.exists():
            new.append(there.name)
            there = there.parent
        for name in new:
            _state(there / name)  # a name may be too long
        _try_folder(there)
    except OSError as error:
        raise _named(option, folder, error) from None
