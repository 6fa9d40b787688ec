"""Pass 3: what lies where in external memory."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Allocator", "Layout", "StreamPlace", "TensorPlace"]

_ALIGN_BYTES = 64  # the widest port's beat


@dataclass(frozen=True)
class TensorPlace:
    """A tensor in external memory.

    Members: `offset` in bytes from the window's base, `plane_stride` in bytes from one word
    block to the next, `shape` (channels, rows, columns).
    """

    offset: int
    plane_stride: int
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class StreamPlace:
    """A weight stream: its byte offset, its length in chunks, the mask it is multicast to."""

    offset: int
    chunks: int
    mask: int


@dataclass(frozen=True)
class Layout:
    """Everything in external memory but the programs.

    Members: `input`; `outputs` of each layer; `streams` and `load_masks` of each layer and
    instance; `segments` (offset, bytes) that the host writes before a run.
    """

    input: TensorPlace
    outputs: tuple[TensorPlace, ...]
    streams: tuple[tuple[StreamPlace, ...], ...]
    load_masks: tuple[tuple[int, ...], ...]
    segments: tuple[tuple[int, np.ndarray], ...]


class Allocator:
    """Hands out external memory from offset 0 upwards."""

    def __init__(self) -> None:
        self.bytes = 0

    def take(self, size: int) -> int:
        """Return the aligned offset of `size` new bytes."""
        offset = self.bytes
        self.bytes = -(-(offset + size) // _ALIGN_BYTES) * _ALIGN_BYTES
        return offset
