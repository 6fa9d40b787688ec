"""cocotb benches of single blocks, with random gaps on every stream.

Each has a model of what its block must do, written from the block's documented behaviour and
the instruction set, not from its logic.
"""

import json
import os
from collections import deque

import cocotb

from hw.config import Config
from hw.gateware.compute.accumulator import Accumulator
from hw.gateware.compute.array import EARLY
from hw.gateware.signatures.interfaces import (
    read_request,
    tile_walk,
    vector_layout,
    write_data,
    write_request,
)
from hw.gateware.traffic.actmem import ActMemory
from hw.isa import FORMATS, Opcode, insn_layout, tokens_of, used_bits
from tests.support.agents import ActReads, Bench, Delay, Pulse, Sink, Source, pack, unpack

CONFIG = Config.from_dict(json.loads(os.environ["PARTITA_CONFIG"]))
#: Probability of a gap in a cycle, on each stream by itself.
GAPS = [0.0, 0.5, 0.85]
ROWS, COLS = CONFIG.array.rows, CONFIG.array.cols
DEPTH = CONFIG.buffers.acc_depth
ONE_LANE = CONFIG.array.post_lanes == 1


def signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) & 1 else value


def join(values, bits: int) -> int:
    return sum((int(v) & ((1 << bits) - 1)) << bits * k for k, v in enumerate(values))


def split(value: int, bits: int, count: int) -> list[int]:
    return [value >> bits * k & ((1 << bits) - 1) for k in range(count)]


def make(dut, block: str, seed: int, gap: float) -> Bench:
    return Bench(dut, block, seed + round(10 * gap), gap)


def insn(opcode: Opcode, **fields: int) -> int:
    """An instruction as the units get it; of an aligned field the zeros below are left out."""
    lowest = {f.name: used_bits(CONFIG, opcode, f)[:1] for f in FORMATS[opcode]}
    return pack(insn_layout(opcode, CONFIG), **{
        name: value >> (lowest.get(name) or (0,))[0] for name, value in fields.items()})


class Watch:
    """Samples with a function."""

    def __init__(self, look):
        self.look = look

    def idle(self) -> None:
        pass

    def drive(self) -> None:
        pass

    def sample(self) -> None:
        self.look()


class Done:
    """Collects an opcode's completions: (signal, layer)."""

    def __init__(self, bench: Bench, opcode: Opcode):
        self.bench, self.items = bench, []
        self.signals = bool(tokens_of(opcode, "signal"))

    def idle(self) -> None:
        pass

    def drive(self) -> None:
        pass

    def sample(self) -> None:
        if self.bench.get("done__valid"):
            self.items.append((self.bench.get("done__signal") if self.signals else 0,
                               self.bench.get("done__layer")))


# -- array -------------------------------------------------------------------------------------
class TileSource:
    """Offers tiles at the array's tile port."""

    def __init__(self, bench: Bench, tiles):
        self.bench, self.tiles, self.offered = bench, deque(tiles), False

    def idle(self) -> None:
        self.bench.set("tile__valid", 0)

    def drive(self) -> None:
        if not self.offered and self.tiles and self.bench.go():
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
@cocotb.parametrize(gap=GAPS)
async def array(dut, gap):
    bench = make(dut, "array", 1, gap)
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
        tag = {"acc_addr": draw.randrange(DEPTH), "acc_first": draw.randrange(2),
               "bank": draw.randrange(2), "close": draw.randrange(2)}
        vectors.append(pack(layout, acts=join(acts, 8), swap=swap, **tag))
        sums = [sum(a * w for a, w in zip(acts, tiles[-1][c * ROWS:(c + 1) * ROWS], strict=True))
                for c in range(COLS)]
        expected.append((tuple(tag.values()), sums))
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


