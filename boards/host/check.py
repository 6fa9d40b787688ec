"""Is a board in order? Link, identity, memory, and the accelerator, each in words."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np

from boards.catalogue import Board
from hw import registers
from hw.config import Config
from sw.compiler import compile_graph
from sw.driver.driver import Driver
from sw.driver.errors import DriverError
from sw.graph.integer import IntegerGraph, Layer
from sw.reference.golden import run_golden

from . import memorytest
from .client import SerialBackend
from .clock import Interval, measure_clock, off
from .errors import LinkError, LinkTimeout

__all__ = ["Finding", "Scope", "check_board", "known_answer"]

#: What repetitions on the way tell, and what to do.
_LOST = ("bytes are lost or damaged on the way: another cable or USB port, no hub; is another "
         "program at the port?")


@dataclass(frozen=True)
class Finding:
    """What was looked at, whether it is in order, and what was found, in words."""

    what: str
    ok: bool
    found: str

    def to_json(self) -> dict:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """How much is tested.

    Members
    -------
    link_bytes : random bytes to the board, and back, at least
    blocks : of memory, of 1 KiB each; None for all
    retention_s : for which memory is left alone
    clock_s : for which the clock is measured
    core : the accelerator, too
    """

    link_bytes: int = 100_000
    blocks: int | None = 128
    retention_s: float = 10.0
    clock_s: float = 3.0
    core: bool = True


def known_answer(config: Config) -> tuple[IntegerGraph, np.ndarray]:
    """A network of one convolution, some tiles of the array, and an image for it."""
    draw = np.random.default_rng(1)
    channels, out, side = 2 * config.array.rows, 2 * config.array.cols, 6
    layer = Layer(
        "tile", draw.integers(-127, 128, (out, channels, 3, 3), dtype=np.int8),
        draw.integers(-2000, 2000, out).astype(np.int32),
        draw.integers(1 << 13, 1 << 15, out).astype(np.uint16), np.full(out, 22, np.uint8),
        -128, 127, (1, 1), (1, 1), 1, (channels, side, side), (out, side, side), (out, side, side))
    image = draw.integers(-128, 128, (channels, side, side), dtype=np.int8)
    return IntegerGraph("tile", (layer,), 1.0, 1.0), image


def check_board(board: Board, config: Config, link: SerialBackend, scope: Scope, *,
                build: bytes | None = None,
                sleep: Callable[[float], object] = time.sleep,
                clock: Callable[[], float] = time.perf_counter) -> Iterator[Finding]:
    """Look at one thing after another, from the link to the accelerator; what fails makes what
    comes after it fail, too, so the first that does is the cause."""
    yield _identity(link, config, build)
    size = board.system(config).memory_bytes
    try:
        yield _link(link, size, scope.link_bytes, clock)
        yield from _memory(board, config, link, scope, size, sleep)
        yield _clock(board, config, link, Interval(seconds=scope.clock_s, sleep=sleep, now=clock))
        if scope.core:
            yield _core(link, config)
    except LinkTimeout as error:
        yield Finding("link", False, f"it broke off: {error}")
    except LinkError as error:
        yield Finding("board", False, str(error))


def _identity(link: SerialBackend, config: Config, build: bytes | None) -> Finding:
    magic = link.read_register(registers.address("ID"))
    digest = link.read_register(registers.address("CONFIG_HASH"))
    said = f"configuration {config.digest[:8]}, build {link.build.hex()}"
    if magic != registers.MAGIC:
        return Finding("identity", False, f"the accelerator's ID reads 0x{magic:08x}, not "
                       f"0x{registers.MAGIC:08x}: the link is alive, the accelerator is not")
    if digest != int(config.digest[:8], 16):
        return Finding("identity", False, f"the accelerator's configuration is {digest:08x}, the "
                       f"link's {config.digest[:8]}: a bitstream of mixed sources; build it again")
    if build is not None and build != link.build:
        return Finding("identity", False, f"{said}; the build here is {build.hex()}: the board "
                       "holds an older or another bitstream of this configuration; flash it again")
    return Finding("identity", True, said)


def _link(link: SerialBackend, size: int, least: int, clock: Callable[[], float]) -> Finding:
    """Random bytes to the board and back, as often as it takes for so many; what comes back is
    memory's, and not looked at here."""
    draw, session, began, moved = random.Random(2), link.session, clock(), 0
    asked, repeated = session.requests, session.repeats
    try:
        while moved < least:
            part = min(size, least - moved)
            link.write_memory(0, draw.randbytes(part))
            link.read_memory(0, part)
            moved += part
    except LinkTimeout as error:
        return Finding("link", False, f"it answers short requests, then breaks off: {error}; "
                       f"{_LOST}")
    asked, repeated = session.requests - asked, session.repeats - repeated
    rate = 2 * moved / max(1e-9, clock() - began) / 1000
    said = (f"{moved:,} bytes to the board and {moved:,} back, {repeated} repetitions in {asked} "
            f"requests, {rate:,.0f} kB/s")
    if repeated:
        said += f"; {_LOST}"
    return Finding("link", not repeated, said)


