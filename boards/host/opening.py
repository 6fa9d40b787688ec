"""Opens the link to a board that is plugged in."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from boards.catalogue import Board
from boards.flow.build import MANIFEST, load_manifest
from boards.protocol import BUILD_BYTES
from boards.usb.devices import find_port
from hw.config import Config
from hw.support.reading import FileFormatError

from .causes import silence
from .client import SerialBackend, open_port
from .errors import BoardMismatch, LinkTimeout

__all__ = ["built_here", "open_board"]


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


@contextmanager
def open_board(board: Board, config: Config, port: str, *, serial: str | None = None,
               build: bytes | None = None,
               progress: Callable[[int, int], None] = lambda done, total: None,
               ) -> Iterator[tuple[SerialBackend, str]]:
    """The link to a board, and the path of its port.

    Parameters
    ----------
    port, serial : as `boards.usb.devices.find_port`
    build : bytes or None
        The digest of the sources that the board's bitstream must be from.

    Raises
    ------
    NoBoard, LinkError
    LinkTimeout
        With what may be the cause.
    BoardMismatch
        If the board holds another build.
    """
    path = find_port(board, port, serial)
    transport = open_port(path, board.baud)
    try:
        try:
            link = SerialBackend(config, transport, baud=board.baud, progress=progress)
        except LinkTimeout:
            raise LinkTimeout(f"the {board.title} does not answer at {path}. The likeliest first: "
                              f"{silence(board, path, port)}") from None
        if build is not None and link.build != build:
            raise BoardMismatch(
                f"the board holds build {link.build.hex()} of this configuration, the one here is "
                f"{build.hex()}: flash it again, or name the other's folder with --out")
        yield link, path
    finally:
        transport.close()
