"""Looks into folders."""

from pathlib import Path

__all__ = ["names"]


def names(folder: Path) -> list[str]:
    """Names of all that a folder holds, sorted."""
    return sorted(p.name for p in folder.iterdir())