# -- accumulator ---------------------------------------------------------------------------------
class SumSource:
    """Writes blocks of sums at the accumulator, tags `EARLY` cycles ahead as the array does."""

    def __init__(self, bench: Bench, blocks: int):
        self.bench, self.left, self.bank = bench, blocks, 0
        self.free = [True, True]
        self.expected: list[dict[int, list[int]]] = []
        self.items: deque = deque()
        self.flight: deque = deque([None] * EARLY)

    def begin(self) -> None:
        draw = self.bench.random
        pixels = draw.randrange(1, min(DEPTH, 12) + 1)
        names = draw.sample(range(DEPTH), pixels)
        order = names + [draw.choice(names) for _ in range(draw.randrange(1, 40))]
        if draw.random() < 0.5:
            order += [names[0]] * 6  # back to back, so that every forwarding path is used
        block: dict[int, list[int]] = {}
        for k, addr in enumerate(order):
            sums = [draw.randrange(-(1 << CONFIG.array.psum_bits - 1),
                                   1 << CONFIG.array.psum_bits - 1) for _ in range(COLS)]
            first = addr not in block
            old = [0] * COLS if first else block[addr]
            block[addr] = [a + b for a, b in zip(old, sums, strict=True)]
            self.items.append((addr, int(first), self.bank, int(k == len(order) - 1), sums))
        self.expected.append(block)
        self.free[self.bank] = False
        self.bank ^= 1
        self.left -= 1

    def idle(self) -> None:
        self.bench.set("i__early__valid", 0)
        self.bench.set("i__tag__valid", 0)

    def drive(self) -> None:
        if not self.items and self.left and self.free[self.bank]:
            self.begin()
        item = self.items.popleft() if self.items and self.bench.go() else None
        for which, entry in (("early", item), ("tag", self.flight.popleft())):
            self.bench.set(f"i__{which}__valid", int(entry is not None))
            if entry is not None:
                for name, value in zip(("addr", "first", "bank", "close"), entry[:4],
                                       strict=True):
                    self.bench.set(f"i__{which}__{name}", value)
                if which == "tag":
                    for c, value in enumerate(entry[4]):
                        self.bench.set(f"i__sums__{c}",
                                       value & ((1 << CONFIG.array.psum_bits) - 1))
        self.flight.append(item)

    def sample(self) -> None:
        pass


class BankReader:
    """Reads each bank when it is full, compares, and releases it."""

    def __init__(self, bench: Bench, source: SumSource):
        self.bench, self.source, self.bank, self.block = bench, source, 0, 0
        self.queue: deque | None = None
        self.flight: deque = deque([None] * Accumulator.READ_LATENCY)
        self.full = 0

    def idle(self) -> None:
        self.bench.set("read__valid", 0)
        self.bench.set("drained", 0)

    def drive(self) -> None:
        self.bench.set("drained", 0)
        if self.queue is None and self.full >> self.bank & 1 and self.bench.go():
            self.queue = deque(self.source.expected[self.block].items())
        now = None
        if self.queue and self.bench.go():
            now = self.queue.popleft()
            self.bench.set("read__bank", self.bank)
            self.bench.set("read__addr", now[0])
        elif self.queue is not None and not self.queue and not any(self.flight):
            self.bench.set("drained", 1 << self.bank)
            self.source.free[self.bank] = True
            self.queue, self.bank, self.block = None, self.bank ^ 1, self.block + 1
            self.full = 0
        self.bench.set("read__valid", int(now is not None))
        self.flight.append(now)

    def sample(self) -> None:
        self.full = self.bench.get("full")
        now = self.flight.popleft()
        if now is not None:
            found = [signed(self.bench.get(f"read__data__{c}"), 32) for c in range(COLS)]
            assert found == now[1], f"block {self.block} pixel {now[0]}"


@cocotb.test()
@cocotb.parametrize(gap=GAPS)
async def accumulator(dut, gap):
    bench = make(dut, "accumulator", 2, gap)
    source = bench.add(SumSource(bench, 20))
    reader = bench.add(BankReader(bench, source))
    await bench.run(lambda: reader.block == 20)


