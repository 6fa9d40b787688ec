"""An image of real numbers, from whatever holds one."""

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["real_image"]


def real_image(image: Any, shape: Sequence[int], name: str) -> np.ndarray:
    """Return the numbers of an image [C, H, W], an array's or a tensor's, for a network.

    Raises
    ------
    ValueError
        If it has another shape, or holds what is no number.
    """
    tensor = image
    if hasattr(tensor, "detach"):  # of torch, in any precision
        tensor = tensor.detach().cpu()
        tensor = tensor.double() if tensor.is_floating_point() else tensor
    real = np.asarray(tensor)
    if real.dtype.kind not in "fiub":
        raise ValueError(f"image is {real.dtype}; it must be real numbers")
    if real.shape != tuple(shape):
        raise ValueError(f"image is {list(real.shape)}; {name} takes one of "
                         f"{list(shape)}")
    if not np.isfinite(real).all():
        raise ValueError(f"image of {name} holds NaN or infinity")
    return real
