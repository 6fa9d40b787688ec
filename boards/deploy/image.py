"""The memory image of a program: its weights and instructions as they lie in the window."""

import zlib
from dataclasses import dataclass

import numpy as np

from sw.compiler import Program

__all__ = ["MemoryImage", "memory_image"]


@dataclass(frozen=True)
class MemoryImage:
    """What is written at an `offset` of the window before the first run: `data`."""

    offset: int
    data: bytes

    @property
    def crc32(self) -> int:
        return zlib.crc32(self.data)


def memory_image(program: Program) -> MemoryImage:
    """A program's segments as one, with zeros between them; tensors are before it."""
    first = min(offset for offset, _ in program.segments)
    data = np.zeros(max(offset + len(x) for offset, x in program.segments) - first, np.uint8)
    for offset, segment in program.segments:
        data[offset - first:][:len(segment)] = segment
    return MemoryImage(first, data.tobytes())
