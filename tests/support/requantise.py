"""Requantisation by its specification."""

__all__ = ["requantised"]


def requantised(acc: int, mult: int, shift: int, low: int, high: int, offset: int = 0) -> int:
    """The integer specification, in Python's own integers."""
    product = acc * mult
    if shift:
        product = (product + (1 << shift - 1)) >> shift
    return max(low, min(high, product + offset))
