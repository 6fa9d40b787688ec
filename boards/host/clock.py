"""A board's clock by the host's: cycles that the accelerator counts between two answers."""

import math
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass

from boards.catalogue import Board
from boards.gateware.settings import SystemConfig
from hw import registers
from hw.config import Config
from hw.isa import INSN_BYTES, READ_AHEAD_BYTES, WINDOW_ALIGNMENT, Opcode, encode
from sw.driver.driver import Driver
from sw.driver.errors import DriverError

from .client import SerialBackend
from .errors import BoardMismatch, LinkError
from .session import Port

__all__ = ["Interval", "Measured", "busy_program", "find_clock", "measure_clock", "off"]

#: Baud rates that are tried where none answers at the board's own, as parts of it: half and double
#: for a clock that does not go through its PLL, then what an oscillator may be off by.
RATES = (0.5, 2.0, 0.9, 0.95, 1.05, 1.1, 0.25, 4.0)
#: By which a clock may be off: boards' oscillators and the host's clock are within a tenth of it.
TOLERANCE = 1e-3
#: Of reads of the counter, of which the one that was answered the soonest counts.
_READS = 8


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The host's clock: `seconds` between the reads of the counter, by which `sleep` lets time
    pass, and `now` tells it."""

    seconds: float
    sleep: Callable[[float], object]
    now: Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """MHz that a clock has, at `least` and at `most`."""

    least: float
    most: float

    @property
    def mhz(self) -> float:
        return (self.least + self.most) / 2

    def __str__(self) -> str:
        return f"{self.mhz:.3f} MHz, give or take {(self.most - self.least) / 2:.3f}"

    def is_other(self, mhz: float) -> bool:
        """Whether it is surely another than this."""
        return self.most < mhz * (1 - TOLERANCE) or self.least > mhz * (1 + TOLERANCE)


def busy_program(config: Config, memory_bytes: int, cycles: int) -> bytes:
    """A program that reads the begin of memory for so many cycles at least: at most a beat of the
    port comes in each."""
    words = min(config.buffers.act_words, memory_bytes // config.array.rows)
    runs = min(2 * config.buffers.act_words - 1, (1 << 14) - 1)
    load = encode(Opcode.LOAD, ext_addr=0, act_addr=0, run_words=words, runs=runs, ext_stride=0,
                  act_stride=0, mask=0)
    beats = runs * (words * config.array.rows // config.port.bytes)
    return load * math.ceil(cycles / beats) + encode(Opcode.END)


def measure_clock(system: SystemConfig, link: SerialBackend, interval: Interval) -> Measured:
    """Read a counter of cycles twice. What it was is known of a time between a question and its
    answer, so the clock is known within both of these.

    The accelerator counts while it runs: its first instance reads memory meanwhile.

    Raises
    ------
    LinkError
    DriverError
        If the accelerator does not run for so long.
    """
    size = system.memory_bytes
    program = busy_program(system.config, size,
                           round(1.5 * interval.seconds * 1e6 * system.clock_mhz))
    if len(program) + READ_AHEAD_BYTES > size:
        raise DriverError(f"{len(program) // INSN_BYTES} instructions do not fit {size:,} bytes")
    driver = Driver(link)
    driver.stop()
    link.write_memory(0, program)
    for name, value in (("PROGRAM", 0), ("WINDOW_BASE", 0),
                        ("WINDOW_BYTES", size // WINDOW_ALIGNMENT * WINDOW_ALIGNMENT)):
        link.write_register(registers.address(name, 0), value)
    link.write_register(registers.address("ACTIVE"), 1)
    link.write_register(registers.address("START"), 1)
    try:
        asked, answered, before = _read(link, interval.now)
        interval.sleep(interval.seconds)
        asked_again, answered_again, after = _read(link, interval.now)
        if not link.read_register(registers.address("RUNNING")):
            raise DriverError(f"the accelerator stopped, {after:,} cycles after it had begun")
    finally:
        driver.stop()
    counted = (after - before) / 1e6
    return Measured(least=counted / (answered_again - asked),
                    most=counted / (asked_again - answered))


def _read(link: SerialBackend, now: Callable[[], float]) -> tuple[float, float, int]:
    """When the counter was asked for, when it was told, and what it was."""
    found = []
    for _ in range(_READS):
        asked = now()
        cycles = link.read_register(registers.address("CYCLES"))
        found.append((asked, now(), cycles))
    return min(found, key=lambda x: x[1] - x[0])


def off(board: Board, mhz: float) -> str:
    """What a clock of another frequency may come from, and what comes of it."""
    source = board.clock_mhz * board.pll.get("CLKI_DIV", 1) / board.pll.get("CLKFB_DIV", 1)
    if not board.pll:
        why = f"is the board's oscillator one of {source:g} MHz?"
    elif abs(mhz / source - 1) < 0.05:
        why = f"it is the oscillator's: the PLL, which makes {board.clock_mhz:g} of it, is idle"
    else:
        why = f"is the board's oscillator one of {source:g} MHz, and does the PLL lock?"
    late = "" if mhz < board.clock_mhz else "; nothing is sure to be right at a faster clock"
    return f"not {board.clock_mhz:g}: {why}{late}"


def find_clock(connect: Callable[[int], Port], board: Board, config: Config,
               interval: Interval, **options) -> str:
    """Why a board does not answer at its baud rate: its clock, if it answers at another; "" if it
    does not. The clock is measured where the board holds the configuration."""
    for part in RATES:
        baud = round(part * board.baud)
        try:
            transport = connect(baud)
        except (LinkError, ValueError):  # no rate of this machine's
            continue
        with closing(transport), suppress(LinkError):
            mhz, said = _clock_behind(transport, board, config, interval, part, **options)
            return (f"it answers at {baud:,} baud, not {board.baud:,}: its clock is {said}, "
                    f"{off(board, mhz)}")
    return ""


def _clock_behind(transport: Port, board: Board, config: Config, interval: Interval, part: float,
                  **options) -> tuple[float, str]:
    """The clock in MHz of what answers at a part of the baud rate, in numbers and in words."""
    mhz = part * board.clock_mhz
    with suppress(BoardMismatch):  # an answer all the same
        link = SerialBackend(config, transport, baud=round(part * board.baud), **options)
        with suppress(DriverError):
            found = measure_clock(board.system(config), link, interval)
            return found.mhz, f"{found} by this machine's"
    return mhz, f"about {mhz:g} MHz"
