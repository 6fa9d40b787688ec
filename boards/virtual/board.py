"""A whole board in simulation: its UART is bytes here, or a pseudo-terminal for programs."""

import ctypes
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from boards.gateware.chips import SdramTiming
from boards.gateware.settings import SystemConfig
from boards.gateware.system import simulated_verilog
from hw.support.errors import ToolMissingError
from sim.faults import BusBreach, Place, SimulationFault, layer_name
from sim.verilated.build import build_shared
from sim.verilated.monitor import MONITOR_HEADER, MONITOR_MACRO

from .chip import Delays, Faults, chip_setup

__all__ = ["VIRTUAL_TIMEOUT_S", "VirtualBoard", "VirtualPort"]

_HARNESS = Path(__file__).parent / "harness" / "board.cpp"
_SLICE_CYCLES = 4096
_CYCLE = 256  # of the board, as times of the host's line are counted
#: For which an answer of a simulated board is waited for, of the machine's time: it loses none.
VIRTUAL_TIMEOUT_S = 30.0


class _Line(ctypes.Structure):
    _fields_ = [("bit", ctypes.c_uint64), ("drop_every", ctypes.c_uint64)]


class VirtualBoard:
    """The Verilated system of a board, with a model of its SDRAM that checks every timing, and
    whose contents at power-up are noise.

    Members
    -------
    hz : of its clock, as it is

    Parameters
    ----------
    system : SystemConfig
    say : called with a line before each long step
    chip : SdramTiming or None
        The chip that is there, if it is not the one that the system was made for.
    delays : Delays or None
        Of the ways between FPGA and chip; None for none that matters.
    faults : Faults
        What is broken. A broken memory breaks no rule: what becomes of its contents shows.
    noise : int
        Draws the memory's contents at power-up.
    change : function or None
        Makes other Verilog of the system's, module by module, the top last; for tests.

    Raises
    ------
    ToolMissingError, sim.verilated.build.BuildError
    """

    def __init__(self, system: SystemConfig, say: Callable[[str], None] = lambda text: None, *,
                 chip: SdramTiming | None = None, delays: Delays | None = None,
                 faults: Faults | None = None, noise: int = 1,
                 change: Callable[[dict[str, str]], dict[str, str]] | None = None):
        self.system, self._faults = system, faults or Faults()
        self.hz = 1e6 * system.clock_mhz * self._faults.clock
        design, generators = repr(system), [simulated_verilog.__module__]
        if change:
            design += change.__qualname__
            generators.append(change.__module__)

        def texts() -> dict[str, str]:
            found = simulated_verilog(system)
            return change(found) if change else found

        library = build_shared(
            "board", design, generators, texts, _HARNESS, headers=[MONITOR_HEADER],
            macros=f"{MONITOR_MACRO} -DPARTITA_BEAT={system.config.port.bytes} "
                   f"-DPARTITA_INSTANCES={system.config.instances}"
                   f"{' -DPARTITA_SDRAM' if system.sdram else ''}", say=say)
        self._lib = lib = ctypes.CDLL(str(library))
        p, u32, u64, raw = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_char_p
        for name, result, arguments in (
                ("new", p, [ctypes.POINTER(_Line), p]), ("free", None, [p]),
                ("bit", None, [p, u64]),
                ("reset", None, [p]), ("run", None, [p, u64]), ("cycles", u64, [p]),
                ("running", ctypes.c_int, [p]), ("feed", None, [p, raw, u64]),
                ("unsent", u64, [p]), ("take", u64, [p, raw, u64]), ("fault", raw, [p]),
                ("breach", raw, [p, ctypes.POINTER(u64)]), ("guard", None, [p]),
                ("place", None, [p, u32, u64, u64]), ("count", u64, [p, ctypes.c_int])):
            function = getattr(lib, f"board_{name}")
            function.restype, function.argtypes = result, arguments
        chip = chip or system.sdram
        self._layers: tuple[str, ...] = ()  # names
        setup = chip_setup(system, chip, faults=faults, delays=delays, noise=noise) \
            if chip else None
        self._board = lib.board_new(
            ctypes.byref(_Line(self._bit(1.0), self._faults.drop_every or 0)),
            ctypes.byref(setup) if setup else None)

    def _bit(self, part: float) -> int:
        """How long a bit of the host's takes, in parts of the board's cycles, where the host
        talks at a part of the baud rate."""
        return round(_CYCLE * self.system.clocks_per_bit * self._faults.clock / part)

    def talk_at(self, part: float) -> None:
        """The host talks at a part of the baud rate that it should."""
        self._lib.board_bit(self._board, self._bit(part))

    def close(self) -> None:
        """Free the model; it cannot be used afterwards."""
        if self._board:
            self._lib.board_free(self._board)
            self._board = None

    def __enter__(self) -> "VirtualBoard":
        return self

    def __exit__(self, *exc) -> None:
        self.close()

    def reset(self) -> None:
        """Press the board's reset button; bytes on their way are lost, memory is not."""
        self._lib.board_reset(self._board)

    def feed(self, data: bytes) -> None:
        """Send bytes to the board's UART."""
        self._lib.board_feed(self._board, data, len(data))

    def take(self) -> bytes:
        """Bytes that the board has sent."""
        buffer = ctypes.create_string_buffer(4096)
        count = self._lib.board_take(self._board, buffer, 4096)
        return buffer.raw[:count]

    def run(self, cycles: int) -> None:
        """Let the clock run.

        Raises
        ------
        SimulationFault
            If the controller broke a rule of the SDRAM's datasheet, or `BusBreach` if the
            accelerator broke one of its memory port.
        """
        self._lib.board_run(self._board, cycles)
        where = (ctypes.c_uint64 * 3)()
        rule = self._lib.board_breach(self._board, where)
        if rule:
            place = Place.of_tag(*where)
            raise BusBreach(rule.decode(), place, layer_name(self._layers, place.layer), None)
        fault = self._lib.board_fault(self._board)
        if fault:
            raise SimulationFault(fault.decode())

    def guard(self, layers: Sequence[str], places: Sequence[tuple[int, int] | None]) -> None:
        """From now on a program that writes anything but its layers' outputs is a `BusBreach`:
        as `sim.backend.VerilatorBackend.guard`."""
        self._layers = tuple(layers)
        self._lib.board_guard(self._board)
        for number, place in enumerate(places):
            self._lib.board_place(self._board, number, *(place or (0, 0)))

    @property
    def cycles(self) -> int:
        """Clock cycles so far."""
        return self._lib.board_cycles(self._board)

    @property
    def seconds(self) -> float:
        """The host's time so far: the clock may be another than the host thinks."""
        return self.cycles / self.hz

    @property
    def running(self) -> bool:
        """An instance runs."""
        return bool(self._lib.board_running(self._board))

    @property
    def unsent(self) -> int:
        """Bytes fed that are not on the line yet."""
        return self._lib.board_unsent(self._board)

    def sdram_counts(self) -> dict[str, int]:
        """Commands that the SDRAM has had."""
        return {name: self._lib.board_count(self._board, k)
                for k, name in enumerate(("columns", "activates", "refreshes"))}


