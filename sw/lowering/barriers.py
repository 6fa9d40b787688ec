"""Before which layers all instances meet, since one reads there what another has made."""

from collections.abc import Sequence

from .nodes import Node
from .split import Split, is_local

__all__ = ["meetings"]


def meetings(nodes: Sequence[Node], splits: Sequence[Split]) -> list[tuple[int, ...]]:
    """For each layer, the values that are stored for others by the time they meet before it; none
    where they do not meet.

    What is read by others later is among them, so that they need not meet for it again.
    """
    far = [frozenset(value for r, read in enumerate(node.reads) for value in read.values
                     if value and not _is_local(nodes, splits, k, r, value))
           for k, node in enumerate(nodes)]
    shared = frozenset[int]().union(*far)
    found: list[tuple[int, ...]] = []
    known: set[int] = set()
    for k, values in enumerate(far):
        if values <= known:
            found.append(())
            continue
        found.append(tuple(sorted(v for v in shared - known if v <= k)))
        known.update(found[-1])
    return found


def _is_local(nodes: Sequence[Node], splits: Sequence[Split], k: int, r: int, value: int) -> bool:
    """Whether each instance made by itself all of a value that layer k reads of it."""
    maker = value - 1
    if nodes[k].reads[r].value is None:  # of a join: what is made of each part is not looked at
        return len({i for split in (splits[maker], splits[k])
                    for i, item in enumerate(split.items) if item is not None}) == 1
    return is_local(nodes[k], r, nodes[maker].layer, splits[maker], splits[k])
