"""Pass 5: tokens, so that decoupled units keep the order that memory accesses need.

The operations come in an order in which running them one by one is right. An operation must
wait for an earlier one of another unit if one of them writes what the other touches. Units
finish their own operations in order, so waiting for the latest such operation of a unit is
enough, and so is each wait that an earlier operation of the same unit has already made.
What is left pairs one signal with one wait, in order: exactly a counting semaphore.
"""

from collections.abc import Sequence

import numpy as np

from hw.isa import ROUTES

from .ops import ACT, EXTERNAL, UNITS, Op, Region, Unit

__all__ = ["add_tokens"]

_TOKENS = {(UNITS[giver], UNITS[taker]): token for token, (giver, taker) in ROUTES.items()}
#: Always implied. POST takes a bank that a later COMPUTE fills, so earlier COMPUTEs have read
#: their input, and what was loaded for them had arrived.
_IMPLIED = {(Unit.COMPUTE, Unit.POST), (Unit.LOAD, Unit.POST)}
_MAX_AHEAD = 128  # tokens of a kind that may be outstanding; the hardware counts to 255


class _Space:
    """For each word of a memory, the latest operation of each unit that wrote or read it since
    the last write."""

    def __init__(self, words: int):
        self._words = words
        self._last: dict[tuple[str, Unit], np.ndarray] = {}

    def _array(self, kind: str, unit: Unit) -> np.ndarray:
        if (kind, unit) not in self._last:
            self._last[kind, unit] = np.full(self._words, -1, np.int32)
        return self._last[kind, unit]

    def wrote(self, unit: Unit, region: Region) -> int:
        """Latest operation of `unit` that wrote in a region, or -1."""
        return self._latest("write", unit, region)

    def used(self, unit: Unit, region: Region) -> int:
        """Latest operation of `unit` that read in a region, or wrote what nobody has read since,
        or -1. What has been read has waited for its writer."""
        latest = self._latest("read", unit, region)
        if self._latest("write", unit, region) < 0:
            return latest
        last = _view(self._last["write", unit], region)
        for (kind, _), array in self._last.items():
            if kind == "read":
                last = np.where(_view(array, region) < 0, last, -1)
        return max(latest, int(last.max()))

    def _latest(self, kind: str, unit: Unit, region: Region) -> int:
        if (kind, unit) not in self._last:
            return -1
        return int(_view(self._last[kind, unit], region).max())

    def read(self, unit: Unit, number: int, region: Region) -> None:
        _view(self._array("read", unit), region)[...] = number

    def write(self, unit: Unit, number: int, region: Region) -> None:
        for array in self._last.values():
            _view(array, region)[...] = -1
        _view(self._array("write", unit), region)[...] = number


def _view(array: np.ndarray, region: Region) -> np.ndarray:
    stride = region.stride if region.planes > 1 else region.length
    last = region.base + (region.planes - 1) * stride + region.length
    if region.base < 0 or last > len(array):
        raise AssertionError(f"{region} is outside its memory of {len(array)} words")
    step = array.strides[0]
    return np.ndarray((region.planes, region.length), array.dtype, array, region.base * step,
                      (stride * step, step))


def add_tokens(ops: Sequence[Op], act_words: int, external_words: int) -> None:
    """Set `wait` and `signal` of one instance's operations.

    Parameters
    ----------
    ops : sequence of Op
        In an order in which running them one by one is right.
    act_words : int
        Words of the activation memory.
    external_words : int
        Words of external memory that hold tensors.
    """
    spaces = {ACT: _Space(act_words), EXTERNAL: _Space(external_words)}
    edges: dict[tuple[Unit, Unit], list[tuple[int, int]]] = {pair: [] for pair in _TOKENS}
    for number, op in enumerate(ops):
        latest: dict[Unit, int] = {}
        for unit in Unit:
            if unit != op.unit:
                latest[unit] = max([
                    -1, *(spaces[r.space].wrote(unit, r) for r in op.reads),
                    *(spaces[r.space].used(unit, r) for r in op.writes)])
        for unit, producer in latest.items():
            if producer < 0 or (unit, op.unit) in _IMPLIED:
                continue
            waits = edges[unit, op.unit]
            if not waits or producer > waits[-1][0]:
                waits.append((producer, number))
        for region in op.reads:
            spaces[region.space].read(op.unit, number, region)
        for region in op.writes:
            spaces[region.space].write(op.unit, number, region)
    for pair, token in _TOKENS.items():
        for producer, consumer in _bounded(edges[pair]):
            ops[producer].signal.add(token)
            ops[consumer].wait.add(token)


def _bounded(edges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Merge edges so that no more than `_MAX_AHEAD` are open at any place."""
    kept: list[tuple[int, int]] = []
    for producer, consumer in edges:
        if len(kept) >= _MAX_AHEAD and kept[-_MAX_AHEAD][1] > producer:
            kept[-1] = producer, kept[-1][1]
        else:
            kept.append((producer, consumer))
    return kept
