"""The host driver: loads programs, starts the accelerator, reads results and counters.

It speaks to a backend, which may be a simulation or a board; it never asks which.
"""

import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from hw import registers
from hw.config import Config
from hw.gateware.signatures.ports import Channel
from hw.isa import ISA_VERSION, WINDOW_ALIGNMENT, ErrorCode, Opcode
from sw.compiler import Program

from .backend import Backend, Observer
from .errors import (
    ConfigMismatch,
    CountersWrapped,
    DriverError,
    InstanceError,
    InstanceFault,
    StillRunning,
    StopFailed,
    TimeoutExpired,
    WindowError,
)
from .ledger import Entry, divide
from .result import RunResult

__all__ = ["STOP_CYCLES", "WATCHDOG_CYCLES", "Driver"]

_SLICE_CYCLES = 20_000
_REPORT_S = 0.2  # between reports of progress
#: A stopped instance waits for what the memory owes it, which is far less.
STOP_CYCLES = 200_000
#: Without progress, after which an instance stops.
WATCHDOG_CYCLES = 1_000_000


class Driver:
    """Run programs on a backend.

    Parameters
    ----------
    backend : Backend
    watchdog_cycles : int
        Cycles without progress after which an instance stops; 0 never does.

    Raises
    ------
    ConfigMismatch
        If the hardware is not the one that the backend's configuration describes.
    """

    def __init__(self, backend: Backend, *, watchdog_cycles: int = WATCHDOG_CYCLES):
        self._backend = backend
        self._program: Program | None = None
        found = self._read("ID")
        if found != registers.MAGIC:
            raise ConfigMismatch(f"the ID register reads 0x{found:08x}, not "
                                 f"0x{registers.MAGIC:08x}: this is not a Partita accelerator")
        found = self._read("VERSIONS")
        versions, mine = (found & 0xFFFF, found >> 16), (ISA_VERSION, registers.MAP_VERSION)
        if versions != mine:
            raise ConfigMismatch("the hardware has instruction format {} and register map {}; this "
                                 "driver has {} and {}: build the hardware again with this version"
                                 .format(*versions, *mine))
        self._check_config(backend.config)
        self._write("WATCHDOG", watchdog_cycles)

    def _check_config(self, config: Config) -> None:
        found, expected = self._read("CONFIG_HASH"), int(config.digest[:8], 16)
        if found != expected:
            raise ConfigMismatch(f"the hardware's configuration has hash {found:08x}, not "
                                 f"{expected:08x}: build hardware and program from the same one")

    def _read(self, name: str, instance: int | None = None) -> int:
        return self._backend.read_register(registers.address(name, instance))

    def _write(self, name: str, value: int, instance: int | None = None) -> None:
        self._backend.write_register(registers.address(name, instance), value)

    def load(self, program: Program, base: int = 0) -> None:
        """Write a program's memory image and point the instances at it.

        Parameters
        ----------
        program : Program
        base : int
            Byte address of its memory window, a multiple of 4096.

        Raises
        ------
        ConfigMismatch
            If it was compiled for another configuration.
        StillRunning
        WindowError
            If the accelerator can have no window there.
        """
        _check_window(base, program)
        self._check_config(program.config)
        self._check_idle("a program is loaded")
        self._program = None  # until all of it is there
        for offset, data in program.segments:
            self._backend.write_memory(base + offset, data)
        for i, start in enumerate(program.programs):
            if start is not None:
                self._write("PROGRAM", start, i)
                self._write("WINDOW_BASE", base, i)
                self._write("WINDOW_BYTES", program.window_bytes, i)
        self._base, self._active = base, (1 << program.config.instances) - 1
        self._write("ACTIVE", self._active)
        if isinstance(self._backend, Observer):
            self._backend.guard([info.name for info in program.layers], program.places(base))
        self._program = program

    def activate(self, active: int) -> None:
        """Let only the first `active` partitions of the loaded program take part in the next
        runs; the other instances' clocks are off.

        Raises
        ------
        DriverError
            If no program is loaded.
        StillRunning
        ActiveError
            If there are not so many partitions, or if the program was not compiled for it.
        """
        program = self._program
        if program is None:
            raise DriverError("no program is loaded")
        mask = program.active_mask(active)
        self._check_idle("partitions are chosen")
        self._active, self._program = mask, None  # until all is as it must be
        for offset, size in program.dropped_regions(active):
            self._backend.write_memory(self._base + offset, np.zeros(size, np.uint8))
        self._write("ACTIVE", self._active)
        self._program = program

    def run(self, image: np.ndarray, *,
            progress: Callable[[int, int], None] = lambda cycles, layer: None,
            timeout_cycles: int = 1 << 31) -> RunResult:
        """Run the loaded program on one input.

        Parameters
        ----------
        image : int8[C, H, W], or int8[n, C, H, W] of a program for a batch of n or more
        progress : called with (cycles so far, number of the layer under way)
        timeout_cycles : int

        Whatever ends the wait, an interrupt too, the accelerator has been stopped by then.

        Raises
        ------
        ValueError
            If the input's type or shape is wrong.
        InstanceError
            If an instance stopped; the others have finished by then.
        TimeoutExpired, StopFailed, StillRunning
        CountersWrapped
            If it took 2^32 cycles or more, which `timeout_cycles` must allow.
        """
        program = self._prepare(image)
        try:
            self._begin(program)
            self._wait(progress, timeout_cycles)
        except DriverError:  # it has been stopped, or cannot be reached
            raise
        except BaseException:
            with suppress(Exception):
                self.stop()
            raise
        if isinstance(self._backend, Observer):  # before results are read, which takes cycles
            self._backend.end_account(len(program.layers) - 1)
        self._raise_faults(program)
        if self._read("WRAPPED"):
            raise CountersWrapped("the run took 2^32 cycles or more, which no counter holds: take "
                                  "a smaller batch, or stop at a lower timeout_cycles")
        return self._gather(program, program.images_in(image))

    def start(self, image: np.ndarray) -> Program:
        """Write an input and start the loaded program, without waiting for its end.

        Returns
        -------
        Program

        Raises
        ------
        StillRunning
        """
        program = self._prepare(image)
        self._begin(program)
        return program

    def _prepare(self, image: np.ndarray) -> Program:
        """Write an input of the loaded program."""
        program = self._program
        if program is None:
            raise DriverError("no program is loaded")
        packed = program.pack_input(image)
        self._check_idle("a run is started")
        self._backend.write_memory(self._base + program.input.offset, packed)
        return program

    def _begin(self, program: Program) -> None:
        if isinstance(self._backend, Observer):
            self._backend.begin_account()
        self._write("START", program.start_mask)

    def stop(self) -> None:
        """Stop every instance that runs, and wait until none does.

        Raises
        ------
        StopFailed
            If the memory has not given what it owes after 200,000 cycles.
        """
        self._write("STOP", (1 << self._backend.config.instances) - 1)
        cycles = 0
        while running := self._read("RUNNING"):
            if cycles >= STOP_CYCLES:
                raise StopFailed(f"instances {running:#x} (mask) have not stopped after {cycles} "
                                 "cycles: the memory does not answer; reset the accelerator")
            cycles += self._backend.advance(STOP_CYCLES - cycles)

    def _check_idle(self, what: str) -> None:
        running = self._read("RUNNING")
        if running:
            raise StillRunning(f"instances {running:#x} (mask) run; stop() them before {what}")

    def _wait(self, progress: Callable[[int, int], None], timeout_cycles: int) -> None:
        cycles, reported = 0, time.monotonic()
        while running := self._read("RUNNING"):
            if cycles >= timeout_cycles:
                self.stop()
                raise TimeoutExpired(f"instances {running:#x} (mask) still ran after {cycles} "
                                     "cycles; they have been stopped")
            cycles += self._backend.advance(min(_SLICE_CYCLES, timeout_cycles - cycles))
            if time.monotonic() - reported > _REPORT_S:
                reported = time.monotonic()
                progress(cycles, self._layers_ended())

    def _layers_ended(self) -> int:
        """Layers that the slowest instance has ended."""
        assert self._program is not None
        started = [i for i in range(self._program.config.instances) if self._started >> i & 1]
        if isinstance(self._backend, Observer):  # what is counted must not depend on who looks
            ended = self._backend.layers_ended()[started].tolist()
        else:
            ended = [self._read("LOG_COUNT", i) for i in started]
        return min(ended, default=0)

    @property
    def _started(self) -> int:
        """Mask of the instances that START starts."""
        assert self._program is not None
        return self._program.start_mask & self._active

    def _raise_faults(self, program: Program) -> None:
        errors = self._read("ERROR") & self._started
        faults = []
        for i in range(program.config.instances):
            if errors >> i & 1:
                layer = self._read("ERROR_LAYER", i)
                opcode = self._read("ERROR_OPCODE", i)
                name = (program.layers[layer].name if layer < len(program.layers)
                        else f"number {layer}")
                known = {op.value: op for op in Opcode}
                faults.append(InstanceFault(i, ErrorCode(self._read("ERROR_CODE", i)), name,
                                            known.get(opcode) if opcode else None))
        if faults:
            raise InstanceError(faults)

    def _gather(self, program: Program, images: int) -> RunResult:
        backend, count = self._backend, len(program.layers)
        outputs = tuple(self._output(program, k, images) for k in range(count))
        cycles = self._read("CYCLES")
        counters = tuple(
            {name: self._read(name, i) if self._active >> i & 1 else 0
             for name in ("TOTAL", *registers.COUNTERS)}
            for i in range(program.config.instances))
        port_bytes = weight_bytes = program_bytes = activity = misses = spared = None
        if isinstance(backend, Observer):
            moved = backend.port_bytes(count).sum(axis=2)
            port_bytes = tuple(int(n) for n in moved.sum(axis=1))
            weight_bytes = tuple(int(n) for n in moved[:, Channel.WEIGHTS.value])
            program_bytes = tuple(int(n) for n in moved[:, Channel.PROGRAM.value])
            misses = tuple(int(n) for n in backend.page_misses()[:count])
            spared = tuple(int(n) for n in backend.spared_vectors()[:count])
            counted = [[unit for i in range(program.config.instances + 1)
                        if (unit := backend.activity(k, i)) is not None] for k in range(count)]
            if counted[0]:
                activity = tuple(tuple(row) for row in counted)
        logs = self._logs(program)
        spans, ledger = (None, None) if logs is None else divide(program, logs, cycles, counters)
        return RunResult(outputs, cycles, spans, counters, ledger, port_bytes, weight_bytes,
                         program_bytes, activity, misses, spared)

    def _output(self, program: Program, layer: int, images: int) -> np.ndarray | None:
        stored = program.stored(layer)
        if stored is None:
            return None
        offset, size = stored
        data = self._backend.read_memory(self._base + offset, size)
        output = program.unpack_output(layer, data)
        return output if program.batch == 1 else output[:images]

    def _logs(self, program: Program) -> list[list[Entry] | None] | None:
        """Each instance's log, None of one that did not run; or None, as some is missing."""
        started = [self._started >> i & 1 for i in range(program.config.instances)]
        if not program.fits_log or any(
                self._read("LOG_LOST", i) for i, runs in enumerate(started) if runs):
            return None
        return [self._log(i) if runs else None for i, runs in enumerate(started)]

    def _log(self, instance: int) -> list[Entry]:
        """What an instance has noted at the end of each layer."""
        return [{word: self._log_word(instance, entry, word)
                 for word in ("LAYER", "TOTAL", *registers.COUNTERS)}
                for entry in range(self._read("LOG_COUNT", instance))]

    def _log_word(self, instance: int, entry: int, word: str) -> int:
        self._write("LOG_SELECT", entry * 16 + registers.LOG_WORDS.index(word), instance)
        return self._read("LOG_DATA", instance)


def _check_window(base: int, program: Program) -> None:
    """Raise a WindowError if a program's window cannot begin there."""
    size, bits = program.window_bytes, program.config.port.address_bits
    if base < 0 or base % WINDOW_ALIGNMENT:
        raise WindowError(f"base is {base}; a memory window starts at a multiple of "
                          f"{WINDOW_ALIGNMENT}: choose one")
    if base + size > 1 << bits:
        raise WindowError(f"base is {base}; with the program's {size} bytes the window must stay "
                          f"within 2^{bits}: choose a lower base, or raise port.address_bits")
    if size >> 32:
        raise WindowError(f"the program's window has {size} bytes; a register holds 2^32 - 1 of "
                          "them: make the network smaller")
