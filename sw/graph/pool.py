"""Max pooling behind a layer's sums."""

from dataclasses import dataclass

__all__ = ["Pool"]


@dataclass(frozen=True)
class Pool:
    """Max pooling after requantisation.

    Members: `kernel` and `stride` (rows, columns), `padding` (top, left) and `out` (rows,
    columns) of the result. Positions outside the map are ignored.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    out: tuple[int, int]

    def looks_at(self, axis: int, size: int) -> int:
        """How many of a map's rows (0) or columns (1), of which there are `size`, it depends on."""
        firsts = (k * self.stride[axis] - self.padding[axis] for k in range(self.out[axis]))
        return len({place for first in firsts
                    for place in range(max(0, first), min(size, first + self.kernel[axis]))})
