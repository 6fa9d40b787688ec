"""Arithmetic of the instruction-level simulator: addresses of taps, pooling, requantisation,
tables."""

from collections.abc import Mapping

import numpy as np

__all__ = ["holds_nothing", "look_up", "pool", "requantise", "taps"]


class AccumulatorOverflow(ArithmeticError):
    """A sum that int32 cannot hold."""


def taps(insn: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Word offsets in an input plane [pixels, taps], and which of them are inside the map."""
    def line(axis: str, pad: int) -> np.ndarray:
        out, stride, kernel, dilation = (
            insn[f"{name}_{axis}"] for name in ("out", "stride", "kernel", "dilation"))
        return np.arange(out)[:, None] * stride - pad + np.arange(kernel) * dilation

    y = line("h", insn["pad_top"])[:, None, :, None]
    x = line("w", insn["pad_left"])[None, :, None, :]
    inside = (y >= 0) & (y < insn["in_h"]) & (x >= 0) & (x < insn["in_w"])
    shape = insn["out_h"] * insn["out_w"], insn["kernel_h"] * insn["kernel_w"]
    return np.where(inside, y * insn["in_w"] + x, 0).reshape(shape), inside.reshape(shape)


def holds_nothing(insn: Mapping[str, int]) -> bool:
    """Whether a pooling window lies in the padding, and no sum within it."""
    def outside(axis: str, pad: int) -> bool:
        window, out, stride, conv = (
            insn[f"{name}_{axis}"] for name in ("pool", "out", "pool_stride", "conv"))
        return pad >= window or (out - 1) * stride - pad >= conv

    return outside("h", insn["pool_top"]) or outside("w", insn["pool_left"])


def pool(conv: np.ndarray, insn: Mapping[str, int]) -> np.ndarray:
    """Maximum over each window of int64[rows, columns, cols]; outside positions do not count."""
    pooled = np.full((insn["out_h"], insn["out_w"], conv.shape[2]), np.iinfo(np.int64).min)
    for py in range(insn["pool_h"]):
        y = np.arange(insn["out_h"]) * insn["pool_stride_h"] - insn["pool_top"] + py
        rows = np.flatnonzero((y >= 0) & (y < conv.shape[0]))
        for px in range(insn["pool_w"]):
            x = np.arange(insn["out_w"]) * insn["pool_stride_w"] - insn["pool_left"] + px
            columns = np.flatnonzero((x >= 0) & (x < conv.shape[1]))
            at = np.ix_(rows, columns)
            pooled[at] = np.maximum(pooled[at], conv[np.ix_(y[rows], x[columns])])
    return pooled


def requantise(acc: np.ndarray, params: np.ndarray, insn: Mapping[str, int]) -> np.ndarray:
    """int8[pixels, cols] of int64[pixels, cols] sums."""
    cols = acc.shape[1]
    table = params[:8 * cols].view(np.dtype([("bias", "<i4"), ("mult", "<u2"), ("shift", "u1"),
                                             ("zero", "u1")]))
    total = acc + table["bias"].astype(np.int64)
    if np.abs(total).max() >= 1 << 31:
        raise AccumulatorOverflow("an accumulator overflowed")
    product = total * table["mult"].astype(np.int64)
    shift = table["shift"].astype(np.int64)
    half = np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 0)
    rounded = ((product + half) >> shift) + insn["offset"]
    return np.clip(rounded, insn["low"], insn["high"]).astype(np.int8)


def look_up(values: np.ndarray, tables: np.ndarray, lanes: int) -> np.ndarray:
    """int8[pixels, cols] of the tables' bytes [columns of a lane, entries, lanes and padding]."""
    cols = values.shape[1]
    tables = tables.reshape(cols // lanes, 256, -1)
    found = [tables[c // lanes, values[:, c].view(np.uint8), c % lanes] for c in range(cols)]
    return np.stack(found, 1).view(np.int8)
