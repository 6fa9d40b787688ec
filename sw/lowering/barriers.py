"""Before which layers all instances meet, since one reads there what another has made."""

from collections.abc import Sequence

from sw.graph.records import RECORD

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
           | _far_factors(node, splits) for k, node in enumerate(nodes)]
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


def _far_factors(node: Node, splits: Sequence[Split]) -> frozenset[int]:
    """The layer's factors, unless each instance made those of its own channels."""
    if node.factors is None:
        return frozenset()
    makers = splits[node.factors - 1].items
    count = max(made.blocks[1] for made in makers if made is not None)
    local = all(item is None or (made is not None and made.blocks[0] <= RECORD * item.blocks[0]
                                 and min(RECORD * item.blocks[1], count) <= made.blocks[1])
                for made, item in zip(makers, splits[node.number].items, strict=True))
    return frozenset() if local else frozenset({node.factors})


def _is_local(nodes: Sequence[Node], splits: Sequence[Split], k: int, r: int, value: int) -> bool:
    """Whether each instance made by itself all of a value that layer k reads of it."""
    maker = value - 1
    if nodes[k].reads[r].value is None:  # of a join: what is made of each part is not looked at
        return len({i for split in (splits[maker], splits[k])
                    for i, item in enumerate(split.items) if item is not None}) == 1
    return is_local(nodes[k], r, nodes[maker].layer, splits[maker], splits[k])
