"""An instance's array with the loader of its tiles, and post-processing."""

from collections import deque

from hw.config import Config
from sw.lowering.ops import Unit

from .clock import NEVER, TINY, Clock
from .fifo import Fifo
from .parties import Host
from .port import ASKING, Port
from .work import Block, Work, meet

__all__ = ["ARRAY", "DRAIN", "Array"]

# Latencies in cycles.
_FEED = 10  # from a COMPUTE's start to its first vector in the array
_FULL = 5  # from the array's last vector to a full bank; of more than 8 rows it is 6
_PREPARE = 5  # from a POST's start to when it is ready for a full bank
# From a block's last cycle in post-processing; with fewer lanes than columns they are one more.
_WORD = 11  # to its last word, with which the POST ends and the bank is drained
_PARAMS = _WORD + 1  # to the first parameters that the drained bank takes
_VECTOR = _WORD + 6  # to the first vector that it lets into the array

_FEEDER_VECTORS = 8  # that wait in front of the array
_COMPUTE, _POST = (1 << unit for unit in (Unit.COMPUTE, Unit.POST))
#: Bits of `Instance.todo`: whether the array or post-processing may begin on a block.
ARRAY, DRAIN = (1 << len(Unit) + k for k in range(2))


class Array:
    """Blocks are preloaded, computed into one of two banks, and post-processed."""

    def __init__(self, x: Host, config: Config, clock: Clock, port: Port, settling: list[Fifo]):
        self._x, self._clock = x, clock
        size = config.buffers.weight_fifo_beats * config.beat_chunks
        self.fifo = Fifo(clock, size, config.beat_chunks, port.memory.latency + ASKING,
                         self._taken, settling)
        self._tile_chunks = config.tile_chunks
        self.blocks: deque[Block] = deque()  # of dispatched COMPUTEs, not yet preloaded
        self.computes: deque[Work] = deque()  # accepted, in order
        self.loading: Block | None = None
        self.loaded: Block | None = None
        self.running: Block | None = None  # whose tiles but the first are being loaded
        self.free = True
        self.feed_at = 0.0
        self.last: Block | None = None  # whose last tile is multiplied
        #: Vectors of it that are left, as of `since`; how many are left when something happens.
        self.left = self.since = self.until = 0.0
        self.rate = 1.0  # vectors per cycle
        self.due = NEVER
        #: Vectors that wait in front of the array, as of `counted`, and how many more per cycle.
        self.ahead = self.gain = self.counted = 0.0
        self.claimed = self.opened = 0  # banks, for parameters and for vectors
        self.emptied = self.drained = 0  # those that take parameters again, and vectors
        self.posts: deque[Work] = deque()
        self.post_left = 0  # blocks of the first
        self.post_at = 0.0  # when the first is ready
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

    def meets(self) -> bool:
        """Whether a STORE reads, or has read, in the bank where it reads itself."""
        store = self._x.storer.work
        return bool(self.computes) and not self.free and (
            self.rate < 1.0 if store is None else meet(store, self.computes[0]) > 0)

    def settle(self, _: None) -> None:
        """A STORE reads more words per cycle, or fewer: where they and the array's lie in one
        bank, its go first."""
        if self.computes and not self.free:
            self._settle()

    def _settle(self) -> None:
        """Find the array's rate out."""
        before, self.rate = self.rate, 1.0
        storer = self._x.storer
        if storer.work is not None:
            self.rate -= storer.reads * meet(storer.work, self.computes[0])
        block = self.running or self.last
        if block is not None and block.pixels < self._tile_chunks:
            self._wait(block.pixels / self._tile_chunks)
        if self.running is not None:
            self.fifo.take(self._speed(self.running))
        elif self.last is not None:
            now = self._clock.now
            self.left -= before * (now - self.since)
            self.since = now
            span = (self.left - self.until) / self.rate if self.rate > TINY else NEVER
            self._clock.expect(self, max(0.0, span))

    def _wait(self, taken: float) -> None:
        """Where weights let only so many vectors per cycle in, others wait, and the array goes on
        with these while a STORE reads."""
        now = self._clock.now
        self.ahead = min(max(0.0, self.ahead + self.gain * (now - self.counted)), _FEEDER_VECTORS)
        self.counted, self.gain = now, self.rate - taken
        if self.gain < 0 and self.ahead > TINY:
            self.rate = 1.0
            self._clock.at(now - self.ahead / self.gain, self.settle)

    def _speed(self, block: Block) -> float:
        """Chunks per cycle with which a block's tiles follow each other."""
        return self._tile_chunks / max(block.pixels / max(self.rate, TINY), self._tile_chunks)

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
                self.fifo.begin((block.tiles - 1) * self._tile_chunks, 1.0)
                self._settle()
                return
            self._last_tile(block)
        if self.loading is None and self.loaded is None and self.running is None and self.blocks:
            block = self.blocks[0]
            if not block.params or self.claimed - self.emptied < 2:
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
        self.last, self.left, self.since = block, block.pixels, self._clock.now
        self.until = min(block.pixels, _FEEDER_VECTORS) if block.ends else 0.0
        self._settle()

    def fire(self) -> None:
        """The last tile's vectors have been read, or multiplied."""
        block = self.last
        assert block is not None
        if self.until:
            self._x.finish(block.work, 0)
            self.until = 0.0
            self._settle()
            return
        self.last, self.free = None, True
        if block.last:
            self._clock.at(self._clock.now - 1 + _FULL, self._filled)
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
            self.post_at = self._clock.now + _PREPARE
            self._clock.at(self.post_at, self._drain)
        return True

    def _drain(self, _: None) -> None:
        self._x.todo |= DRAIN

    def drain(self) -> None:
        """Post-process a block."""
        if (self.posts and not self.post_busy and self.full
                and self.post_at <= self._clock.soon):
            self.post_busy = True
            self.full -= 1
            self._clock.at(self._clock.now + self.posts[0].cycles, self._processed)
        self._x.contend(self.posts[0] if self.post_busy else None)

    def _processed(self, _: None) -> None:
        self.post_busy = False
        self.post_left -= 1
        self._clock.at(self._clock.now + _PARAMS, self._emptied)
        self._clock.at(self._clock.now + _VECTOR, self._released)
        self._x.todo |= DRAIN
        if not self.post_left:
            self._x.finish(self.posts.popleft(), _WORD)
            self._x.todo |= _POST
            if self.posts:
                self.post_left = self.posts[0].count

    def _emptied(self, _: None) -> None:
        self.emptied += 1
        self._x.todo |= ARRAY

    def _released(self, _: None) -> None:
        self.drained += 1
        self._x.todo |= ARRAY
