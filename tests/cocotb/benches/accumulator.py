"""The accumulator: blocks of partial sums, in two banks."""

from collections import deque

import cocotb

from hw.gateware.compute.accumulator import Accumulator
from hw.gateware.compute.array import EARLY
from tests.support.agents import Bench
from tests.support.benches import COLS, CONFIG, DEPTH, GAPS, begin, signed


class SumSource:
    """Writes blocks of sums at the accumulator, tags `EARLY` cycles ahead as the array does."""

    def __init__(self, bench: Bench, blocks: int):
        self.bench, self.left, self.bank, self.gap = bench, blocks, 0, bench.gap()
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
        item = self.items.popleft() if self.items and self.gap.go() else None
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
        self.gap = bench.gap()
        self.queue: deque | None = None
        self.flight: deque = deque([None] * Accumulator.READ_LATENCY)
        self.full = 0

    def idle(self) -> None:
        self.bench.set("read__valid", 0)
        self.bench.set("drained", 0)

    def drive(self) -> None:
        self.bench.set("drained", 0)
        if self.queue is None and self.full >> self.bank & 1 and self.gap.go():
            self.queue = deque(self.source.expected[self.block].items())
        now = None
        if self.queue and self.gap.go():
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
@cocotb.parametrize(gaps=GAPS)
async def accumulator(dut, gaps):
    bench = begin(dut, "accumulator", gaps)
    source = bench.add(SumSource(bench, 20))
    reader = bench.add(BankReader(bench, source))
    await bench.run(lambda: reader.block == 20)
