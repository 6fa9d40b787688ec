"""What a user's network can be refused for, and told of."""

__all__ = ["CaptureNotice", "ImageShapeError", "UnreadableModel", "UnsupportedLayer"]


class UnsupportedLayer(ValueError):
    """A layer that the accelerator has no way to run; the message names it. `others` are refusals
    of later layers of the same network, where it was looked at to its end."""

    others: tuple["UnsupportedLayer", ...] = ()


class ImageShapeError(UnsupportedLayer):
    """A network that is given images of a shape that it does not take, or none where it has none
    of its own; the message names the option that gives it."""


class UnreadableModel(UnsupportedLayer):
    """A file that holds no network that can be read."""


class CaptureNotice(UserWarning):
    """Something of a network that does not run on the accelerator, and what that means."""
