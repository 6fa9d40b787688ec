"""How an item's computation is cut into COMPUTEs, and its input into LOADs."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise

from sw.graph.integer import Layer

from .geometry import Stripe, ceil_div, parts
from .memory import LayerPlan
from .nodes import Node
from .space import FIRST_WORDS
from .split import Item, Reading
from .switches import switches

__all__ = ["Piece", "Step", "hold_pieces", "loads_of", "passes", "steps_of", "with_tables"]

#: A read, and a span of its input word blocks.
Piece = tuple[int, tuple[int, int]]

_GROWTH = 3  # each further load is so many times the one before it


@dataclass(frozen=True)
class Step:
    """One COMPUTE: output blocks and input word blocks (first, past), whether it starts and
    finishes its output blocks, whether it skips zeros, of which of the layer's reads it is, for
    which its input is loaded, and how many reads from this one on it goes through, if that is one
    block which all of them take; how many of its first blocks bring their tables."""

    blocks: tuple[int, int]
    inputs: tuple[int, int]
    first: bool = True
    last: bool = True
    live: bool = False
    read: int = 0
    source: int = 0
    times: int = 1
    tables: int = 0

    @property
    def piece(self) -> Piece:
        return self.source, self.inputs


def loads_of(node: Node, item: Item, plan: LayerPlan, stripe: Stripe, first: bool) -> list[Piece]:
    """What is loaded for a stripe whose whole input is held, in turn; the `first` stripe starts
    on a part of it."""
    loads: list[Piece] = []
    for r, reading in enumerate(item.reads):
        if plan.reads[r].resident or node.sources[r] != r:
            continue
        plane = stripe[r].plane
        loads += [(r, span) for span in
                  (_load_pieces(reading, plane) if first else [reading.inputs])]
    return loads


def _load_pieces(reading: Reading, plane: int) -> list[tuple[int, int]]:
    """Cut an item's input blocks into loads: a small one to start on, then growing ones."""
    first, past = reading.inputs
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


def steps_of(node: Node, item: Item, plan: LayerPlan, stripe: Stripe) -> tuple[Step, ...]:
    """An item's COMPUTEs for one stripe, which is the first."""
    pieces = [] if plan.piece else loads_of(node, item, plan, stripe, True)
    if len(item.reads) > 1:
        return _sum(item, plan, pieces, node.sources)
    steps: list[Step] = []
    live, (reading,), piece = plan.live_blocks > 0, item.reads, plan.reads[0].piece
    if piece:
        for segment in reading.segments:
            ranges = _cut(segment.inputs, piece)
            for blocks in _every(segment.blocks, plan.live_blocks or 1):
                steps += _chain(blocks, ranges, live)
                ranges.reverse()  # the next block starts on what this one has just used
        return tuple(steps)
    seen = reading.inputs[0]
    for segment in reading.segments:
        first, past = segment.inputs
        cuts = [b for _, (_, b) in pieces if max(first, seen) < b < past]
        seen = max(seen, past)
        ranges = list(pairwise([first, *cuts, past]))
        if live:
            for blocks in _every(segment.blocks, plan.live_blocks):
                steps += _chain(blocks, ranges, live)
                ranges = [segment.inputs]
            continue
        block = segment.blocks[0]
        if cuts:
            steps += _chain((block, block + 1), ranges, False)
            block += 1
        if block < segment.blocks[1]:
            steps.append(Step((block, segment.blocks[1]), segment.inputs))
    return tuple(steps)


def _sum(item: Item, plan: LayerPlan, loads: Sequence[Piece], sources: Sequence[int],
         ) -> tuple[Step, ...]:
    """COMPUTEs of several reads, output block by output block: only one can be left open."""
    steps: list[Step] = []
    seen = [reading.inputs[0] for reading in item.reads]
    for block in range(*item.blocks):
        ranges: list[tuple[int, tuple[int, int], int]] = []
        for r, reading in enumerate(item.reads):
            first, past = span = reading.of_block(block)
            if r != sources[r] and past == first + 1 and \
                    ranges[-1][:2] == (r - ranges[-1][2], span) and sources[r - 1] == sources[r]:
                ranges[-1] = *ranges[-1][:2], ranges[-1][2] + 1
            elif plan.reads[r].piece:
                ranges += [(r, part, 1) for part in _cut(span, plan.reads[r].piece)]
            else:
                cuts = [b for of, (_, b) in loads if of == r and max(first, seen[r]) < b < past]
                seen[r] = max(seen[r], past)
                ranges += [(r, part, 1) for part in pairwise([first, *cuts, past])]
        if plan.piece and block % 2:
            ranges.reverse()  # it starts on what the block before has just used
        last = len(ranges) - 1
        steps += [Step((block, block + 1), part, k == 0, k == last, False, r, sources[r], times)
                  for k, (r, part, times) in enumerate(ranges)]
    return tuple(steps)


def with_tables(layer: Layer, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """A layer's COMPUTEs with their tables. One for all channels is brought for the first two
    blocks, one for each bank; those of channels for all blocks."""
    if layer.table is None:
        return steps
    done, found = 0, []
    for step in steps:
        count = (step.blocks[1] - step.blocks[0]) * step.last
        brought = count if len(layer.table) > 1 else min(2, count) * (done < 2)
        found.append(replace(step, tables=brought))
        done += count
    return tuple(found)


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


def hold_pieces(steps: Sequence[Step], buffers: int, resident: Collection[int] = ()) -> list[Held]:
    """Hold the pieces that are needed soonest; what is needed last makes room for others. Of
    `resident` reads nothing is loaded."""
    wanted = [step.piece for step in steps]
    held: list[Piece | None] = [None] * buffers
    used = [-1] * buffers
    places = []
    for k, piece in enumerate(wanted):
        if piece[0] in resident:
            places.append(Held(0, False, -1))
            continue
        load = piece not in held
        buffer = _needed_last(held, used, islice(wanted, k, None)) if load else held.index(piece)
        places.append(Held(buffer, load, used[buffer]))
        held[buffer], used[buffer] = piece, k
    return places


def _needed_last(held: Sequence[Piece | None], used: Sequence[int],
                 coming: Iterable[Piece]) -> int:
    """The buffer that is needed last; of those needed no more, the one used longest ago."""
    left = sorted(range(len(held)), key=used.__getitem__)
    for piece in coming:
        if len(left) == 1:
            break
        left = [buffer for buffer in left if held[buffer] != piece]
    return left[0]


def _chain(blocks: tuple[int, int], ranges: Sequence[tuple[int, int]], live: bool) -> list[Step]:
    return [Step(blocks, r, k == 0, k == len(ranges) - 1, live) for k, r in enumerate(ranges)]
