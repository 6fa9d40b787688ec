"""What a layer's shapes say, of floats and of integers alike."""

import numpy as np

__all__ = ["Convolution", "one_pixel", "weight_sums"]

_ROWS = 256


def one_pixel(shape: tuple[int, int, int]) -> bool:
    """Whether a map [C, H, W] is a vector of channels."""
    return tuple(shape[1:]) == (1, 1)


def weight_sums(weight: np.ndarray, *, magnitudes: bool = False) -> np.ndarray:
    """The sum of each output channel's int8 weights, or of their magnitudes, int64[out]: some
    channels at a time, as a layer may have 10^8 weights."""
    rows = weight.reshape(len(weight), -1)
    found = np.empty(len(rows), np.int64)
    for k in range(0, len(rows), _ROWS):
        some = rows[k:k + _ROWS].astype(np.int16)
        found[k:k + _ROWS] = (np.abs(some) if magnitudes else some).sum(1, dtype=np.int64)
    return found


class Convolution:
    """A convolution from a map [C, H, W] to another; a linear layer is one, too."""

    weight: np.ndarray
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    #: What padding reads as.
    pad_value: float = 0
    in_shape: tuple[int, int, int]
    groups: int
    conv_shape: tuple[int, int, int]

    @property
    def kernel(self) -> tuple[int, int]:
        """Kernel (rows, columns)."""
        return self.weight.shape[2], self.weight.shape[3]

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns from a kernel's first tap to its last, both counted."""
        (rows, columns), (by_rows, by_columns) = self.kernel, self.dilation
        return (rows - 1) * by_rows + 1, (columns - 1) * by_columns + 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the layer as it is, its groups counted only."""
        _, rows, columns = self.conv_shape
        return self.weight.size * rows * columns

    @property
    def is_diagonal(self) -> bool:
        """Whether it takes each channel by itself, pixel by pixel: a value times a factor."""
        return self.kernel == (1, 1) and self.groups == len(self.weight) == self.in_shape[0]

    @property
    def gives_vector(self) -> bool:
        """Whether each weight is used once an image: the convolution gives one pixel. So does a
        linear layer, and a convolution that leaves nothing but channels."""
        return one_pixel(self.conv_shape)

    @property
    def is_linear(self) -> bool:
        """Whether it is a matrix times its flattened input (one for each group): the kernel covers
        the whole map, and nothing else."""
        return (self.gives_vector and tuple(self.padding) == (0, 0)
                and self.reach == self.kernel == tuple(self.in_shape[1:]))
