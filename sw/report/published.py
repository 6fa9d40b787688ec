"""What the authors of Partition Pruning report."""

__all__ = ["PUBLISHED_ENERGY", "PUBLISHED_SPEEDUP", "is_published"]

#: Speed-up of TinyVGG16's pruned fully connected layers on eight accelerators against the
#: unpruned model on one, as its authors report it (arXiv 1901.11391).
PUBLISHED_SPEEDUP = 7.72
#: Their energy, of the same layers.
PUBLISHED_ENERGY = 2.73


def is_published(network: str) -> bool:
    """Whether a network is the one that these are of, or a narrower one."""
    return network.startswith("tinyvgg16")
