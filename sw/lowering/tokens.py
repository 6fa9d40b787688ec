"""Pass 5: tokens, so that decoupled units keep the order that memory accesses need.

The operations come in an order in which running them one by one is right. An operation must
wait for an earlier one of another unit if one of them writes what the other touches. Units
finish their own operations in order, so waiting for the latest such operation of a unit is
enough, and so is each wait that an earlier operation of the same unit has already made.
What is left pairs one signal with one wait, in order: exactly a counting semaphore.
"""

from collections.abc import Sequence

import numpy as np

from hw.isa import ROUTES, Opcode, Token

from .ops import ACT, EXTERNAL, UNITS, Op, Region, Unit

__all__ = ["add_tokens"]

#: Other pairs need none, nor INPUT_DONE. POST takes a bank that a later COMPUTE fills, so
#: earlier COMPUTEs have read their input, and what was loaded for them had arrived; tensors are
#: stored before they are loaded, and once. Streams that are stored are read behind a FENCE.
_TOKENS = {(UNITS[giver], UNITS[taker]): token for token, (giver, taker) in ROUTES.items()
           if token is not Token.INPUT_DONE}
_MAX_AHEAD = 128  # tokens of a kind that may be outstanding; the hardware counts to 255


#: Which units a unit may have to wait for.
_PRODUCERS = {unit: [a for a, b in _TOKENS if b == unit] for unit in Unit}
#: The units that write and that read in each space, in the order of its table's rows.
_WRITERS = {ACT: (Unit.LOAD, Unit.POST), EXTERNAL: (Unit.STORE,)}
_READERS = {ACT: (Unit.COMPUTE, Unit.STORE), EXTERNAL: (Unit.LOAD,)}


class _Space:
    """For each word of a memory, the latest operation of each unit that wrote or read it since
    the last write, or -1."""

    def __init__(self, space: int, words: int):
        self.writers = {unit: k for k, unit in enumerate(_WRITERS[space])}
        self.readers = {unit: k for k, unit in enumerate(_READERS[space], len(self.writers))}
        self._table = np.full((len(self.writers) + len(self.readers), words), -1, np.int32)

    def view(self, region: Region) -> np.ndarray:
        """A region's words: int32[unit, planes, length]."""
        table, planes, length = self._table, region.planes, region.length
        stride = region.stride if planes > 1 else length
        last = region.base + (planes - 1) * stride + length
        if region.base < 0 or last > table.shape[1]:
            raise AssertionError(f"{region} is outside its memory of {table.shape[1]} words")
        if planes == 1:
            return table[:, None, region.base:last]
        row, step = table.strides
        return np.ndarray((len(table), planes, length), table.dtype, table, region.base * step,
                          (row, stride * step, step))

    def wrote(self, unit: Unit, view: np.ndarray) -> int:
        """Latest operation of `unit` that wrote there, or -1."""
        return int(view[self.writers[unit]].max()) if unit in self.writers else -1

    def used(self, unit: Unit, view: np.ndarray) -> int:
        """Latest operation of `unit` that read there, or wrote what nobody has read since, or -1.
        What has been read has waited for its writer."""
        if unit in self.readers:
            return int(view[self.readers[unit]].max())
        if unit not in self.writers:
            return -1
        written = view[self.writers[unit]]
        if written.max() < 0:
            return -1
        return int(np.where((view[len(self.writers):] < 0).all(0), written, -1).max())

    def forget(self) -> None:
        """Nothing that was done before is waited for."""
        self._table[...] = -1

    def read(self, unit: Unit, number: int, view: np.ndarray) -> None:
        view[self.readers[unit]] = number

    def write(self, unit: Unit, number: int, view: np.ndarray) -> None:
        view[...] = -1
        view[self.writers[unit]] = number


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
    spaces = {ACT: _Space(ACT, act_words), EXTERNAL: _Space(EXTERNAL, external_words)}
    edges: dict[tuple[Unit, Unit], list[tuple[int, int]]] = {pair: [] for pair in _TOKENS}
    newest = dict.fromkeys(Unit, -1)
    for number, op in enumerate(ops):
        if op.opcode is Opcode.FENCE:  # all that came before is done
            newest = dict.fromkeys(Unit, -1)
            for space in spaces.values():
                space.forget()
            continue
        unit = op.unit
        reads = [(spaces[r.space], spaces[r.space].view(r)) for r in op.reads]
        writes = [(spaces[r.space], spaces[r.space].view(r)) for r in op.writes]
        for other in _PRODUCERS[unit]:
            waits = edges[other, unit]
            awaited = waits[-1][0] if waits else -1
            if newest[other] <= awaited:
                continue
            producer = max([*(space.wrote(other, view) for space, view in reads),
                            *(space.used(other, view) for space, view in writes)], default=-1)
            if producer > awaited:
                waits.append((producer, number))
        for space, view in reads:
            space.read(unit, number, view)
        for space, view in writes:
            space.write(unit, number, view)
        newest[unit] = number
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
