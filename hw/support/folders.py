"""Folders that commands write: only what a command has written itself is ever replaced.

Such a folder has a manifest, a JSON object that names its format and lists the files of the
folder: `written` is the name of each -> its SHA-256, or null where a file changes as a command
goes on. What is not listed, or is not as it was written, belongs to somebody else, and the folder
is refused.

A command that adds to a folder for hours holds it meanwhile. What killed commands have left of
files that were being written is removed by the next.
"""

import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .errors import OutputError
from .files import UNFINISHED, check_folder_place, save_file
from .interrupts import uninterrupted
from .locks import lock

__all__ = ["FolderBusyError", "FolderKind", "ForeignFilesError"]

#: Names of files that a refusal tells.
_TOLD = 3
#: Bytes of the largest manifest that is read.
_LARGEST = 1 << 24
#: The file that a command locks while it holds a folder.
_HELD = f"{UNFINISHED}held"
#: Names of the folders that `write` makes its files in, and of the files of `save_file`.
_STAGING = re.compile(re.escape(UNFINISHED) + "[a-z0-9_]{8}")
_SAVING = re.compile(re.escape(UNFINISHED) + "[0-9a-f]{12}")
#: Seconds after its last change at which nobody writes to a file of `save_file` any more.
_LEFT_OVER_S = 60


class ForeignFilesError(ValueError):
    """A folder holds files that are not the command's own; it names the first."""


class FolderBusyError(OutputError):
    """Another command works in a folder."""


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_file(path: Path) -> bool:
    """Whether a path is a regular file itself, no link to one."""
    return stat.S_ISREG(path.lstat().st_mode)


