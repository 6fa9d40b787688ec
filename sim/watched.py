"""The memory ports of a simulation: what is watched there, and what the memory does wrong."""

import ctypes
from collections.abc import Sequence

import numpy as np

from hw import registers
from hw.config import Config
from sim.verilated.memory import Disturbance

from .faults import BusBreach, Place, SimulationFault, find_instruction, layer_name
from .settings import check_settings

__all__ = ["WatchedPorts"]


class WatchedPorts:
    """What a simulated accelerator does at its memory ports.

    Members
    -------
    config : Config
    """

    config: Config
    _lib: ctypes.CDLL
    _memory_bytes: int
    _layers: tuple[str, ...]  # names
    _may_look: bool  # into the memory while something is under way

    @property
    def _model(self) -> int:
        raise NotImplementedError

    def read_memory(self, addr: int, count: int) -> np.ndarray:
        raise NotImplementedError

    def guard(self, layers: Sequence[str], places: Sequence[tuple[int, int] | None]) -> None:
        """From now on a program that writes anything but its layers' outputs is a `BusBreach`,
        until an instance is given another program.

        Parameters
        ----------
        layers : names
        places : of each its output's first byte address and the one after its last, or None
        """
        self._layers = tuple(layers)
        self._lib.partita_guard(self._model)
        for number, place in enumerate(places):
            self._lib.partita_place(self._model, number, *(place or (0, 0)))

    def disturb(self, wrong: Disturbance, seed: int = 1) -> None:
        """From now on the memory's model does this wrong, and stalls as the seed says.

        Raises
        ------
        ValueError
            If the memory is one in Verilog.
        """
        check_settings(seed=seed)
        if not self._lib.partita_disturb(self._model, *wrong.numbers, seed):
            raise ValueError("a memory in Verilog does nothing wrong; the model can")

    def disturbed(self) -> tuple[int, Place]:
        """How many answers have been errors since `disturb`, and where the last one was."""
        where = (ctypes.c_uint64 * 2)()
        hits = self._lib.partita_disturbed(self._model, where)
        return hits, Place.of_tag(0, *where)

    def _raise_fault(self) -> None:
        """Raise what the hardware did to a rule of its bus, if it did."""
        fault = self._lib.partita_fault(self._model)
        if not fault:
            return
        where = (ctypes.c_uint64 * 3)()
        rule = self._lib.partita_breach(self._model, where)
        if not rule:
            raise SimulationFault(fault.decode())
        place = Place.of_tag(*where)
        raise BusBreach(rule.decode(), place, layer_name(self._layers, place.layer),
                        self._blame(place))

    def _blame(self, place: Place) -> int | None:
        """The instruction of a breach."""
        value = ctypes.c_uint32()

        def register(name: str) -> int:
            self._lib.partita_read_register(
                self._model, registers.address(name, place.instance), ctypes.byref(value))
            return value.value

        if not self._may_look or place.instance >= self.config.instances:
            return None
        base = register("WINDOW_BASE")

        def read(offset: int, count: int) -> bytes:
            count = max(0, min(count, self._memory_bytes - base - offset))
            return self.read_memory(base + offset, count).tobytes()

        return find_instruction(self.config, place.channel, place.layer, place.address - base,
                                register("PROGRAM"), read)
