"""The Verilated accelerator and its memory behind the driver's backend interface."""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hw.config import Config
from hw.gateware.signatures.ports import Channel
from hw.gateware.top import CORE_NAME, SHELL_NAME
from hw.registers import COUNTERS
from sim.activity.values import UnitActivity
from sim.verilated.build import activity_maps, build
from sim.verilated.interface import load_library
from sim.verilated.memory import RtlMemory

from .faults import SimulationFault
from .settings import check_settings, check_stall
from .watched import WatchedPorts

__all__ = ["VerilatorBackend"]

_LAYERS, _CHANNELS, _INSTANCES = 2048, 4, 32
#: Of a call of the model, during which no signal is seen: a tenth of a second for the largest.
_SLICE_CYCLES = 1000


class VerilatorBackend(WatchedPorts):
    """A simulated accelerator.

    Parameters
    ----------
    config : Config
    memory_bytes : int
        Size of the external memory.
    latency_cycles, page_miss_cycles, page_bytes, banks : int
        The memory's timing, see `sim/verilated/harness/memory.h`; bounds are in
        `sim.settings.LIMITS`.
    stall_probability : float, 0 to 0.9
        That a memory channel stalls in a cycle, drawn from `seed`, as is what the accelerator's
        own memories hold at first, unless toggles are counted or traced: then zeros.
    count_toggles : bool
        Count every flip-flop's toggles and clocked cycles, and the accesses of memories.
    check : bool
        Check in every cycle that core outputs do not depend on core inputs, which the
        simulation of cores and shell as separate models relies on, that a core without a clock
        because it dozes would not change if it had one, and that no register of a unit changes
        though the unit does not tell that it advances.
    doze : bool
        Turn the clocks of waiting cores off, as the hardware does. Cycles and results are the
        same without.
    threads : int, 1 or more
        That share the cores' part of each cycle, at most one for each instance; what they compute
        is the same. More than there are idle processors make it slower.
    kind : "vcd" or "wave" for a build that can also `trace` into such files
    memory : RtlMemory or None
        Takes the model's place; the model's settings are then of no effect. Its configuration has
        one port.
    library : what `sim.verilated.build.build` has returned for the configuration, for those who
        make many models of it; None looks for it anew
    change : function or None
        Makes other Verilog of the modules', by their names; for tests.
    say : called with a line before each long step

    Raises
    ------
    ToolMissingError, sim.verilated.build.BuildError
    ValueError
        Naming the setting, its value and the rule.
    """

    def __init__(self, config: Config, *, memory_bytes: int, latency_cycles: int = 40,
                 page_miss_cycles: int = 12, page_bytes: int = 2048, banks: int = 8,
                 stall_probability: float = 0.0, seed: int = 1, count_toggles: bool = False,
                 check: bool = False, doze: bool = True, threads: int = 1,
                 kind: str | None = None, memory: RtlMemory | None = None,
                 library: Path | None = None,
                 change: Callable[[dict[str, str]], dict[str, str]] | None = None,
                 say: Callable[[str], None] = lambda text: None):
        check_stall(stall_probability)
        check_settings(memory_bytes=memory_bytes, latency_cycles=latency_cycles,
                       page_miss_cycles=page_miss_cycles, page_bytes=page_bytes, banks=banks,
                       seed=seed, threads=threads)
        if memory and config.ports != 1:
            raise ValueError(f"a memory in Verilog has one port; the configuration {config.ports}")
        self.config = config
        library = library or build(
            config, say, kind=kind or ("activity" if count_toggles else "plain"), memory=memory,
            change=change)
        self._lib = load_library(library)
        self._maps = activity_maps(library) if count_toggles else {}
        self._handle = self._lib.partita_new(
            memory_bytes, latency_cycles, page_miss_cycles, page_bytes, banks,
            round(stall_probability * (1 << 32)), seed,
            ctypes.addressof(memory.options) if memory and memory.options else None, threads,
            0 if count_toggles or kind else seed & 0x7FFF_FFFF or 1)
        self._memory_bytes = memory_bytes
        self._layers = ()
        self._may_look = memory is None  # into the memory while something is under way
        self._counting = count_toggles
        self._lib.partita_check(self._model, int(check))
        self._lib.partita_doze(self._model, int(doze))
        self._lib.partita_count_toggles(self._model, int(count_toggles))

    def __enter__(self) -> "VerilatorBackend":
        return self

    def __exit__(self, *exc) -> None:
        self.close()

    def close(self) -> None:
        """Free the model; it cannot be used afterwards."""
        if self._handle:
            self._lib.partita_free(self._handle)
            self._handle = None

    @property
    def _model(self) -> int:
        if not self._handle:
            raise RuntimeError("the simulation has been closed")
        return self._handle

    # -- the backend protocol --------------------------------------------------------------
    def write_memory(self, addr: int, data: bytes | np.ndarray) -> None:
        data = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data
        flat = np.ascontiguousarray(data).view(np.uint8).reshape(-1)
        self._range(addr, flat.size)
        self._lib.partita_poke(self._model, addr, flat.ctypes.data, flat.size)

    def read_memory(self, addr: int, count: int) -> np.ndarray:
        self._range(addr, count)
        data = np.empty(count, np.uint8)
        self._lib.partita_peek(self._model, addr, data.ctypes.data, count)
        return data

    def _range(self, addr: int, count: int) -> None:
        if addr < 0 or count < 0 or addr + count > self._memory_bytes:
            raise ValueError(f"memory access at {addr} of {count} bytes; the memory has "
                             f"{self._memory_bytes}")

    def write_register(self, addr: int, value: int) -> None:
        check_settings(addr=addr, value=value)
        self._answer(self._lib.partita_write_register(self._model, addr, value), addr)

    def read_register(self, addr: int) -> int:
        check_settings(addr=addr)
        value = ctypes.c_uint32()
        self._answer(self._lib.partita_read_register(self._model, addr, ctypes.byref(value)), addr)
        return value.value

    def _answer(self, response: int, addr: int) -> None:
        self._raise_fault()
        if response < 0:
            raise SimulationFault(f"no answer from register 0x{addr:x}")
        if response:
            raise ValueError(f"there is no register at 0x{addr:x}")

    def advance(self, cycles: int) -> int:
        """Run at most `cycles`, less if every started instance ends; return how many. A signal
        is seen after each slice of them."""
        check_settings(cycles=cycles)
        done = 0
        while done < cycles:
            done += self._lib.partita_run(self._model, min(_SLICE_CYCLES, cycles - done))
            self._raise_fault()
            if self._lib.partita_all_ended(self._model):
                break
        return done

    # -- what only a simulation knows ---------------------------------------------------------
    def begin_account(self) -> None:
        """Start counting bytes and toggles from nothing."""
        self._lib.partita_begin(self._model)

    def end_account(self, layer: int) -> None:
        """Book what instances did after their last mark under a layer, the last one."""
        self._lib.partita_end(self._model, layer)

    def layers_ended(self) -> np.ndarray:
        """Layers that each instance has ended since `begin_account`: int[instances]. Looking
        takes no cycles, as reading LOG_COUNT would."""
        return np.ctypeslib.as_array(self._lib.partita_layers_ended(self._model),
                                     (self.config.instances,)).astype(np.int64)

    def port_bytes(self, layers: int) -> np.ndarray:
        """Bytes moved over the memory ports: int[layers, channels, instances]."""
        table = np.ctypeslib.as_array(self._lib.partita_traffic(self._model),
                                      (_LAYERS, len(Channel), _INSTANCES))
        return table[:layers, :, :self.config.instances].astype(np.int64)

    def counts(self, layer: int, instance: int) -> tuple[np.ndarray, int]:
        """Toggles of every counted bit of an instance in a layer, and the cycles counted.

        The bits are in the order of `sim.verilated.build.activity_maps`' `counted`, bit 0 first.
        `instance` equal to the number of instances is the shell: interconnect and control.
        """
        values = np.zeros(self._lib.partita_flip_flop_bits(self._model, instance), np.uint64)
        cycles = self._lib.partita_toggles(
            self._model, instance, layer, values.ctypes.data_as(ctypes.POINTER(ctypes.c_uint64)))
        return values.astype(np.int64), int(cycles)

    def activity(self, layer: int, instance: int) -> UnitActivity | None:
        """What an instance (or the shell) did in a layer; None if nothing is counted."""
        if not self._counting:
            return None
        unit = SHELL_NAME if instance == self.config.instances else CORE_NAME
        return self._maps[unit].read(*self.counts(layer, instance))

    def trace(self, path: Path, cycles: int) -> None:
        """Run so many cycles and write the signals of core 0 to a file, in the format of the
        build's `kind`; one sample after each clock edge, and one before the first.

        Raises
        ------
        OSError
            If the file could not be written, for want of room.
        """
        check_settings(cycles=cycles)
        code = self._lib.partita_trace(self._model, str(path).encode(), cycles)
        if code:
            raise OSError(code, os.strerror(code), str(path))

    def page_misses(self) -> np.ndarray:
        """Pages opened at the external memory since the account began: int[layers]."""
        return np.ctypeslib.as_array(self._lib.partita_page_misses(self._model),
                                     (_LAYERS,)).astype(np.int64)

    def spared_vectors(self) -> np.ndarray:
        """Vectors that dead input blocks have left out since the account began: int[layers]."""
        return np.ctypeslib.as_array(self._lib.partita_spared(self._model),
                                     (_LAYERS,)).astype(np.int64)

    def causes(self, instance: int) -> dict[str, int] | None:
        """Cycles of an instance's last run by cause, found from what its units show where `check`
        is on; None for a microcoded core, which shows nothing."""
        table = self._lib.partita_causes(self._model, instance)
        return dict(zip(COUNTERS, table[:len(COUNTERS)], strict=True)) if table else None

    def cycle(self) -> int:
        """Clock cycles since the model was made."""
        return self._lib.partita_cycle(self._model)


assert Channel.STORE.value == _CHANNELS - 1
