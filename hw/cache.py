"""Where builds and trained weights are kept between runs."""

import os
from pathlib import Path

__all__ = ["cache_dir"]


def cache_dir() -> Path:
    """$PARTITA_CACHE, or partita below the user's cache folder."""
    if path := os.environ.get("PARTITA_CACHE"):
        return Path(path)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "partita"
