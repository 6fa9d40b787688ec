"""How an item's computation is cut into COMPUTEs, and its input into LOADs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from .geometry import Window, ceil_div, parts
from .plan import FIRST_WORDS, LayerPlan
from .split import Item
from .switches import switches

__all__ = ["Step", "hold_pieces", "load_pieces", "passes", "plane_words", "steps_of"]

_GROWTH = 3  # each further load is so many times the one before it


@dataclass(frozen=True)
class Step:
    """One COMPUTE: output blocks and input word blocks (first, past), whether it starts and
    finishes its output blocks, and whether it skips zeros."""

    blocks: tuple[int, int]
    inputs: tuple[int, int]
    first: bool = True
    last: bool = True
    live: bool = False


def load_pieces(item: Item, plane: int) -> list[tuple[int, int]]:
    """Cut an item's input blocks into loads: a small one to start on, then growing ones."""
    first, past = item.inputs
    if not switches().early_start:
        return [(first, past)]
    pieces, size = [], max(1, ceil_div(FIRST_WORDS, plane))
    while first < past:
        stop = min(past, first + size)
        if past - stop < size:
            stop = past
        pieces.append((first, stop))
        first, size = stop, size * _GROWTH
    return pieces


def steps_of(item: Item, plan: LayerPlan, stripe: Window, width: int) -> tuple[Step, ...]:
    """An item's COMPUTEs for one stripe."""
    steps: list[Step] = []
    live = plan.live_blocks > 0
    if plan.piece:
        for segment in item.segments:
            ranges = _cut(segment.inputs, plan.piece)
            for blocks in _every(segment.blocks, plan.live_blocks or 1):
                steps += _chain(blocks, ranges, live)
                ranges.reverse()  # the next block starts on what this one has just used
        return tuple(steps)
    pieces = [] if plan.resident else load_pieces(item, plane_words(stripe, width))
    seen = item.inputs[0]
    for segment in item.segments:
        first, past = segment.inputs
        cuts = [b for _, b in pieces if max(first, seen) < b < past]
        seen = max(seen, past)
        ranges = list(pairwise([first, *cuts, past]))
        if live:
            for blocks in _every(segment.blocks, plan.live_blocks):
                steps += _chain(blocks, ranges, live)
                ranges = [segment.inputs]
            continue
        block = segment.blocks[0]
        if cuts:
            steps += _chain((block, block + 1), ranges)
            block += 1
        if block < segment.blocks[1]:
            steps.append(Step((block, segment.blocks[1]), segment.inputs))
    return tuple(steps)


def passes(steps: Sequence[Step]) -> list[tuple[Step, ...]]:
    """Steps that skip zeros, those together that add to the same output blocks."""
    found: list[tuple[Step, ...]] = []
    chain: list[Step] = []
    for step in steps:
        chain.append(step)
        if step.last:
            found.append(tuple(chain))
            chain = []
    return found


def _cut(span: tuple[int, int], size: int) -> list[tuple[int, int]]:
    return parts(*span, ceil_div(span[1] - span[0], size))


def _every(span: tuple[int, int], size: int) -> list[tuple[int, int]]:
    """Pieces of `size`, the last of what is left: as few started beats as can be."""
    return [(k, min(k + size, span[1])) for k in range(*span, size)]


@dataclass(frozen=True)
class Held:
    """Where a step finds its input: in which `buffer`, whether it must be loaded, and the step
    that used the buffer last before the load, -1 for none."""

    buffer: int
    load: bool
    after: int


def hold_pieces(steps: Sequence[Step], buffers: int) -> list[Held]:
    """Hold the pieces that are needed soonest; what is needed last makes room for others."""
    wanted = [step.inputs for step in steps]
    held: list[tuple[int, int] | None] = [None] * buffers
    used = [-1] * buffers
    places = []
    for k, piece in enumerate(wanted):
        load = piece not in held
        buffer = _needed_last(held, used, islice(wanted, k, None)) if load else held.index(piece)
        places.append(Held(buffer, load, used[buffer]))
        held[buffer], used[buffer] = piece, k
    return places


def _needed_last(held: Sequence[tuple[int, int] | None], used: Sequence[int],
                 coming: Iterable[tuple[int, int]]) -> int:
    """The buffer that is needed last; of those needed no more, the one used longest ago."""
    left = sorted(range(len(held)), key=used.__getitem__)
    for piece in coming:
        if len(left) == 1:
            break
        left = [buffer for buffer in left if held[buffer] != piece]
    return left[0]


def _chain(blocks: tuple[int, int], ranges: list[tuple[int, int]], live: bool = False,
           ) -> list[Step]:
    return [Step(blocks, r, k == 0, k == len(ranges) - 1, live) for k, r in enumerate(ranges)]


def plane_words(stripe: Window, width: int) -> int:
    """Words of one input block of a stripe."""
    return (stripe.rows[1] - stripe.rows[0]) * width
