"""Imported values as numbers of maps."""

import math
from dataclasses import dataclass

import numpy as np

from sw.ir.operators import Shape

__all__ = ["View", "as_map"]


def as_map(shape: Shape) -> tuple[int, int, int] | None:
    """The map that a value of a shape is: of a vector one pixel, of [C, L] one row."""
    match shape:
        case (channels,):
            return channels, 1, 1
        case (channels, length):
            return channels, 1, length
        case (channels, rows, columns):
            return channels, rows, columns
    return None


@dataclass(frozen=True, eq=False)
class View:
    """An imported value as numbers of a map.

    Members: `base`, the map's name; its shape there is `of`; `order` int64[n], the places of the
    value's numbers in it, None for those of the map, in order; `shape` of the imported value.
    """

    base: str
    of: tuple[int, int, int]
    order: np.ndarray | None
    shape: Shape

    @property
    def places(self) -> np.ndarray:
        """Places in the map, in the value's shape."""
        order = np.arange(math.prod(self.of)) if self.order is None else self.order
        return order.reshape(self.shape)

    @property
    def channels(self) -> tuple[int, ...] | None:
        """Which whole channels of the map it is, one after the other; None if it is not."""
        if self.order is None:
            return tuple(range(self.of[0]))
        pixels = self.of[1] * self.of[2]
        if len(self.order) % pixels:
            return None
        places = self.order.reshape(-1, pixels)
        first = places[:, 0] // pixels
        whole = np.array_equal(places, first[:, None] * pixels + np.arange(pixels))
        return tuple(first.tolist()) if whole else None

    @property
    def as_channels(self) -> tuple[int, ...] | None:
        """Which channels of the map the value is, as a map itself; None if it is none."""
        shape = as_map(self.shape)
        if shape is None or (self.order is None and shape != self.of) \
                or shape[1:] != self.of[1:]:
            return None
        return self.channels

    @property
    def is_channels_last(self) -> bool:
        """Whether it has the map's numbers pixel by pixel."""
        numbers = np.arange(math.prod(self.of)).reshape(self.of[0], -1)
        return np.array_equal(self.places.reshape(-1), numbers.T.reshape(-1))

    @property
    def is_all(self) -> bool:
        """Whether it has each of the map's numbers, once."""
        return self.order is None or np.array_equal(np.sort(self.order),
                                                    np.arange(math.prod(self.of)))

    def by_channel(self, numbers: np.ndarray) -> np.ndarray | None:
        """Numbers for the places of the value's first axis, as one for each of the map's channels;
        None if a channel has several."""
        if not self.is_all:
            return None
        whole = np.empty(math.prod(self.of), numbers.dtype)
        whole[self.places.reshape(self.shape[0], -1)] = numbers[:, None]
        flat = whole.reshape(self.of[0], -1)
        return flat[:, 0] if (flat == flat[:, :1]).all() else None
