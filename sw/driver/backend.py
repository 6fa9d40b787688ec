"""What the driver needs of an accelerator, simulated or on a board, and how one is opened."""

import importlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

import numpy as np

from hw.config import Config
from sim.activity.values import UnitActivity
from sw.compiler import Program
from sw.cycles.memory import MemoryTiming

__all__ = ["BACKENDS", "Backend", "Machine", "Observer", "open_backend"]

#: Backend name -> module and class, imported when it is opened.
BACKENDS = {"verilator": ("sim.backend", "VerilatorBackend")}


class Backend(Protocol):
    """What the driver needs of an accelerator."""

    config: Config

    def write_memory(self, addr: int, data: bytes | np.ndarray) -> None: ...
    def read_memory(self, addr: int, count: int) -> np.ndarray: ...
    def write_register(self, addr: int, value: int) -> None: ...
    def read_register(self, addr: int) -> int: ...

    def advance(self, cycles: int) -> int:
        """Let up to `cycles` pass; return early when every started instance has ended."""


class Machine(Protocol):
    """Hardware that is there, such as a board: its `name` for people, the `config` that it holds,
    the `memory` beside it, and how it is opened for a program."""

    @property
    def name(self) -> str: ...

    @property
    def config(self) -> Config: ...

    @property
    def memory(self) -> MemoryTiming: ...

    def opened(self, program: Program) -> AbstractContextManager[Backend]: ...


@runtime_checkable
class Observer(Protocol):
    """What a backend may also offer: a simulation sees every byte and toggle."""

    def guard(self, layers: Sequence[str], places: Sequence[tuple[int, int] | None]) -> None: ...
    def begin_account(self) -> None: ...
    def end_account(self, layer: int) -> None: ...
    def layers_ended(self) -> np.ndarray: ...
    def port_bytes(self, layers: int) -> np.ndarray: ...
    def activity(self, layer: int, instance: int) -> UnitActivity | None: ...
    def page_misses(self) -> np.ndarray: ...
    def spared_vectors(self) -> np.ndarray: ...


def open_backend(name: str, config: Config, **options):
    """Open a backend of `BACKENDS`; `options` are its own.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name not in BACKENDS:
        raise ValueError(f"backend {name!r} is unknown; there are {', '.join(BACKENDS)}")
    module, attribute = BACKENDS[name]
    return getattr(importlib.import_module(module), attribute)(config, **options)
