"""Which instances load the same, so that it crosses a shared port once."""

from collections.abc import Mapping, Sequence

from .batch import Run
from .stage import Stage
from .steps import loads_of
from .switches import switches

__all__ = ["apart", "load_masks", "same_mask"]


def load_masks(stages: Sequence[Stage], order: Sequence[Run],
               ) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """For each layer, instance and read, the instances that load exactly the same together; 0 for
    itself alone.

    The interconnect asks that those who share multicasts come to them in one order, which holds
    where masks are equal or disjoint. So between two barriers an instance takes part in loads of
    one mask alone, that of most words.
    """
    masks = [_masks(stage) for stage in stages]
    sizes: dict[int, dict[int, int]] = {}
    spans = _spans(stages, order)
    for stage, span, of in zip(stages, spans, masks, strict=True):
        for instance, row in enumerate(of):
            for r, mask in enumerate(row):
                words = sizes.setdefault(span, {})
                words[mask] = words.get(mask, 0) + _loaded_words(stage, instance, r)
    accepted = {span: apart(words) for span, words in sizes.items()}
    return tuple(tuple(tuple(mask if mask in accepted[span] else 0 for mask in row) for row in of)
                 for span, of in zip(spans, masks, strict=True))


def apart(sizes: Mapping[int, int]) -> set[int]:
    """Of masks the largest first, equal or disjoint."""
    accepted: set[int] = set()
    for mask in sorted(sizes, key=lambda m: (-sizes[m], m)):
        if mask and not any(mask & other for other in accepted):
            accepted.add(mask)
    return accepted


def same_mask(keys: Sequence[object], key: object) -> int:
    """Mask of the instances with the same key; 0 for one alone or without a key."""
    same = [i for i, other in enumerate(keys) if other == key and switches().multicast]
    return sum(1 << i for i in same) if key is not None and len(same) > 1 else 0


def _spans(stages: Sequence[Stage], order: Sequence[Run]) -> list[int]:
    """Of each layer a number that it shares with those that run between the same barriers."""
    spans, now = [-1] * len(stages), 0
    for at, (k, _) in enumerate(order):
        if stages[k].barrier:
            now = at
        if spans[k] >= 0 and spans[k] != now:  # runs for another image, too
            spans = [now if span == spans[k] else span for span in spans]
        spans[k] = now
    return spans


def _masks(stage: Stage) -> list[list[int]]:
    """For each instance and read, the instances that load exactly the same."""
    keys: list[list[object]] = []
    for i, item in enumerate(stage.split.items):
        if item is None:
            keys.append([None] * len(stage.node.reads))
            continue
        stripes = stage.plan.stripes[i]
        loads = [step.piece for step in stage.steps(i)] if stage.plan.piece else \
            loads_of(stage.node, item, stage.plan, stripes[0], True)
        # Pieces of all reads come in turn, in an order that must be the same, too.
        keys.append([
            None if read.resident else (
                tuple(load for load in loads if stage.plan.piece or load[0] == r),
                tuple((stripe[r].rows.read, stripe[r].columns.read) for stripe in stripes))
            for r, read in enumerate(stage.plan.reads)])
    return [[same_mask([row[r] for row in keys], key) for r, key in enumerate(row)]
            for row in keys]


def _loaded_words(stage: Stage, instance: int, r: int) -> int:
    item = stage.split.items[instance]
    if item is None or stage.plan.reads[r].resident or stage.node.sources[r] != r:
        return 0
    first, past = item.reads[r].inputs
    return (past - first) * sum(stripe[r].plane for stripe in stage.plan.stripes[instance])
