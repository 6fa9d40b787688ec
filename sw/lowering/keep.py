"""Pass 2: which layers' outputs stay in activation memory, for which of their readers."""

from collections.abc import Sequence
from dataclasses import dataclass

from hw.config import Config

from .errors import DoesNotFit
from .memory import LayerPlan, room_beside
from .nodes import Node, readers_of
from .plan import plan_layer
from .split import Split, is_resident
from .switches import switches

__all__ = ["plan_layers"]

_WORTH = 1.05  # estimates are not nearer, and what stays crosses no port


@dataclass(frozen=True)
class _Kept:
    """A layer's output that stays: its words (first, past), and the layers that find it there."""

    words: tuple[int, int]
    readers: tuple[int, ...]


class _Keeper:
    """Plans layers in turn, each beside what stays of those before it."""

    def __init__(self, nodes: Sequence[Node], splits: Sequence[Split], config: Config):
        self._nodes, self._splits, self._config = nodes, splits, config
        self._readers = readers_of(nodes)
        self._kept: dict[int, _Kept] = {}
        self._known: dict[tuple, LayerPlan] = {}

    def plan(self, k: int) -> LayerPlan:
        """Plan a layer, whose output stays for as many readers as it can without being estimated
        to cost more than it saves; in a chain it stays wherever it fits."""
        finds = [j for j in self._readers[k + 1] if self._would_find(j, k)] \
            if switches().resident else []
        chain = self._nodes[k].follows and self._readers[k + 1] == [k + 1] \
            and self._nodes[k + 1].follows
        counts = range(len(finds), 0 if chain else -1, -1) if finds else ()
        found: list[tuple[float, LayerPlan, tuple[int, ...]]] = []
        for count in counts:
            try:
                plan, cost = self._keeping(k, tuple(finds[:count]), finds[-1])
            except DoesNotFit:
                continue
            found.append((cost, plan, tuple(finds[:count])))
        if not found:
            return self._beside(k, keep=False)
        most = min(cost for cost, _, _ in found) * _WORTH
        plan, readers = next((plan, readers) for cost, plan, readers in found if cost <= most)
        if readers:
            self._kept[k + 1] = _Kept(plan.output, readers)
        return plan

    def _keeping(self, k: int, readers: tuple[int, ...], last: int) -> tuple[LayerPlan, float]:
        """A layer's plan where its output stays for these readers, and the estimated cycles of it
        and the layers up to `last`.

        Raises
        ------
        DoesNotFit
        """
        plan = self._beside(k, keep=bool(readers))
        if readers:
            self._kept[k + 1] = _Kept(plan.output, readers)
        try:
            return plan, plan.cost + sum(self._beside(j, keep=False).cost
                                         for j in range(k + 1, last + 1))
        finally:
            self._kept.pop(k + 1, None)

    def _would_find(self, reader: int, maker: int) -> bool:
        """Whether each instance makes all of a layer's output that its item of a reader takes."""
        node = self._nodes[reader]
        reads = node.reads_of(maker + 1)
        return bool(reads) and node.layer.images == self._nodes[maker].layer.images and all(
            is_resident(node, r, self._splits[maker], self._splits[reader]) for r in reads)

    def _beside(self, k: int, keep: bool) -> LayerPlan:
        """Plan a layer with what stays over it or is there for it."""
        alive = {value: kept for value, kept in self._kept.items()
                 if value <= k and kept.readers[-1] >= k}
        residents = {r: kept.words[0] for value, kept in alive.items() if k in kept.readers
                     for r in self._nodes[k].reads_of(value)}
        room = room_beside((kept.words for kept in alive.values()),
                           self._config.buffers.act_words)
        key = k, room, tuple(residents.items()), keep
        if key not in self._known:
            self._known[key] = plan_layer(self._nodes[k], self._splits[k], self._config, room,
                                          residents, keep)
        return self._known[key]


def plan_layers(nodes: Sequence[Node], splits: Sequence[Split], config: Config,
                ) -> list[LayerPlan]:
    """Plan all layers.

    Raises
    ------
    DoesNotFit, Unsupported
    """
    keeper = _Keeper(nodes, splits, config)
    return [keeper.plan(k) for k in range(len(nodes))]
