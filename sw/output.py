"""What commands write: files, whole or not at all."""

import os
import tempfile
from pathlib import Path

__all__ = ["require_folder", "save_text"]


def require_folder(**files: Path | None) -> None:
    """Refuse files, by the name of their option, that could not be written once all is done.

    Raises
    ------
    ValueError
        If a file's folder does not exist.
    """
    for option, path in files.items():
        if path and not path.resolve().parent.is_dir():
            raise ValueError(f"--{option} {path}: its folder does not exist")


def save_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
