"""An instance's array with the loader of its tiles, and post-processing."""

from collections import deque

from hw.config import Config
from sw.lowering.ops import Unit

from .clock import Clock
from .fifo import Fifo
from .parties import Host
from .port import ASKING, MEMORY_LATENCY
from .work import Block, Work

__all__ = ["ARRAY", "DRAIN", "Array"]

# Latencies in cycles.
_FEED = 10  # from a COMPUTE's start to its first vector in the array
_FULL = 5  # from the array's last vector to a full bank; of more than 8 rows it is 6
#: From a block's last cycle in post-processing to the POST's end and the bank's release alike. With
#: as many lanes as columns that is 11 to the last word and 17 to the first vector that the
#: drained bank lets into the array, with fewer one more; predictions with each for itself are no
#: closer.
_REQUANTISE = (11 + 17) // 2

_FEEDER_VECTORS = 8  # that wait in front of the array
_COMPUTE, _POST = (1 << unit for unit in (Unit.COMPUTE, Unit.POST))
#: Bits of `Instance.todo`: whether the array or post-processing may begin on a block.
ARRAY, DRAIN = (1 << len(Unit) + k for k in range(2))


class Array:
    """Blocks are preloaded, computed into one of two banks, and post-processed."""

    def __init__(self, x: Host, config: Config, clock: Clock, settling: list[Fifo]):
        self._x, self._clock = x, clock
        size = config.buffers.weight_fifo_beats * config.beat_chunks
        self.fifo = Fifo(clock, size, config.beat_chunks, MEMORY_LATENCY + ASKING, self._taken,
                         settling)
        self._tile_chunks = config.tile_chunks
        self.blocks: deque[Block] = deque()  # of dispatched COMPUTEs, not yet preloaded
        self.computes: deque[Work] = deque()  # accepted, in order
        self.loading: Block | None = None
        self.loaded: Block | None = None
        self.running: Block | None = None  # whose tiles but the first are being loaded
        self.free = True
        self.feed_at = 0.0
        self.lost = 0.0
        self.claimed = self.opened = self.drained = 0
        self.posts: deque[Work] = deque()
        self.post_left = 0
        self.post_busy = False
        self.full = 0

    def compute(self, work: Work) -> bool:
        if len(self.computes) > 1:
            return False
        self.computes.append(work)
        if len(self.computes) == 1:
            self.feed_at = self._clock.now + _FEED
            self._clock.at(self.feed_at, self._feed)
        return True

    def meet(self, store: Work, alone: bool) -> None:
        """A STORE begins to read, perhaps behind others: where its words and the array's lie in one
        bank, its go first."""
        if alone:
            self.lost = 0.0
        if self.free or not self.computes:
            return
        low = self.computes[0].low
        self.lost += store.words * (low * store.low + (1 - low) * (1 - store.low))

    def _feed(self, _: None) -> None:
        self._x.todo |= ARRAY

    def run(self) -> None:
        """Load the next block's first tile, start on the block that is loaded."""
        block = self.loaded
        if (block is not None and self.free and self.computes
                and self.computes[0] is block.work and self.feed_at <= self._clock.soon
                and (not block.first or self.opened - self.drained < 2)):
            self.opened += block.first
            self.free = False
            self.loaded = None
            if block.tiles > 1:
                self.running = block
                self.fifo.begin((block.tiles - 1) * self._tile_chunks,
                                self._tile_chunks / max(block.pixels, self._tile_chunks))
                return
            self._last_tile(block)
        if self.loading is None and self.loaded is None and self.running is None and self.blocks:
            block = self.blocks[0]
            if not block.params or self.claimed - self.drained < 2:
                self.claimed += bool(block.params)
                self.loading = self.blocks.popleft()
                self.fifo.begin(block.params + self._tile_chunks, 1.0)

    def _taken(self) -> None:
        """The loader has taken what it wanted."""
        if self.running is not None:
            block, self.running = self.running, None
            self._last_tile(block)
        else:
            self.loaded, self.loading = self.loading, None
        self._x.todo |= ARRAY

    def _last_tile(self, block: Block) -> None:
        pixels = block.pixels
        if self.lost and pixels >= self._tile_chunks:
            lost = min(self.lost, block.tiles * pixels)
            self.lost -= lost
            pixels += round(lost)
        if block.ends:
            self._x.finish(block.work, max(0, pixels - _FEEDER_VECTORS))
        self._clock.at(self._clock.now + pixels, self._computed, block)

    def _computed(self, block: Block) -> None:
        self.free = True
        if block.last:
            self._clock.at(self._clock.now + _FULL, self._filled)
        if block.ends:
            self.computes.popleft()
            self._x.todo |= _COMPUTE
        self._x.todo |= ARRAY

    def _filled(self, _: None) -> None:
        self.full += 1
        self._x.todo |= DRAIN

    def post(self, work: Work) -> bool:
        if len(self.posts) > 1:
            return False
        self.posts.append(work)
        if len(self.posts) == 1:
            self.post_left = work.count
        self._x.todo |= DRAIN
        return True

    def drain(self) -> None:
        """Post-process a block."""
        if self.posts and not self.post_busy and self.full:
            self.post_busy = True
            self.full -= 1
            self._clock.at(self._clock.now + self.posts[0].cycles, self._processed)

    def _processed(self, _: None) -> None:
        self.post_busy = False
        self.post_left -= 1
        self._clock.at(self._clock.now + _REQUANTISE, self._released)
        self._x.todo |= DRAIN
        if not self.post_left:
            self._x.finish(self.posts.popleft(), _REQUANTISE)
            self._x.todo |= _POST
            if self.posts:
                self.post_left = self.posts[0].count

    def _released(self, _: None) -> None:
        self.drained += 1
        self._x.todo |= ARRAY
