"""Seeded images, for who has none: they give cycles and ranges, no accuracy."""

import numpy as np

from .architectures import natural_images

__all__ = ["seeded_images"]


def seeded_images(count: int, shape: tuple[int, int, int], seed: int) -> np.ndarray:
    """Images float32[count, C, H, W] of about zero mean and unit variance: with the spectrum of
    photographs, or of vectors normal noise."""
    if shape[1] * shape[2] > 1:
        return natural_images(count, shape, seed)
    return np.random.default_rng(seed).standard_normal((count, *shape)).astype(np.float32)