@dataclass(frozen=True)
class FolderKind:
    """A kind of folder: its `manifest`'s file name, the manifest's `format` (a key "manifest"),
    `what` such a folder is, and the `option` that names it."""

    manifest: str
    format: str
    what: str
    option: str = "out"

    def _listed(self, folder: Path) -> dict[str, set[str] | None]:
        """The files that a folder's manifest lists -> their hashes, None for any; nothing if it
        has no manifest of this kind. Two hashes have files that were being replaced."""
        path = folder / self.manifest
        try:
            if not _is_file(path) or path.stat().st_size > _LARGEST:
                return {}
            data = json.loads(path.read_text())
            if data["manifest"] != self.format:
                return {}
            listed: dict[str, set[str] | None] = {}
            for entries in (data["written"], data.get("replaces", {})):
                for name, digest in entries.items():
                    known = listed.setdefault(name, set())
                    if digest is None or known is None:
                        listed[name] = None
                    else:
                        known.add(str(digest))
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError,
                RecursionError):
            return {}
        return {**{n: d for n, d in listed.items() if n == Path(n).name}, self.manifest: None}

    def own_files(self, folder: Path) -> dict[str, str | None]:
        """Files of a folder that are the command's own -> their hash, if one is kept; the manifest
        is not among them.

        Raises
        ------
        ForeignFilesError
            If there are others.
        """
        listed = self._listed(folder)
        own: dict[str, str | None] = {}
        foreign, changed = [], []
        for path in sorted(folder.iterdir()):
            if path.name.startswith(UNFINISHED):
                continue  # of a command that was killed, or of one that runs
            if path.name not in listed or not _is_file(path):
                foreign.append(path.name)
                continue
            hashes = listed[path.name]
            digest = None if hashes is None else _hash(path)
            if digest is not None and digest not in (hashes or ()):
                changed.append(path.name)
            elif path.name != self.manifest:
                own[path.name] = digest
        for names, what in ((foreign, "which this command has not written"),
                            (changed, "changed since this command wrote it")):
            if names:
                more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
                raise ForeignFilesError(
                    f"--{self.option} {folder} is no {self.what} alone: it holds "
                    f"{', '.join(map(repr, names[:_TOLD]))}{more}, {what}; name another folder, or "
                    "move that away")
        return own

    def check(self, folder: Path) -> dict[str, str | None]:
        """Refuse a place, before the work, that `write` would refuse; returns its own files.

        Raises
        ------
        OutputError, ForeignFilesError
        """
        check_folder_place(self.option, folder)
        return self.own_files(folder) if folder.is_dir() else {}

    def write(self, folder: Path, data: dict, files: dict[str, bytes]) -> dict:
        """Make a folder of some files and a manifest with `data`, in place of the files that are
        its own. Whatever it holds stays, if that fails or is interrupted.

        Returns
        -------
        dict
            The manifest.

        Raises
        ------
        OSError, ForeignFilesError
        """
        written = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        final = {"manifest": self.format, **data, "written": written}
        folder = Path(os.path.realpath(folder))
        with _made(folder), _locked(folder) as locked:
            if locked:
                _sweep(folder)
            old = self.own_files(folder)
            staging = Path(tempfile.mkdtemp(dir=folder, prefix=UNFINISHED))
            try:
                save_file(staging / "begun", _json({**final, "replaces": old}))
                save_file(staging / self.manifest, _json(final))
                for name, content in files.items():
                    save_file(staging / name, content)
                with uninterrupted():
                    # Whenever this is cut short, the manifest lists all that is there.
                    os.replace(staging / "begun", folder / self.manifest)
                    for name in files:
                        os.replace(staging / name, folder / name)
                    for name in old.keys() - files.keys():
                        (folder / name).unlink()
                    os.replace(staging / self.manifest, folder / self.manifest)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
        return final

    @contextmanager
    def held(self, folder: Path) -> Iterator[None]:
        """Keep a folder from other commands that would hold it, for as long as one works there.

        Raises
        ------
        OSError
        FolderBusyError
            If another one holds it.
        """
        place = Path(os.path.realpath(folder)) / _HELD
        with _made(place.parent), ExitStack() as stack:
            while True:
                file = stack.enter_context(place.open("ab"))
                try:
                    locked = lock(file, wait=False)
                except BlockingIOError:
                    raise FolderBusyError(
                        f"--{self.option} {folder}: another command works in this folder; wait "
                        "until it has ended, or name another folder") from None
                if not locked or _leads_to(place, file):
                    break
            stack.callback(place.unlink, missing_ok=True)
            if locked:
                with _locked(place.parent):
                    _sweep(place.parent)
            yield

    def claim(self, folder: Path, names: list[str]) -> None:
        """List files as a folder's own before they are written, beside those that it has.

        Raises
        ------
        OSError, ForeignFilesError
        """
        folder = Path(os.path.realpath(folder))
        with _made(folder), _locked(folder):
            save_file(folder / self.manifest, _json({
                "manifest": self.format,
                "written": dict.fromkeys(sorted({*self.own_files(folder), *names}))}))

    def clear(self, folder: Path) -> None:
        """Delete a folder's own files.

        Raises
        ------
        OSError, ForeignFilesError
        """
        if folder.is_dir():
            with _locked(folder):
                for name in self.own_files(folder):
                    (folder / name).unlink()


def _json(data: dict) -> str:
    return json.dumps(data, indent=1) + "\n"


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Have a folder, and those above it; if what is done with it fails, the new ones go again."""
    new = [p for p in (folder, *folder.parents) if not p.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for path in new:
            with suppress(OSError):
                path.rmdir()  # which an empty folder alone can be
        raise


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Keep other commands from writing a folder at the same time, where its filesystem has locks;
    yields whether it has."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield lock(handle)
    finally:
        os.close(handle)


def _leads_to(path: Path, file: IO[bytes]) -> bool:
    """Whether a path is still that of an open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _sweep(folder: Path) -> None:
    """Remove what killed commands have left of what they were writing to a locked folder."""
    for path in folder.glob(f"{UNFINISHED}*"):
        with suppress(OSError):
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode) and _STAGING.fullmatch(path.name):
                shutil.rmtree(path, ignore_errors=True)
            elif stat.S_ISREG(found.st_mode) and _SAVING.fullmatch(path.name) \
                    and time.time() - found.st_mtime > _LEFT_OVER_S:
                path.unlink()
