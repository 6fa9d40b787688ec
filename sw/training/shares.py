"""Shares of images, as tables show them."""

import math

__all__ = ["percent"]


def percent(share: float, images: int) -> str:
    """A share of images in percent, with its standard error: that of half an image more that is
    right and half a one that is wrong, which of all or none is not zero (E. B. Wilson, "Probable
    Inference", JASA 22, 1927)."""
    middle = (share * images + 0.5) / (images + 1)
    return f"{100 * share:.1f} +-{100 * math.sqrt(middle * (1 - middle) / (images + 1)):.1f}"
