"""Signals over time as words of bits: 64 cycles in each."""

import numpy as np

__all__ = ["count_toggles", "cycles_of", "ones_in", "shifted", "window_mask"]


def cycles_of(row: np.ndarray, cycles: int) -> np.ndarray:
    """bool[cycles] of a signal's words."""
    return np.unpackbits(row.view(np.uint8), bitorder="little")[:cycles].astype(bool)


def shifted(values: np.ndarray) -> np.ndarray:
    """Rows in which every cycle has its successor's bit."""
    result = values >> np.uint64(1)
    result[:, :-1] |= values[:, 1:] << np.uint64(63)
    return result


def window_mask(cycles: int, words: int) -> np.ndarray:
    """Words whose bits are set for the first so many cycles."""
    bits = np.zeros(64 * words, np.uint8)
    bits[:cycles] = 1
    return np.packbits(bits, bitorder="little").view(np.uint64)


def ones_in(values: np.ndarray) -> np.ndarray:
    """int64[signals]: in how many cycles each is high."""
    return np.bitwise_count(values).sum(axis=1).astype(np.int64)


def count_toggles(values: np.ndarray, cycles: int) -> np.ndarray:
    """Transitions of each net from cycle to cycle."""
    return ones_in((values ^ shifted(values)) & window_mask(cycles - 1, values.shape[1]))