# -- tile loader -----------------------------------------------------------------------------------
@cocotb.test()
@cocotb.parametrize(gap=GAPS)
async def tiles(dut, gap):
    bench = make(dut, "tiles", 3, gap)
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
    seen, bank = [], 0

    class Taker:
        def idle(self):
            bench.set("o__take", 0)
            self.column, self.params = 0, {}

        def drive(self):
            if ONE_LANE:  # the parameters are read before the tile is taken
                self.column = (self.column + 1) % COLS
                bench.set("params__bank", bank)
                bench.set("params__column", self.column)
            self.take = bench.go() and bench.get("o__valid") and (
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


# -- feeder ----------------------------------------------------------------------------------------
@cocotb.test()
@cocotb.parametrize(gap=GAPS)
async def feeder(dut, gap):
    bench = make(dut, "feeder", 4, gap)
    draw = bench.random
    words = [draw.getrandbits(8 * ROWS) for _ in range(4096)]
    instructions, expected, signals = [], [], []
    bank, open_block, was = 0, False, (1, 1)
    for k in range(14):
        kernel_h, kernel_w = draw.randrange(1, 4), draw.randrange(1, 4)
        out_w, out_h = draw.randrange(1, 5), draw.randrange(1, 4)
        if open_block:  # the accumulators of the block before go on
            out_w, out_h = was
        stride, in_w, in_h = draw.randrange(1, 3), draw.randrange(1, 9), draw.randrange(1, 9)
        pad_top, pad_left = draw.randrange(-2, 3), draw.randrange(-2, 3)
        in_blocks = draw.randrange(1, 3)
        first, last = not open_block, open_block or draw.random() < 0.7
        out_blocks = 1 if not (first and last) else draw.randrange(1, 4)
        fields = {
            "in_addr": draw.randrange(500, 800), "in_plane": draw.randrange(100, 900),
            "in_w": in_w, "in_h": in_h, "pad_top": pad_top, "pad_left": pad_left,
            "stride": stride, "kernel_h": kernel_h, "kernel_w": kernel_w, "out_w": out_w,
            "out_h": out_h, "in_blocks": in_blocks, "out_blocks": out_blocks, "first": first,
            "last": last, "tiles": in_blocks * kernel_h * kernel_w, "signal": k % 4, "layer": 3 * k}
        instructions.append(insn(Opcode.COMPUTE, **fields))
        signals.append((k % 4, 3 * k))
        for _ in range(out_blocks):
            steps = [(ib, ky, kx, oy, ox) for ib in range(in_blocks) for ky in range(kernel_h)
                     for kx in range(kernel_w) for oy in range(out_h) for ox in range(out_w)]
            for n, (ib, ky, kx, oy, ox) in enumerate(steps):
                y, x = oy * stride - pad_top + ky, ox * stride - pad_left + kx
                inside = 0 <= y < in_h and 0 <= x < in_w
                addr = fields["in_addr"] + ib * fields["in_plane"] + y * in_w + x
                expected.append({
                    "acts": words[addr] if inside else 0, "swap": int(oy == ox == 0),
                    "acc_addr": oy * out_w + ox,
                    "acc_first": int(first and ib == ky == kx == 0), "bank": bank,
                    "close": int(last and n == len(steps) - 1)})
            if last:
                bank ^= 1
        open_block, was = not last, (out_w, out_h)
    bench.add(Source(bench, "i", instructions))
    drained = bench.add(Pulse(bench, "drained"))
    found = []

    def take(payload: int) -> None:
        vector = unpack(vector_layout(CONFIG), payload)
        found.append(vector)
        assert vector == expected[len(found) - 1], f"vector {len(found) - 1}"
        if vector["close"]:
            drained.ask(vector["bank"])

    bench.add(ActReads(bench, ActMemory.LATENCY, words))
    bench.add(Sink(bench, "o", take))
    done = bench.add(Done(bench, Opcode.COMPUTE))
    await bench.run(lambda: len(found) == len(expected))
    assert done.items == signals


# -- post-processing -------------------------------------------------------------------------------
def packed(bias: int, mult: int, shift: int) -> int:
    """Requantisation parameters in 56 bits."""
    return (bias & 0xFFFFFFFF) | mult << 32 | shift << 48


@cocotb.test()
@cocotb.parametrize(gap=GAPS)
async def post(dut, gap):
    bench = make(dut, "post", 5, gap)
    draw = bench.random
    lanes = CONFIG.array.post_lanes
    instructions, banks, expected, signals = [], [], {}, []
    for k in range(10):
        conv_h, conv_w = draw.randrange(1, 6), draw.randrange(1, 6)
        while conv_h * conv_w > DEPTH:
            conv_h, conv_w = draw.randrange(1, 6), draw.randrange(1, 6)
        pool_h, pool_w, stride = draw.choice([(1, 1, 1), (2, 2, 2), (3, 3, 2), (2, 3, 1)])
        top, left = draw.randrange(pool_h), draw.randrange(pool_w)
        out_h = (conv_h - 1 + top) // stride + 1
        out_w = (conv_w - 1 + left) // stride + 1
        low, high = draw.choice([(0, 127), (-128, 127), (-5, 9)])
        blocks, plane = draw.randrange(1, 4), out_h * out_w + draw.randrange(3)
        base = 2000 * k
        instructions.append(insn(
            Opcode.POST, out_addr=base, out_plane=plane, out_w=out_w, out_h=out_h,
            conv_w=conv_w, conv_h=conv_h, pool_h=pool_h, pool_w=pool_w, pool_stride=stride,
            pool_top=top, pool_left=left, out_blocks=blocks, low=low, high=high, signal=k % 8,
            layer=k))
        signals.append((k % 8, k))
        for block in range(blocks):
            acc = [[draw.choice([draw.randrange(-1 << 30, 1 << 30), draw.randrange(-999, 999)])
                    for _ in range(conv_h * conv_w)] for _ in range(COLS)]
            params = [(draw.randrange(-1 << 30, 1 << 30) if draw.random() < 0.5 else 0,
                       draw.randrange(1 << 16), draw.randrange(48)) for _ in range(COLS)]
            banks.append((acc, params))
            for c, (bias, mult, shift) in enumerate(params):
                channel = block * COLS + c
                for oy in range(out_h):
                    for ox in range(out_w):
                        window = [
                            acc[c][y * conv_w + x]
                            for y in range(oy * stride - top, oy * stride - top + pool_h)
                            for x in range(ox * stride - left, ox * stride - left + pool_w)
                            if 0 <= y < conv_h and 0 <= x < conv_w]
                        values = []
                        for value in window:
                            product = (value + bias) * mult
                            if shift:
                                product = (product + (1 << shift - 1)) >> shift
                            values.append(max(low, min(high, product)))
                        word = base + channel // ROWS * plane + oy * out_w + ox
                        expected[word, channel % ROWS] = max(values) & 255
    bench.add(Source(bench, "i", instructions))
    done = bench.add(Done(bench, Opcode.POST))
    state = {"next": 0, "full": 0, "bank": 0, "holds": [None, None]}
    memory: dict[tuple[int, int], int] = {}

    class Banks(Delay):
        """Fills a bank now and then; answers reads; takes releases."""

        def idle(self):
            bench.set("full", 0)
            bench.set("acts__ready", 1)

        def drive(self):
            super().drive()
            if state["next"] < len(banks) and not state["full"] >> state["bank"] & 1 \
                    and bench.go():
                bank = state["bank"]
                state["holds"][bank] = banks[state["next"]]
                if not ONE_LANE:
                    for c, values in enumerate(banks[state["next"]][1]):
                        bench.set(f"params__{bank * COLS + c}", packed(*values))
                state["full"] |= 1 << bank
                state["next"] += 1
                state["bank"] ^= 1
            bench.set("full", state["full"])
            if ONE_LANE and (held := state["holds"][bench.get("params__bank")]):
                column = bench.get("params__column")
                bench.set("params__param", packed(*held[1][min(column, COLS - 1)]))

    def answer():
        drained = bench.get("drained")
        assert drained & state["full"] == drained, "released a bank that is not full"
        if bench.get("acts__valid"):
            word, data = bench.get("acts__addr"), bench.get("acts__data")
            for group in range(ROWS // lanes):
                if bench.get("acts__lanes") >> group & 1:
                    for lane in range(group * lanes, (group + 1) * lanes):
                        assert (word, lane) not in memory, "written twice"
                        memory[word, lane] = data >> 8 * lane & 255
        result = None
        if bench.get("acc__valid"):
            bank, addr = bench.get("acc__bank"), bench.get("acc__addr")
            assert state["full"] >> bank & 1, "read a bank that is not full"
            acc = state["holds"][bank][0]
            result = {f"acc__data__{c}": acc[c][addr] & 0xFFFFFFFF for c in range(COLS)}
        state["full"] &= ~drained
        return result

    bench.add(Banks(bench, Accumulator.READ_LATENCY, answer))
    await bench.run(lambda: len(done.items) == len(signals))
    assert done.items == signals
    assert memory == expected and state["full"] == 0


# -- the memory port ---------------------------------------------------------------------------
class ReadPort:
    """Answers read bursts in order, beats at random times, whether there is room or not."""

    def __init__(self, bench: Bench, memory: bytes):
        self.bench, self.memory = bench, memory
        self.beats: deque = deque()
        self.sink = Sink(bench, "req", self._take)

    def _take(self, payload: int) -> None:
        port = CONFIG.port.bytes
        burst = unpack(read_request(CONFIG), payload)
        assert burst["addr"] % port == 0 and 1 <= burst["beats"] <= CONFIG.port.burst_beats
        end = burst["addr"] + burst["beats"] * port
        assert burst["addr"] // 4096 == (end - 1) // 4096, "a burst crosses 4096 bytes"
        self.beats.extend(range(burst["addr"], end, port))

    def idle(self) -> None:
        self.sink.idle()
        self.bench.set("ret__valid", 0)

    def drive(self) -> None:
        self.sink.drive()
        ready = bool(self.beats) and self.bench.go()
        self.bench.set("ret__valid", int(ready))
        if ready:
            at = self.beats.popleft()
            self.bench.set("ret__data", int.from_bytes(
                self.memory[at:at + CONFIG.port.bytes], "little"))

    def sample(self) -> None:
        self.sink.sample()


@cocotb.test()
@cocotb.parametrize(gap=GAPS)
async def weights(dut, gap):
    bench = make(dut, "weights", 6, gap)
    draw = bench.random
    memory = draw.randbytes(1 << 16)
    chunk, port = CONFIG.chunk_bytes, CONFIG.port.bytes
    instructions, expected, signals = [], [], []
    for k in range(12):
        count = draw.choice([1, 2, draw.randrange(3, 40), draw.randrange(100, 300)])
        addr = draw.randrange(0, 0x8000 // port) * port
        instructions.append(insn(Opcode.WEIGHTS, ext_addr=addr, chunks=count,
                                 layer=k + 5))
        signals.append((0, k + 5))
        expected += [int.from_bytes(memory[a:a + chunk], "little")
                     for a in range(addr, addr + count * chunk, chunk)]
    bench.add(Source(bench, "i", instructions))
    bench.add(ReadPort(bench, memory))
    chunks = bench.add(Sink(bench, "chunks"))
    done = bench.add(Done(bench, Opcode.WEIGHTS))
    await bench.run(lambda: len(chunks.items) == len(expected), 60_000)
    assert chunks.items == expected and done.items == signals


def transfers(bench: Bench, count: int, opcode: Opcode, *, ext_limit: int):
    """Random LOAD or STORE instructions whose runs do not meet: (payload, [(ext, act)])."""
    draw = bench.random
    pitch = CONFIG.word_pitch_bytes
    result, act = [], 0
    for k in range(count):
        words, runs = draw.choice([1, 2, 7, 40]), draw.randrange(1, 5)
        stride = (words + draw.randrange(6)) * pitch
        start = draw.randrange(0, (ext_limit - runs * stride) // pitch) * pitch
        act_stride = words + draw.randrange(3)
        places = [(start + r * stride + w * pitch, act + r * act_stride + w)
                  for r in range(runs) for w in range(words)]
        result.append((insn(opcode, ext_addr=start, act_addr=act, run_words=words, runs=runs,
                            ext_stride=stride, act_stride=act_stride, signal=k % 2, layer=k),
                       places))
        act += runs * act_stride
    return result


@cocotb.test()
@cocotb.parametrize(gap=GAPS)
async def loader(dut, gap):
    bench = make(dut, "loader", 7, gap)
    draw = bench.random
    memory = draw.randbytes(1 << 14)
    work = transfers(bench, 14, Opcode.LOAD, ext_limit=1 << 14)
    items, expected, signals = [], {}, []
    for k, (payload, places) in enumerate(work):
        items.append((payload, {"barrier": 0}))
        signals.append((k % 2, k))
        for ext, act in places:
            expected[act] = int.from_bytes(memory[ext:ext + ROWS], "little")
        if k % 5 == 4:  # a barrier: all before it must be written, none after it begun
            items.append((insn(Opcode.LOAD, mask=0b101, signal=1, layer=k), {"barrier": 1}))
            signals.append((1, k))
    limits = [sum(len(p) for _, p in work[:k + 1]) for k in range(4, len(work), 5)]
    bench.add(Source(bench, "i", items))
    bench.add(ReadPort(bench, memory))
    written: dict[int, int] = {}
    passed = []

    class Acts:
        def idle(self):
            bench.set("acts__ready", 0)
            bench.set("release", 0)

        def drive(self):
            self.ready = bench.go()
            bench.set("acts__ready", int(self.ready))
            self.let = bench.go()
            bench.set("release", int(self.let))

        def sample(self):
            if self.ready and bench.get("acts__valid"):
                addr = bench.get("acts__addr")
                assert addr not in written, "written twice"
                written[addr] = bench.get("acts__data")
            if bench.get("arrive"):
                assert len(written) == limits[len(passed)], "at a barrier with loads under way"
                assert bench.get("mask") == 0b101
                if self.let:
                    passed.append(1)

    bench.add(Acts())
    done = bench.add(Done(bench, Opcode.LOAD))
    await bench.run(lambda: len(done.items) == len(signals), 60_000)
    assert written == expected and done.items == signals


@cocotb.test()
@cocotb.parametrize(gap=GAPS)
async def storer(dut, gap):
    bench = make(dut, "storer", 8, gap)
    draw = bench.random
    port, pitch = CONFIG.port.bytes, CONFIG.word_pitch_bytes
    work = transfers(bench, 14, Opcode.STORE, ext_limit=1 << 14)
    words = {act: draw.getrandbits(8 * ROWS) for _, places in work for _, act in places}
    memory: dict[int, int] = {}
    expected: dict[int, int] = {}
    for _, places in work:  # in program order: a later store overwrites an earlier one
        for ext, act in places:
            for b, byte in enumerate(split(words[act], 8, ROWS)):
                expected[ext + b] = byte
    bench.add(Source(bench, "i", [payload for payload, _ in work]))

    bench.add(ActReads(bench, ActMemory.STORE_LATENCY, words))
    bursts: deque = deque()
    beats: deque = deque()
    acknowledge = bench.add(Pulse(bench, "ret__valid"))

    def burst(payload: int) -> None:
        request = unpack(write_request(CONFIG), payload)
        assert request["addr"] % port == 0 and 1 <= request["beats"] <= CONFIG.port.burst_beats
        end = request["addr"] + request["beats"] * port
        assert request["addr"] // 4096 == (end - 1) // 4096, "a burst crosses 4096 bytes"
        bursts.append([request["addr"], request["beats"]])
        serve()

    def serve() -> None:
        while bursts and beats:
            item = unpack(write_data(CONFIG), beats.popleft())
            at = bursts[0][0]
            for b in range(port):
                if item["strb"] >> b & 1 and (at + b) % pitch < ROWS:
                    memory[at + b] = item["data"] >> 8 * b & 255
            bursts[0][0] += port
            bursts[0][1] -= 1
            if bursts[0][1] == 0:
                bursts.popleft()
                acknowledge.ask(0)

    def beat(payload: int) -> None:
        beats.append(payload)
        serve()

    bench.add(Sink(bench, "req", burst))
    bench.add(Sink(bench, "data", beat))
    done = bench.add(Done(bench, Opcode.STORE))
    await bench.run(lambda: len(done.items) == len(work), 60_000)
    assert memory == expected
    assert done.items == [(k % 2, k) for k in range(len(work))]
