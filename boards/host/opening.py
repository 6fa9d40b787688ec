"""Opens the link to a board: one that is plugged in, or a simulated one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from boards.catalogue import Board
from boards.gateware.settings import SystemConfig
from boards.usb.devices import find_port
from boards.virtual.board import VIRTUAL_TIMEOUT_S, VirtualBoard, VirtualPort
from hw.config import Config

from .causes import silence
from .client import SerialBackend, open_port
from .errors import BoardMismatch, LinkTimeout

__all__ = ["open_board", "open_virtual"]


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


@contextmanager
def open_virtual(board: Board, system: SystemConfig, *, latency_s: float = 0.0,
                 say: Callable[[str], None] = lambda text: None,
                 progress: Callable[[int, int], None] = lambda done, total: None,
                 ) -> Iterator[tuple[SerialBackend, VirtualPort]]:
    """The link to a simulated board, and its port.

    Parameters
    ----------
    latency_s : as of `VirtualPort`
    say, progress : called with lines, and with bytes moved of all

    Raises
    ------
    ToolMissingError, sim.verilated.build.BuildError, LinkError
    SimulationFault
        If the simulation broke a rule of its memory meanwhile, whatever came of that.
    """
    with VirtualBoard(system, say) as chip, VirtualPort(chip, latency_s=latency_s) as port:
        say(f"virtual {board.title} at {port.path}")
        transport = open_port(port.path, board.baud)
        try:
            yield SerialBackend(system.config, transport, baud=board.baud, progress=progress,
                                timeout_s=VIRTUAL_TIMEOUT_S), port
        finally:
            transport.close()
