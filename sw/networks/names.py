"""The networks by name, and what is known of them without loading one."""

__all__ = ["HELD_OUT", "NETWORKS", "check_images", "cut_of"]

#: Name -> what it is.
NETWORKS = {
    "tinyvgg16": "TinyVGG16 in full, 119 million weights, seeded unless --weights gives them",
    "tinyvgg16-slim": "a quarter of its width, trained; --data classifies held-out photographs",
    "digits": "a small one for 8x8 scans of digits, trained when it is first used",
}
#: Networks that come trained -> the partitions, and what is pruned, of the pruned form.
_STORED = {"tinyvgg16-slim": (8, "fc")}
#: Scans that digits are not trained on.
HELD_OUT = 360


def cut_of(name: str, partitions: int, prune: str) -> tuple[int, str]:
    """Partitions of a network's pruned form, and what is pruned: these, unless it comes trained."""
    return _STORED.get(name, (partitions, prune))


def check_images(name: str, count: int | None) -> None:
    """Refuse more images than there are; raises ValueError."""
    if name == "digits" and count is not None and count > HELD_OUT:
        raise ValueError(f"digits has {HELD_OUT} scans that it was not trained on")
