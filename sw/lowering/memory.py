"""What lies where in activation memory while a layer runs."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from .geometry import Spans, Stripe, tiles

__all__ = ["LayerPlan", "ReadPlan", "Room", "room_beside"]


@dataclass(frozen=True)
class Room:
    """What a layer has of the activation memory: words (first, past), and whether its output lies
    at the high end of them and its input at the low end; else swapped."""

    first: int
    past: int
    high: bool

    @property
    def words(self) -> int:
        return self.past - self.first


def room_beside(held: Iterable[tuple[int, int]], words: int) -> Room:
    """The largest part of a memory beside what is held, each (first, past)."""
    best, at = (0, 0), 0
    for first, past in [*sorted(held), (words, words)]:
        if first - at > best[1] - best[0]:
            best = at, first
        at = max(at, past)
    return Room(*best, best[1] == words)


@dataclass(frozen=True)
class ReadPlan:
    """Where one of a layer's reads finds its input.

    Members
    -------
    resident : it is already in activation memory
    bases : addresses of the input buffers, used in turn; or of the resident value
    piece : input word blocks loaded at a time, for each output block anew; 0: a stripe's
        whole input is held
    """

    resident: bool
    bases: tuple[int, ...]
    piece: int = 0


@dataclass(frozen=True)
class LayerPlan:
    """One layer's stripes and activation memory, alike on all instances.

    Members
    -------
    rows : for each instance the rows of its stripes, empty without an item
    columns : of the tiles that each stripe is cut into; one that is whole where the output stays or
        the input is there
    reads : for each of the layer's reads where it finds its input; those that are loaded have
        equally many buffers, and share them where input is held in pieces
    keep : the whole output stays in activation memory
    outputs : base addresses of the output ring's slots, or of the whole output if `keep`
    output_words : words from the first to past the last of the output
    group : units of output channels that are post-processed and stored at a time, at most
    live_blocks : output blocks, at most, for which live inputs are fetched at a time; 0: zeros
        are not skipped
    cost : estimated cycles
    """

    rows: tuple[tuple[Spans, ...], ...]
    columns: tuple[Spans, ...]
    reads: tuple[ReadPlan, ...]
    keep: bool
    outputs: tuple[int, ...]
    output_words: int
    group: int
    live_blocks: int = 0
    cost: float = 0.0

    @cached_property
    def stripes(self) -> tuple[tuple[Stripe, ...], ...]:
        """For each instance its tiles in turn."""
        return tuple(tiles(of, self.columns) for of in self.rows)

    @property
    def resident(self) -> bool:
        """Nothing is loaded."""
        return all(read.resident for read in self.reads)

    @property
    def piece(self) -> bool:
        """Input is held in pieces."""
        return any(read.piece for read in self.reads)

    @property
    def buffers(self) -> int:
        """Input buffers of what is loaded."""
        return max((len(read.bases) for read in self.reads if not read.resident), default=1)

    @property
    def output(self) -> tuple[int, int]:
        """Words, first and past, of the output."""
        return min(self.outputs), min(self.outputs) + self.output_words