class VirtualPort:
    """A virtual board behind a pseudo-terminal, which serial programs open as a port.

    Members
    -------
    path : the port's name
    fault : what the simulation stopped with, or None; as a context manager it raises that
    waits : answers that lay in the adapter while the board had nothing else to do
    taken : bytes from the host

    Parameters
    ----------
    board : VirtualBoard
    latency_s : float
        For which an answer is kept back, as a USB adapter does; of the machine's time.
    restless : bool
        Its clock runs on where nobody has talked for long.

    Raises
    ------
    ToolMissingError
        Where there are no pseudo-terminals.
    """

    def __init__(self, board: VirtualBoard, *, latency_s: float = 0.0, restless: bool = False):
        self.board = board
        self._restless = restless
        self.fault: Exception | None = None
        self.waits = self.taken = 0
        self.latency_s, self._kept = latency_s, deque[tuple[float, bytes]]()
        self._owed = 0  # cycles that are to pass though nobody talks
        try:
            import pty
            import tty
        except ImportError:
            raise ToolMissingError("a virtual board needs a pseudo-terminal, which this system has "
                                   "not: take Linux, macOS or WSL for --virtual") from None
        master, self._slave = pty.openpty()
        tty.setraw(master)
        tty.setraw(self._slave)
        self._master = os.fdopen(master, "r+b", buffering=0)
        self.path = os.ttyname(self._slave)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._pump, daemon=True)
        self._thread.start()

    def let_pass(self, seconds: float) -> None:
        """Let so many of the host's seconds pass, though nobody talks to the board."""
        self._owed = round(seconds * self.board.hz)
        while self._owed > 0 and self.fault is None:
            time.sleep(0.01)

    def _pump(self) -> None:
        idle = 0
        while not self._stop.is_set():
            busy = (self.board.unsent or self.board.running or idle < 200 or self._owed > 0
                    or self._kept or self._restless)
            ready, _, _ = select.select([self._master], [], [], 0 if busy else 0.05)
            if ready:
                try:
                    data = self._master.read(4096)
                except OSError:
                    return
                self.board.feed(data)
                self.taken += len(data)
                idle = 0
            try:
                self.board.run(_SLICE_CYCLES)
            except SimulationFault as error:
                self.fault = error
                self._master.close()  # whoever waits for an answer is told that it has gone
                return
            self._owed -= _SLICE_CYCLES
            answer = self.board.take()
            if answer:
                self._kept.append((time.monotonic() + self.latency_s, answer))
                idle = 0
            self._give()
            idle += 1

    def _give(self) -> None:
        """Let go of the answers that have been kept back for long enough."""
        given = b""
        while self._kept and self._kept[0][0] <= time.monotonic():
            given += self._kept.popleft()[1]
        if given:
            self.waits += not self._kept and not self.board.unsent
            self._master.write(given)

    def close(self) -> None:
        """Stop the board's clock and remove the port."""
        self._stop.set()
        self._thread.join()
        self._master.close()
        os.close(self._slave)

    def __enter__(self) -> "VirtualPort":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()
        if self.fault and (error is None or isinstance(error, Exception)):
            raise self.fault from None  # whatever came of that
