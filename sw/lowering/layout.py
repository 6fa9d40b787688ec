"""Pass 3: what lies where in external memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .nodes import Node
from .steps import Step
from .switches import switches

__all__ = ["BANKS", "PAGE_BYTES", "Allocator", "Layout", "RecordPlace", "StreamFill",
           "StreamPlace", "TensorPlace"]

_ALIGN_BYTES = 64  # the widest port's beat
#: Pages and banks of external memory: streams read side by side start in different banks, or
#: each burst of one would close the page of another.
PAGE_BYTES, BANKS = 2048, 8


@dataclass(frozen=True)
class TensorPlace:
    """A tensor in external memory, or one for each image of a batch.

    Members: `offset` in bytes from the window's base, `plane_stride` in bytes from one word
    block to the next, `shape` (channels, rows, columns) of an image, `images`, `image_stride` in
    bytes from one to the next. Images are stacked, the rows of each word block below each other,
    if `image_stride` is less than `plane_stride`; else each lies by itself.
    """

    offset: int
    plane_stride: int
    shape: tuple[int, int, int]
    images: int = 1
    image_stride: int = 0

    def at(self, offset: int) -> "TensorPlace":
        """The same elsewhere."""
        return replace(self, offset=offset)

    def image(self, number: int) -> "TensorPlace":
        """The place of one image."""
        return TensorPlace(self.offset + number * self.image_stride, self.plane_stride, self.shape)

    @property
    def stacked(self) -> bool:
        return self.image_stride < self.plane_stride

    def stack(self) -> "TensorPlace":
        """The place of all images, stacked, as one map."""
        channels, height, width = self.shape
        return TensorPlace(self.offset, self.plane_stride, (channels, self.images * height, width))


@dataclass(frozen=True)
class StreamPlace:
    """A weight stream: its byte offset, its length in chunks, the mask it is multicast to."""

    offset: int
    chunks: int
    mask: int


#: A layer, the COMPUTEs of its weight stream, and the stream's offset.
StreamFill = tuple[Node, tuple[Step, ...], int]


@dataclass(frozen=True)
class RecordPlace:
    """Where a layer's output, which is another's parameters, is stored: bytes from `first` to
    `past`, which hold that one's streams, and in each of these the offset of each output block's
    parameters (`blocks`)."""

    first: int
    past: int
    blocks: tuple[Mapping[int, int], ...]


@dataclass(frozen=True)
class Layout:
    """Everything in external memory but the programs.

    Members: `tensors`, the input and each layer's output; their end, `tensor_bytes`; the layers
    whose stored output others have `overwritten` when a run ends; `streams` of each layer and
    instance, and `load_masks` of each of its reads there; `streams_to_fill`, what the host writes
    before a run; `records`, of each layer that gives another's factors where its output goes.
    """

    tensors: tuple[TensorPlace, ...]
    tensor_bytes: int
    overwritten: frozenset[int]
    streams: tuple[tuple[StreamPlace, ...], ...]
    load_masks: tuple[tuple[tuple[int, ...], ...], ...]
    streams_to_fill: tuple[StreamFill, ...]
    records: Mapping[int, RecordPlace]


class Allocator:
    """Hands out external memory from offset 0 upwards."""

    def __init__(self) -> None:
        self.bytes = 0

    def take(self, size: int, apart: Sequence[int] = ()) -> int:
        """Return the aligned offset of `size` new bytes, in another bank than those `apart`."""
        offset = self.bytes
        tries = BANKS if size >= PAGE_BYTES and switches().banks_apart else 0
        for _ in range(tries):
            if all(PAGE_BYTES <= (offset - other) % (PAGE_BYTES * BANKS)
                   <= PAGE_BYTES * (BANKS - 1) for other in apart[-BANKS + 1:]):
                break
            offset += PAGE_BYTES
        self.bytes = self.aligned(offset + size)
        return offset

    @staticmethod
    def aligned(size: int) -> int:
        """Bytes up to where the next may begin."""
        return -(-size // _ALIGN_BYTES) * _ALIGN_BYTES
