"""What goes wrong between host and board."""

from sw.driver.errors import DriverError

__all__ = ["BoardMismatch", "BoardReset", "LinkError", "LinkTimeout", "PortError"]


class LinkError(DriverError):
    """The link to the board does not work."""


class PortError(LinkError):
    """A serial port that cannot be opened."""

    exit_code = 5


class LinkTimeout(LinkError):
    """The board does not answer."""


class BoardReset(LinkError):
    """The board has been reset: what was loaded must be loaded again."""


class BoardMismatch(LinkError):
    """The board holds another build than the program was compiled for."""
