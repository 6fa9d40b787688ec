"""What a board holds, as far as its build is in a folder here."""

import re
from pathlib import Path

from boards.catalogue import Board
from boards.protocol import BUILD_BYTES
from hw.config import Config
from hw.support.reading import FileFormatError

from .build import MANIFEST, load_manifest

__all__ = ["built_here"]


def built_here(folder: Path, board: Board) -> tuple[Config, bytes | None] | None:
    """The configuration of the build in a folder, and the digest of its sources, if it has one;
    None if there is no build; raises ValueError where its manifest is damaged."""
    if not (folder / MANIFEST).is_file():
        return None
    data = load_manifest(folder, board)
    digest = data.get("build")  # which older builds do not tell
    if digest is not None and not re.fullmatch(rf"[0-9a-f]{{{2 * BUILD_BYTES}}}", str(digest)):
        raise FileFormatError(f"{folder / MANIFEST}: build is {digest!r}; it must be "
                              f"{2 * BUILD_BYTES} hexadecimal digits: build it again")
    return Config.from_dict(data["config"]), bytes.fromhex(digest) if digest else None
