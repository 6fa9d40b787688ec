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

    def plan(self, k: int) -> LayerPlan:
        """Plan a layer, whose output stays as long as those that would use it there fit."""
        finds = [j for j in self._readers[k + 1] if self._would_find(j, k)] \
            if switches().resident else []
        for count in range(len(finds), 0, -1):
            try:
                plan = self._beside(k, keep=True)
                self._kept[k + 1] = _Kept(plan.output, tuple(finds[:count]))
                if self._goes_on(k, finds[:count]):
                    return plan
            except DoesNotFit:
                pass
            self._kept.pop(k + 1, None)
        return self._beside(k, keep=False)

    def _would_find(self, reader: int, maker: int) -> bool:
        """Whether each instance makes all of a layer's output that its item of a reader takes."""
        node = self._nodes[reader]
        reads = node.reads_of(maker + 1)
        return bool(reads) and node.layer.images == self._nodes[maker].layer.images and all(
            is_resident(node, r, self._splits[maker], self._splits[reader]) for r in reads)

    def _goes_on(self, maker: int, readers: Sequence[int]) -> bool:
        """Whether the layers up to the last reader fit beside what stays, and none that does not
        read it is slowed down for it.

        Raises
        ------
        DoesNotFit
        """
        kept = self._kept[maker + 1]
        for j in range(maker + 1, readers[-1] + 1):
            cost = self._beside(j, keep=False).cost
            if j not in readers:
                del self._kept[maker + 1]
                free = self._beside(j, keep=False).cost
                self._kept[maker + 1] = kept
                if free < cost:
                    return False
        return True

    def _beside(self, k: int, keep: bool) -> LayerPlan:
        """Plan a layer with what stays over it or is there for it."""
        alive = {value: kept for value, kept in self._kept.items()
                 if value <= k and kept.readers[-1] >= k}
        residents = {r: kept.words[0] for value, kept in alive.items() if k in kept.readers
                     for r in self._nodes[k].reads_of(value)}
        room = room_beside((kept.words for kept in alive.values()),
                           self._config.buffers.act_words)
        return plan_layer(self._nodes[k], self._splits[k], self._config, room, residents, keep)


def plan_layers(nodes: Sequence[Node], splits: Sequence[Split], config: Config,
                ) -> list[LayerPlan]:
    """Plan all layers.

    Raises
    ------
    DoesNotFit, Unsupported
    """
    keeper = _Keeper(nodes, splits, config)
    return [keeper.plan(k) for k in range(len(nodes))]
