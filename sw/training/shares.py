"""Shares of images, as tables show them."""

import math

__all__ = ["percent"]


def percent(share: float, images: int) -> str:
    """A share of images in percent, with its standard error."""
    return f"{100 * share:.1f} +-{100 * math.sqrt(share * (1 - share) / images):.1f}"
