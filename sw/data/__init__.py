"""Numbers that come with the product: measured ones, trained ones, coefficients."""

from pathlib import Path

__all__ = ["DATA"]

DATA = Path(__file__).parent
