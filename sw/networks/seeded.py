"""Seeded images, for who has none: they give cycles and ranges, no accuracy."""

import numpy as np

from .architectures import natural_images

__all__ = ["seeded_images", "within"]


#: Standard deviations between a network's least and largest number.
_DEVIATIONS = 8


def seeded_images(count: int, shape: tuple[int, int, int], seed: int,
                  limits: tuple[float, float] | None = None) -> np.ndarray:
    """Images float32[count, C, H, W] with the spectrum of photographs, or of vectors normal noise:
    of about zero mean and unit variance, or else within `limits`, four deviations from either."""
    if shape[1] * shape[2] > 1:
        images = natural_images(count, shape, seed)
    else:
        images = np.random.default_rng(seed).standard_normal((count, *shape)).astype(np.float32)
    return images if limits is None else within(images, limits)


def within(images: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Images of zero mean and unit variance within limits, their mean halfway between."""
    low, high = limits
    return np.clip(images * ((high - low) / _DEVIATIONS) + (low + high) / 2, low, high,
                   dtype=np.float32)
