"""The networks by name, and what is known of them without loading one."""

__all__ = ["HELD_OUT", "NETWORKS", "check_images"]

NETWORKS = ("tinyvgg16", "tinyvgg16-slim", "digits")
#: Scans that digits are not trained on.
HELD_OUT = 360


def check_images(name: str, count: int | None) -> None:
    """Refuse more images than there are; raises ValueError."""
    if name == "digits" and count is not None and count > HELD_OUT:
        raise ValueError(f"digits has {HELD_OUT} scans that it was not trained on")
