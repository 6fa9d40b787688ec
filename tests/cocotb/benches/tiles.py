"""The tile loader: weights and parameters, tile by tile, out of a stream of chunks."""

import cocotb

from hw.gateware.signatures.interfaces import tile_walk
from tests.support.agents import Pulse, Source, pack
from tests.support.benches import COLS, CONFIG, GAPS, ONE_LANE, ROWS, begin


@cocotb.test()
@cocotb.parametrize(gaps=GAPS)
async def tiles(dut, gaps):
    bench = begin(dut, "tiles", gaps)
    draw = bench.random
    chunk = CONFIG.chunk_bytes
    instructions, stream, expected = [], bytearray(), []
    for _ in range(12):
        last, count, blocks = draw.random() < 0.8, draw.randrange(1, 4), draw.randrange(1, 4)
        instructions.append(pack(tile_walk(CONFIG), last=last, tiles=count, out_blocks=blocks))
        for _ in range(blocks):
            params = None
            if last:
                params = [draw.getrandbits(56) for _ in range(COLS)]
                raw = b"".join(p.to_bytes(8, "little") for p in params)
                stream += raw.ljust(CONFIG.param_chunks * chunk, b"\xa5")
            for t in range(count):
                weights = draw.randbytes(ROWS * COLS)
                stream += weights.ljust(CONFIG.tile_chunks * chunk, b"\x5a")
                expected.append((list(weights), params, t == count - 1 and last))
    chunks = [int.from_bytes(stream[k:k + chunk], "little") for k in range(0, len(stream), chunk)]
    bench.add(Source(bench, "i", instructions))
    bench.add(Source(bench, "chunks", chunks))
    drained = bench.add(Pulse(bench, "drained"))
    seen: list = []
    bank, gap = 0, bench.gap()

    class Taker:
        def idle(self):
            bench.set("o__take", 0)
            self.column, self.params = 0, {}

        def drive(self):
            if ONE_LANE:  # the parameters are read before the tile is taken
                self.column = (self.column + 1) % COLS
                bench.set("params__bank", bank)
                bench.set("params__column", self.column)
            self.take = gap.go() and bench.get("o__valid") and (
                not ONE_LANE or len(self.params) == COLS)
            bench.set("o__take", int(self.take))

        def sample(self):
            nonlocal bank
            if ONE_LANE and not self.take and bench.get("o__valid"):
                self.params[self.column] = bench.get("params__param")
            if not self.take:
                return
            weights, params, closes = expected[len(seen)]
            found = [bench.get(f"o__weights__{n}") for n in range(ROWS * COLS)]
            assert found == weights, f"tile {len(seen)}"
            if params is not None:
                assert [self.params[c] if ONE_LANE else bench.get(f"params__{bank * COLS + c}")
                        for c in range(COLS)] == params
            self.params = {}
            if closes:
                drained.ask(bank)
                bank ^= 1
            seen.append(found)

    bench.add(Taker())
    await bench.run(lambda: len(seen) == len(expected))
