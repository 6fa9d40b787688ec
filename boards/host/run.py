"""Run a network on a board, real or virtual, through the one driver."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass

import numpy as np

from boards.catalogue import Board
from boards.deploy.task import Task
from boards.virtual.board import VirtualPort
from boards.virtual.simulated import differences, simulated
from hw.config import Config
from sw.compiler import Program
from sw.driver.driver import Driver
from sw.graph.integer import IntegerGraph
from sw.reference.golden import run_golden

from .opening import open_board, open_virtual
from .progress import Transfers

__all__ = ["BoardRun", "run_network"]


@dataclass(frozen=True)
class ImageRun:
    """One image: class found and expected (or None), cycles, and whether every stored layer is
    bit for bit that of the golden model; `wrong`, the layers that are not, in words; `counters` of
    each instance; `differences` from the simulation backend's cycles and outputs in words, None
    where nothing was compared."""

    found: int
    expected: int | None
    cycles: int
    bit_exact: bool
    wrong: tuple[str, ...]
    counters: tuple[dict[str, int], ...]
    differences: tuple[str, ...] | None

    @property
    def ok(self) -> bool:
        return self.bit_exact and not self.differences


@dataclass(frozen=True)
class VirtualLoad:
    """What loading a simulated board would take on the line of the real one: `bytes` to it at
    `baud`, and how often nothing but an answer was on its way, which the adapter keeps back for
    `latency_ms`."""

    bytes: int
    baud: int
    waits: int
    latency_ms: float

    @property
    def seconds(self) -> float:
        return 10 * self.bytes / self.baud + self.waits * self.latency_ms / 1000


@dataclass(frozen=True)
class BoardRun:
    """A run on a board: `port`, `load_s` to load the program, `images`, link `repeats`; of a
    simulated one `virtual_load`; `names` of the classes, where they are known."""

    board: str
    network: str
    port: str
    clock_mhz: float
    program_bytes: int
    load_s: float
    images: tuple[ImageRun, ...]
    repeats: int
    virtual_load: VirtualLoad | None
    names: tuple[str, ...] = ()

    def to_json(self) -> dict:
        return {"run": "partita.board-run", "version": 1, **asdict(self)}


def run_network(board: Board, config: Config, make: Callable[[], Task], *, port: str | None,
                virtual_baud: int, virtual_latency_s: float = 0.0, serial: str | None = None,
                build: bytes | None = None, compare: bool = False, say: Callable[[str], None],
                tell: Callable[[str], None] = lambda text: None) -> BoardRun:
    """Load a network onto a board and run images.

    A virtual board's runs are compared with those of the simulation backend, which has the same
    memory: every instance must take the same cycles, by cause and by layer.

    Parameters
    ----------
    board, config : what the board holds
    make : returns what runs, once a board that is plugged in has answered
    port : str or None
        A serial port, or "auto"; None makes a virtual board and uses its pseudo-terminal.
    virtual_baud : int
        Of the virtual board's UART, in simulated time.
    virtual_latency_s : float
        For which the virtual board's adapter keeps an answer back, of the machine's time.
    serial, build : of a board that is plugged in, see `open_board`
    compare : bool
        Compare a board that is plugged in with the simulation, too.
    say, tell : called with lines, and with what is under way, as often as that changes

    Raises
    ------
    LinkError, DriverError, DoesNotFit
    SimulationFault
        If the virtual board broke a rule of its memory.
    """
    with ExitStack() as stack:
        backend = pseudo = reference = None
        progress = Transfers(tell)
        if port is not None:  # what is wrong with a board should show before anything is trained
            backend, path = stack.enter_context(open_board(
                board, config, port, serial=serial, build=build, progress=progress))
        task = make()
        program = task.program
        total = sum(len(data) for _, data in program.segments)
        if backend is None or compare:
            system = board.system(config, baud=virtual_baud, powerup_us=5.0)
            reference = Driver(stack.enter_context(simulated(system, say)))
        if backend is None:
            backend, pseudo = stack.enter_context(open_virtual(
                board, system, latency_s=virtual_latency_s, say=say, progress=progress))
            path = pseudo.path
        driver = Driver(backend)
        driver.stop()  # what an earlier program has left running
        say(f"loading {total:,} bytes")
        progress.expect(total)
        load_s, load = _load(driver, program, pseudo, board)
        if reference:
            reference.load(program)
        if pseudo:  # it watches what the program writes
            pseudo.board.guard([info.name for info in program.layers], program.places(0))
        results = _run_images(driver, reference, task, say, tell)
        return BoardRun(board.name, task.graph.name, path, board.clock_mhz, total, load_s,
                        results, backend.repeats, load, task.names)


def _load(driver: Driver, program: Program, pseudo: VirtualPort | None, board: Board,
          ) -> tuple[float, VirtualLoad | None]:
    """Load a program; return how long that took, and what it would on the line of the board that
    a virtual one stands for."""
    began, before = time.monotonic(), (pseudo.taken, pseudo.waits) if pseudo else (0, 0)
    driver.load(program)
    took = time.monotonic() - began
    if pseudo is None:
        return took, None
    return took, VirtualLoad(pseudo.taken - before[0], board.baud, pseudo.waits - before[1],
                             1000 * pseudo.latency_s)


def _run_images(driver: Driver, reference: Driver | None, task: Task, say: Callable[[str], None],
                tell: Callable[[str], None]) -> tuple[ImageRun, ...]:
    def at(cycles: int, layer: int) -> None:
        name = task.graph.layers[min(layer, len(task.graph.layers) - 1)].name
        tell(f"layer {name}, {cycles:,} cycles")

    runs = []
    for k, image in enumerate(task.images):
        say(f"image {k + 1} of {len(task.images)}")
        label = None if task.labels is None else int(task.labels[k])
        runs.append(_run_image(driver, reference, task.graph, image, label, at))
    return tuple(runs)


def _run_image(driver: Driver, reference: Driver | None, graph: IntegerGraph, image: np.ndarray,
               label: int | None, progress: Callable[[int, int], None]) -> ImageRun:
    """Run an image on the board, and on the simulation that it is compared with."""
    result = driver.run(image, progress=progress)
    wrong = _unlike(graph, result.outputs, run_golden(graph, image), "the golden model")
    unlike = None
    if reference:
        theirs = reference.run(image, progress=progress)
        unlike = (*differences(result, theirs),
                  *_unlike(graph, result.outputs, theirs.outputs, "the simulation"))
    return ImageRun(int(result.output.argmax()), label, result.cycles, not wrong, wrong,
                    result.counters, unlike)


def _unlike(graph: IntegerGraph, ours: Sequence[np.ndarray | None],
            theirs: Sequence[np.ndarray | None], whose: str) -> tuple[str, ...]:
    """The layers whose outputs differ, in words."""
    found = []
    for layer, a, b in zip(graph.layers, ours, theirs, strict=True):
        if a is not None and b is not None and (count := int(np.count_nonzero(a != b))):
            found.append(f"layer {layer.name}: {count:,} of {a.size:,} values differ from {whose}")
    return tuple(found)
