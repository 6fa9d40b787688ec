"""Where builds and trained weights are kept between runs: whole, checked, and their user's alone.

An entry is a folder of files beside `sums.json`, their checksums. It is made in a folder of its
own, `.making-...`, which its maker holds by a lock that ends with the process, and renamed when it
is whole. So what a killed process leaves is told from what another one works on.
"""

import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .cache import cache_dir
from .interrupts import unfinished
from .locks import lock

__all__ = ["CacheError", "cached_file", "own_cache"]

_SUMS = "sums.json"
_MAKING = ".making-"
#: After which a folder is left over where no lock can tell.
_LEFT_OVER_S = 24 * 3600
#: Entries that this process has checked -> their file.
_checked: dict[Path, Path] = {}
#: Caches in which this process has looked for what killed ones left.
_swept: set[Path] = set()


class CacheError(ValueError):
    """A cache that is not its user's alone; the message says what would make it so."""


def own_cache() -> Path:
    """The cache's folder, made for the user alone if it is not there.

    Raises
    ------
    CacheError
        If another user owns it or can write to it: code is loaded from it.
    """
    folder = cache_dir().absolute()  # compilers run elsewhere
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _require_own(folder)
    return folder


def cached_file(name: str, make: Callable[[Path], Path], *, cache: Path | None = None,
                say: Callable[[str], None] = lambda text: None) -> Path:
    """Return the file of an entry, made if it is not there or not as it was written.

    Parameters
    ----------
    name : of the entry, by content
    make : makes the file in the folder that it is given; JSON of the file's stem goes with it
    cache : `own_cache()` by default
    say : called with a line if a damaged entry is made again

    Raises
    ------
    CacheError
    """
    cache = own_cache() if cache is None else cache
    entry = cache / name
    if cache not in _swept:
        _swept.add(cache)
        _sweep(cache)
    if file := _sound(entry):
        return file
    with _workplace(cache, name) as folder:
        if file := _sound(entry):  # made by another process while this one waited
            return file
        if os.path.lexists(entry):
            say(f"{entry} is damaged; making it again")
        # Folders of new names: compilers of a killed process may still write to its own.
        work, done = (Path(tempfile.mkdtemp(dir=folder)) for _ in range(2))
        made = make(work)
        _store([p for p in (made, made.with_suffix(".json")) if p.is_file()], done)
        if os.path.lexists(entry):
            os.replace(entry, work / "damaged")
        os.rename(done, entry)
        _checked[entry] = entry / made.name
        return _checked[entry]


def _store(files: list[Path], folder: Path) -> None:
    """Move files, the entry's own first, into a folder, with their checksums."""
    sums = {}
    for file in dict.fromkeys(files):
        file.chmod(stat.S_IMODE(file.stat().st_mode) & ~0o022)
        os.replace(file, folder / file.name)
        sums[file.name] = _digest(folder / file.name)
    (folder / _SUMS).write_text(json.dumps(sums))


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _sound(entry: Path) -> Path | None:
    """An entry's file if all are as they were written; they are read once in a process."""
    known = _checked.get(entry)
    if known and known.is_file():
        return known
    try:
        sums = json.loads((entry / _SUMS).read_bytes())
        files = [entry / Path(name).name for name in sums]
        if [_digest(file) for file in files] != list(sums.values()):
            return None
    except (OSError, ValueError, RecursionError, AttributeError, TypeError):
        return None
    if not files:
        return None
    for path in (entry, *files):
        _require_own(path)
    _checked[entry] = files[0]
    return files[0]


def _require_own(path: Path) -> None:
    """Refuse what another user, but for root, could have put there."""
    found = path.stat()
    if found.st_uid not in (os.geteuid(), 0):
        raise CacheError(f"cache {path} belongs to user {found.st_uid}, who could put code there; "
                         "set PARTITA_CACHE to a folder of your own")
    if found.st_mode & 0o022:
        raise CacheError(f"cache {path} can be written by other users (mode "
                         f"{stat.S_IMODE(found.st_mode):04o}), who could put code there; delete "
                         "it, or set PARTITA_CACHE to a folder of your own")


# -- folders that are worked in --------------------------------------------------------------
@contextmanager
def _workplace(cache: Path, name: str) -> Iterator[Path]:
    """A folder to make an entry in; waits for a process that makes the same."""
    folder = cache / f"{_MAKING}{name}"
    held = _hold(folder)
    if held is None:
        shutil.rmtree(folder, ignore_errors=True)
        folder = cache / f"{_MAKING}{name}-{os.getpid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
    unfinished.add(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.discard(folder)
        if held:
            held.close()


def _hold(folder: Path) -> IO[bytes] | None:
    """Make a folder and lock it; the lock is a file in it, as folders have none over NFS. None
    where there are no locks."""
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            held = (folder / "lock").open("wb")
        except FileNotFoundError:  # removed in between, as left over
            continue
        try:
            if not lock(held):
                held.close()
                return None
            if os.path.samestat(os.fstat(held.fileno()), os.stat(folder / "lock")):
                return held
        except FileNotFoundError:  # removed by its maker, who had finished
            pass
        except BaseException:
            held.close()
            raise
        held.close()


def _sweep(cache: Path) -> None:
    """Remove the folders of processes that were killed: those that nobody holds and, where no
    lock can tell, old ones."""
    for folder in cache.glob(f"{_MAKING}*"):
        with suppress(OSError):  # it is held, or gone
            old = time.time() - folder.stat().st_mtime > _LEFT_OVER_S
            with (folder / "lock").open("ab") as held:
                if lock(held, wait=False) or old:
                    shutil.rmtree(folder, ignore_errors=True)