def _memory(board: Board, config: Config, link: SerialBackend, scope: Scope, size: int,
            sleep: Callable[[float], object]) -> Iterator[Finding]:
    word_bits = board.sdram.data_bits if board.sdram else 8 * config.port.bytes
    faults = memorytest.data_faults(link, word_bits)
    yield Finding("data pins", not faults, _told(
        faults, f"{word_bits} bits, each for itself", "look at the memory's solder, and at the "
        "phase of its clock if all are wrong"))
    faults = memorytest.address_faults(link, board, size, config.port.bytes)
    yield Finding("address pins", not faults, _told(
        faults, f"{size:,} bytes tell from each other", "look at the memory's solder; a smaller "
        "chip than the catalogue says shows like this, too"))
    places = memorytest.blocks(size, most=scope.blocks)
    marched = memorytest.march(link, places)
    share = f", {len(places) * memorytest.BLOCK_BYTES:,} of {size:,} tested"
    yield Finding("memory", not marched.bytes, f"march: {marched}{share}")
    wrong = memorytest.retention(link, places[::max(1, len(places) // 16)],
                                 lambda: sleep(scope.retention_s))
    said = f"after {scope.retention_s:g} s: {wrong}"
    if wrong.bytes and marched.bytes:
        said += "; some were so at once"
    elif wrong.bytes and board.sdram:
        said += "; what is written fades: the memory is not refreshed"
    yield Finding("retention", not wrong.bytes, said)


def _clock(board: Board, config: Config, link: SerialBackend, interval: Interval) -> Finding:
    try:
        found = measure_clock(board.system(config), link, interval)
    except LinkError:
        raise
    except DriverError as error:
        return Finding("clock", False, f"not measured: {error}")
    said = f"{found} by this machine's, in {interval.seconds:g} s"
    wrong = found.is_other(board.clock_mhz)
    return Finding("clock", not wrong, f"{said}; {off(board, found.mhz)}" if wrong else said)


def _told(faults: list[str], good: str, remedy: str) -> str:
    if not faults:
        return good
    more = f" and {len(faults) - 4} more" if len(faults) > 4 else ""
    return "; ".join(faults[:4]) + f"{more}; {remedy}"


def _core(link: SerialBackend, config: Config) -> Finding:
    graph, image = known_answer(config)
    driver = Driver(link)
    try:
        driver.stop()
        driver.load(compile_graph(graph, config))
        result = driver.run(image)
    except LinkError:
        raise
    except DriverError as error:
        return Finding("accelerator", False, f"it did not finish: {error}")
    [expected] = run_golden(graph, image)
    wrong = int(np.count_nonzero(result.output.reshape(-1) != expected.reshape(-1)))
    said = f"{expected.size} values of a convolution, {result.cycles:,} cycles"
    return Finding("accelerator", not wrong, said if not wrong else (
        f"{wrong} of {said} are wrong, though the memory is in order: does the design meet its "
        "clock, and is the supply steady?"))
