"""What is wrong with a user's images."""

__all__ = ["ImageError"]


class ImageError(ValueError):
    """Images or labels that cannot be taken; the message names the file, or the place in it."""
