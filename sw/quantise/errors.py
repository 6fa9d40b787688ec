"""What quantisation refuses."""

__all__ = ["QuantiseError"]


class QuantiseError(ValueError):
    """A layer whose values the integer format cannot hold; the message names it."""
