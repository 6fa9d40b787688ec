"""What the compiler does for speed, each of which can be left out to measure what it brings."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

__all__ = ["Switches", "switched", "switches"]


@dataclass(frozen=True)
class Switches:
    """All on, unless `switched`.

    Members
    -------
    tap_packing : kernel taps of the first layer fill idle array rows
    prefetch : weights are asked for before the COMPUTE ahead of theirs has begun
    two_buffers : a stripe's input is loaded while the one before is computed
    early_start : a stripe is begun on the first part of its input
    resident : a layer's output stays in activation memory where the next one can use it there
    multicast : what several instances read crosses a shared port once
    banks_apart : streams that are read side by side begin in different banks
    store_early : outputs are stored while others are computed
    """

    tap_packing: bool = True
    prefetch: bool = True
    two_buffers: bool = True
    early_start: bool = True
    resident: bool = True
    multicast: bool = True
    banks_apart: bool = True
    store_early: bool = True


_ALL = Switches()
_now: ContextVar[Switches] = ContextVar("switches", default=_ALL)


def switches() -> Switches:
    """Those in force."""
    return _now.get()


@contextmanager
def switched(**off: bool) -> Iterator[None]:
    """Compile with some of them changed, by name."""
    token = _now.set(replace(_now.get(), **off))
    try:
        yield
    finally:
        _now.reset(token)
