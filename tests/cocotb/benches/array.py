"""The array: sums of every vector with the tile of its swap, and tags ahead of them."""

from collections import deque

import cocotb

from hw.gateware.compute.array import EARLY
from hw.gateware.signatures.interfaces import vector_layout
from tests.support.agents import Bench, Source, Watch, pack
from tests.support.benches import COLS, CONFIG, DEPTH, GAPS, ROWS, begin, join, signed


class TileSource:
    """Offers tiles at the array's tile port."""

    def __init__(self, bench: Bench, tiles):
        self.bench, self.tiles, self.offered = bench, deque(tiles), False
        self.gap = bench.gap()

    def idle(self) -> None:
        self.bench.set("tile__valid", 0)

    def drive(self) -> None:
        if not self.offered and self.tiles and self.gap.go():
            self.offered = True
            for n, weight in enumerate(self.tiles[0]):
                self.bench.set(f"tile__weights__{n}", weight & 255)
        self.bench.set("tile__valid", int(self.offered))

    def sample(self) -> None:
        if self.bench.get("tile__take"):
            assert self.offered, "took a tile that is not there"
            self.tiles.popleft()
            self.offered = False


@cocotb.test()
@cocotb.parametrize(gaps=GAPS)
async def array(dut, gaps):
    bench = begin(dut, "array", gaps)
    draw = bench.random
    tiles, vectors, expected = [], [], []
    layout = vector_layout(CONFIG)
    for n in range(300):
        extreme = draw.random() < 0.1
        acts = [-128 if extreme else draw.randrange(-128, 128) for _ in range(ROWS)]
        swap = n == 0 or draw.random() < 0.3
        if swap:
            tiles.append([-128 if extreme else draw.randrange(-128, 128)
                          for _ in range(ROWS * COLS)])
        own = {"acc_addr": draw.randrange(DEPTH), "acc_first": draw.randrange(2),
               "bank": draw.randrange(2), "close": draw.randrange(2)}
        vectors.append(pack(layout, acts=join(acts, 8), swap=swap, **own))
        sums = [sum(a * w for a, w in zip(acts, tiles[-1][c * ROWS:(c + 1) * ROWS], strict=True))
                for c in range(COLS)]
        expected.append((tuple(own.values()), sums))
    source = bench.add(Source(bench, "i", vectors))
    bench.add(TileSource(bench, tiles))
    found, early = [], deque([None] * EARLY)

    def tag(which: str):
        if not bench.get(f"o__{which}__valid"):
            return None
        return tuple(bench.get(f"o__{which}__{n}") for n in ("addr", "first", "bank", "close"))

    def look():
        now = tag("tag")
        assert now == early.popleft(), "the early tag does not come `EARLY` cycles ahead"
        early.append(tag("early"))
        if now is not None:
            found.append((now, [signed(bench.get(f"o__sums__{c}"), CONFIG.array.psum_bits)
                                for c in range(COLS)]))

    bench.add(Watch(look))
    await bench.run(lambda: len(found) == len(expected))
    assert found == expected and source.taken == len(vectors)
