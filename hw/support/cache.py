"""The cache folder: where it is."""

import os
from pathlib import Path

__all__ = ["NoCacheError", "cache_dir"]


class NoCacheError(ValueError):
    """Nothing says where the cache is; the message says what would."""


def cache_dir() -> Path:
    """$PARTITA_CACHE, or partita below the user's cache folder.

    Raises
    ------
    NoCacheError
        If the user has no home.
    """
    if path := os.environ.get("PARTITA_CACHE"):
        return Path(path)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "partita"
    except RuntimeError:
        raise NoCacheError("there is no home folder for the cache; set PARTITA_CACHE to a folder "
                           "of your own") from None
