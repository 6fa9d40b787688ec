"""Tests of a board's memory through its link: which pin is broken, which cell forgets."""

from collections.abc import Callable, Container
from dataclasses import dataclass

import numpy as np

from boards.catalogue import Board
from hw.config import ceil_log2

from .client import SerialBackend

__all__ = ["address_bit", "address_faults", "blocks", "data_faults", "march", "retention"]

BLOCK_BYTES = 1024


def address_bit(board: Board, bit: int) -> str:
    """A bit of a byte's address in words: the memory's pin, where it has one."""
    chip = board.sdram
    if chip is None:
        return f"address bit {bit}"
    at = bit - ceil_log2(chip.data_bits // 8)
    for name, pin, bits in (("column", "A", ceil_log2(chip.columns)),
                            ("bank", "BA", ceil_log2(chip.banks)),
                            ("row", "A", ceil_log2(chip.rows))):
        if at < bits:
            return f"{pin}{at} as a {name}'s"
        at -= bits
    return f"address bit {bit}"


def data_faults(link: SerialBackend, bits: int) -> list[str]:
    """Write words of one 1, of one 0, all 0 and all 1, each to address 0, so that no address's pin
    has a part in it; say what is wrong with which data pin."""
    one, size = [1 << k for k in range(bits)], bits // 8
    words = [0, (1 << bits) - 1, *one, *((1 << bits) - 1 - w for w in one)]
    found = []
    for word in words:
        link.write_memory(0, word.to_bytes(size, "little"))
        found.append(int.from_bytes(bytes(link.read_memory(0, size)), "little"))
    wanted = {tuple(w >> k & 1 for w in words): k for k in range(bits)}
    faults = []
    for k in range(bits):
        column = tuple(w >> k & 1 for w in found)
        if wanted.get(column) == k:
            continue
        if not any(column):
            faults.append(f"DQ{k} reads 0 always: open, or shorted to ground")
        elif all(column):
            faults.append(f"DQ{k} reads 1 always: open, or shorted to the supply")
        elif column in wanted:
            faults.append(f"DQ{k} reads what DQ{wanted[column]} was given")
        else:
            wrong = sum(a != w >> k & 1 for a, w in zip(column, words, strict=True))
            faults.append(f"DQ{k} reads wrong in {wrong} of {len(words)} words")
    return faults


def address_faults(link: SerialBackend, board: Board, size: int, unit: int) -> list[str]:
    """Write a mark at 0 and at every power of two up to the memory's end; say which bits of an
    address have no effect, or the same as another."""
    bits = range(ceil_log2(unit), ceil_log2(size))
    places = {None: 0} | {k: 1 << k for k in bits}
    marks = {k: ((255 if k is None else k) * 0x9E3779B1 & 0xFFFFFFFF).to_bytes(4, "little") * (
        -(-unit // 4)) for k in places}
    for k, place in places.items():
        link.write_memory(place, marks[k][:unit])
    known = {marks[k][:unit]: k for k in marks}
    seen = {k: bytes(link.read_memory(place, unit)) for k, place in places.items()}
    wrong = {k: found for k, found in seen.items() if found != marks[k][:unit]}
    faults = []
    for k, found in wrong.items():
        if found not in known:
            faults.append(f"at 0x{places[k]:x} is {found[:4].hex()}, which was not written")
        elif k is None:
            bit = known[found] or 0
            faults.append(f"{address_bit(board, bit)} has no effect: what was written to "
                          f"0x{1 << bit:x} is at 0{_swapped(board, bit, wrong)}")
        else:
            other = known[found]
            faults.append(f"{address_bit(board, k)} and "
                          f"{'none' if other is None else address_bit(board, other)} address the "
                          "same")
    return faults


def _swapped(board: Board, bit: int, wrong: Container[int | None]) -> str:
    """What it means that a column's pin has no effect, if it has one as a row's."""
    if (chip := board.sdram) is None:
        return ""
    column = bit - ceil_log2(chip.data_bits // 8)
    row = bit + ceil_log2(chip.columns) + ceil_log2(chip.banks)
    if column >= ceil_log2(chip.columns) or row in wrong:
        return ""
    return (f"; as a row's A{column} has one: it is swapped with a pin that columns do not use, "
            f"A{ceil_log2(chip.columns)} or above")


def blocks(size: int, *, most: int | None) -> list[int]:
    """Addresses of blocks to test: all, or `most` of them from the first to the last."""
    count = size // BLOCK_BYTES
    if most is None or most >= count:
        return [k * BLOCK_BYTES for k in range(count)]
    return sorted({round(k * (count - 1) / (most - 1)) * BLOCK_BYTES for k in range(most)})


def _pattern(address: int, round_: int) -> np.ndarray:
    return np.random.default_rng((address, round_)).integers(0, 256, BLOCK_BYTES, dtype=np.uint8)


@dataclass(frozen=True)
class Wrong:
    """Bytes that were not as written: how many, of how many, and where the first is."""

    bytes: int
    of: int
    first: int | None

    def __str__(self) -> str:
        return (f"{self.bytes:,} of {self.of:,} bytes wrong, the first at 0x{self.first:x}"
                if self.bytes else f"{self.of:,} bytes right")


def _compare(link: SerialBackend, places: list[int], round_: int, invert: bool,
             then: Callable[[int], object] = lambda place: None) -> Wrong:
    wrong, first = 0, None
    for place in places:
        wanted = _pattern(place, round_) ^ (255 if invert else 0)
        bad = np.flatnonzero(link.read_memory(place, BLOCK_BYTES) != wanted)
        if bad.size and first is None:
            first = place + int(bad[0])
        wrong += bad.size
        then(place)
    return Wrong(wrong, len(places) * BLOCK_BYTES, first)


def march(link: SerialBackend, places: list[int]) -> Wrong:
    """Write all, upwards; read and write the inverse, upwards; read, downwards."""
    for place in places:
        link.write_memory(place, _pattern(place, 0))
    up = _compare(link, places, 0, False,
                  lambda place: link.write_memory(place, _pattern(place, 0) ^ 255))
    down = _compare(link, places[::-1], 0, True)
    return max(up, down, key=lambda w: w.bytes)


def retention(link: SerialBackend, places: list[int], wait: Callable[[], object]) -> Wrong:
    """Write, wait while only refresh keeps what was written, and read."""
    for place in places:
        link.write_memory(place, _pattern(place, 1))
    wait()
    return _compare(link, places, 1, False)
