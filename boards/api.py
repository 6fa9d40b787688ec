"""Boards from Python: where `sw.api` measures a network besides the simulation.

    from boards.api import board
    from sw.api import accuracy
    accuracy(graph, images, labels, on=board("ulx3s-12f", virtual=True))
    accuracy(graph, images, labels, on=board("ulx3s-12f", port="auto"))
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hw.config import Config
from sw.compiler import Program
from sw.cycles.memory import MemoryTiming

from .catalogue import VIRTUAL_BAUD, Board, find
from .flow.fit import check_fit, check_memory
from .flow.held import built_here
from .host.client import SerialBackend
from .host.opening import open_board, open_virtual
from .machines import memory_timing

__all__ = ["BoardMachine", "board"]


@dataclass(frozen=True)
class BoardMachine:
    """A board as a machine that `sw.api.accuracy` measures on: the board with the configuration
    that it holds, and how it is reached. `board` makes one."""

    board: Board
    config: Config
    port: str | None
    serial: str | None = None
    build: bytes | None = None
    say: Callable[[str], None] = field(default=lambda text: None, compare=False)

    @property
    def name(self) -> str:
        return self.board.title if self.port else f"virtual {self.board.title}"

    @property
    def memory(self) -> MemoryTiming:
        """What its external memory takes."""
        return memory_timing(self.board, self.config)

    @contextmanager
    def opened(self, program: Program) -> Iterator[SerialBackend]:
        """The link to it, for a program.

        Raises
        ------
        DoesNotFit
            If the board has too little memory for the program.
        NoBoard, LinkError, LinkTimeout, BoardMismatch
        """
        check_memory(self.board, self.config, program.name, program.window_bytes)
        if self.port:
            with open_board(self.board, self.config, self.port, serial=self.serial,
                            build=self.build) as (link, _):
                yield link
        else:
            system = self.board.system(
                self.config, baud=min(VIRTUAL_BAUD, self.board.most_baud), powerup_us=5.0)
            with open_virtual(self.board, system, say=self.say) as (link, _):
                yield link


def board(name: str, *, port: str | None = None, virtual: bool = False, serial: str | None = None,
          config: Config | None = None, build: Path | str | None = None,
          say: Callable[[str], None] = lambda text: None) -> BoardMachine:
    """Return a board to measure on; it is opened when something is measured.

    Parameters
    ----------
    name : of `python -m boards list`
    port : its serial port, or "auto" for the one of its USB device
    virtual : a simulated board, in place of a port
    serial : of the USB device, where there are several alike
    config : what a virtual board holds, or one without a build here; by default its preset
    build : the folder of the build that the board holds; by default build/BOARD, if it is there
    say : called with lines of status

    Raises
    ------
    ValueError
        If there is no such board, or what is given does not go together.
    DoesNotFitError
        If the board does not hold the configuration.
    """
    found = find(name)
    if port == "":
        raise ValueError("port is empty; it is \"auto\" or a path")
    if virtual and port is not None:
        raise ValueError(f"port is {port!r}, a board that is plugged in, and virtual is True, a "
                         "simulated one; leave one out")
    if not virtual and port is None:
        raise ValueError("name the board's serial port, port=\"auto\" or its path, or take "
                         "virtual=True")
    if virtual:
        if serial is not None or build is not None:
            raise ValueError("serial and build go with a port; a virtual board has neither")
        check_fit(found, config or found.config)
        return BoardMachine(found, config or found.config, None, say=say)
    folder = Path(build or Path("build", found.name))
    held = built_here(folder, found)
    if held is None and build is not None:
        raise ValueError(f"{folder} holds no build; make it: python -m boards build {found.name} "
                         f"--out {folder}")
    if held and config not in (None, held[0]):
        raise ValueError(f"config is {config.shape}, {config.digest[:8]}; the board holds the "
                         f"build {folder}, {held[0].shape}, {held[0].digest[:8]}: leave it out, or "
                         "name another build")
    mine, digest = held or (config or found.config, None)
    if held is None:
        check_fit(found, mine)
    return BoardMachine(found, mine, port, serial, digest, say)
