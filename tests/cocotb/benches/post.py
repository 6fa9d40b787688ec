"""Post-processing: windows of requantised sums, and the words that their maxima go to."""

import random
from collections import deque
from typing import NamedTuple

import cocotb

from hw.gateware.compute.accumulator import Accumulator
from hw.isa import Opcode
from tests.support.agents import Bench, Delay, Source
from tests.support.benches import COLS, CONFIG, DEPTH, GAPS, ONE_LANE, ROWS, Done, begin, insn
from tests.support.requantise import requantised


class Bank(NamedTuple):
    """A block of sums, acc[column][pixel], and each column's (bias, mult, shift)."""

    acc: list[list[int]]
    params: list[tuple[int, int, int]]

    def packed(self, column: int) -> int:
        """A column's parameters in 56 bits."""
        bias, mult, shift = self.params[column]
        return (bias & 0xFFFFFFFF) | mult << 32 | shift << 48


class Work:
    """Random instructions, the banks that they drain, and the bytes that they must write."""

    def __init__(self, draw: random.Random, count: int):
        self.draw = draw
        self.instructions: list[int] = []
        self.signals = [(k % 8, k) for k in range(count)]
        self.banks: list[Bank] = []
        self.written: dict[tuple[int, int], int] = {}  # (word, lane) -> byte
        for k in range(count):
            self._add(k)

    def _add(self, k: int) -> None:
        draw = self.draw
        conv_h, conv_w = draw.randrange(1, 6), draw.randrange(1, 6)
        while conv_h * conv_w > DEPTH:
            conv_h, conv_w = draw.randrange(1, 6), draw.randrange(1, 6)
        pool_h, pool_w, stride_h, stride_w = draw.choice(
            [(1, 1, 1, 1), (2, 2, 2, 2), (3, 3, 2, 2), (2, 3, 1, 1), (2, 1, 2, 1), (1, 3, 1, 2)])
        top, left = draw.randrange(pool_h), draw.randrange(pool_w)
        out_h = (conv_h - 1 + top) // stride_h + 1
        out_w = (conv_w - 1 + left) // stride_w + 1
        low, high = draw.choice([(0, 127), (-128, 127), (-5, 9)])
        offset = draw.choice([0, 0, -128, 127, draw.randrange(-128, 128)])
        blocks, plane = draw.randrange(1, 4), out_h * out_w + draw.randrange(3)
        fields = {
            "out_addr": 2000 * k, "out_plane": plane, "out_w": out_w, "out_h": out_h,
            "conv_w": conv_w, "conv_h": conv_h, "pool_h": pool_h, "pool_w": pool_w,
            "pool_stride_h": stride_h, "pool_stride_w": stride_w,
            "pool_top": top, "pool_left": left, "out_blocks": blocks, "low": low, "high": high,
            "offset": offset, "signal": k % 8, "layer": k}
        self.instructions.append(insn(Opcode.POST, **fields))
        for block in range(blocks):
            acc = [[draw.choice([draw.randrange(-1 << 30, 1 << 30), draw.randrange(-999, 999)])
                    for _ in range(conv_h * conv_w)] for _ in range(COLS)]
            params = [(draw.randrange(-1 << 30, 1 << 30) if draw.random() < 0.5 else 0,
                       draw.randrange(1 << 16), draw.randrange(48)) for _ in range(COLS)]
            self.banks.append(Bank(acc, params))
            self._expect(fields, block, self.banks[-1])

    def _expect(self, fields: dict[str, int], block: int, bank: Bank) -> None:
        """Note the bytes of a bank's outputs."""
        rows, columns = fields["conv_h"], fields["conv_w"]
        for c, (bias, mult, shift) in enumerate(bank.params):
            values = [requantised(acc + bias, mult, shift, fields["low"], fields["high"],
                                  fields["offset"])
                      for acc in bank.acc[c]]
            channel = block * COLS + c
            for oy in range(fields["out_h"]):
                for ox in range(fields["out_w"]):
                    y0 = oy * fields["pool_stride_h"] - fields["pool_top"]
                    x0 = ox * fields["pool_stride_w"] - fields["pool_left"]
                    window = [values[y * columns + x] for y in range(y0, y0 + fields["pool_h"])
                              for x in range(x0, x0 + fields["pool_w"])
                              if 0 <= y < rows and 0 <= x < columns]
                    word = fields["out_addr"] + channel // ROWS * fields["out_plane"] \
                        + oy * fields["out_w"] + ox
                    self.written[word, channel % ROWS] = max(window) & 255


class Around(Delay):
    """Fills a bank now and then; answers reads; takes releases, and words."""

    def __init__(self, bench: Bench, banks: list[Bank]):
        super().__init__(bench, Accumulator.READ_LATENCY, self._answer)
        self.left, self.gap = deque(banks), bench.gap()
        self.full = 0  # a mask of banks
        self.next = 0
        self.holds: list[Bank | None] = [None, None]
        self.written: dict[tuple[int, int], int] = {}

    def idle(self) -> None:
        self.bench.set("full", 0)
        self.bench.set("acts__ready", 1)

    def drive(self) -> None:
        super().drive()
        if self.left and not self.full >> self.next & 1 and self.gap.go():
            self._fill(self.left.popleft())
        self.bench.set("full", self.full)
        if ONE_LANE and (held := self.holds[self.bench.get("params__bank")]):
            column = self.bench.get("params__column")
            self.bench.set("params__param", held.packed(min(column, COLS - 1)))

    def _fill(self, bank: Bank) -> None:
        self.holds[self.next] = bank
        if not ONE_LANE:
            for c in range(COLS):
                self.bench.set(f"params__{self.next * COLS + c}", bank.packed(c))
        self.full |= 1 << self.next
        self.next ^= 1

    def _answer(self) -> dict[str, int] | None:
        drained = self.bench.get("drained")
        assert drained & self.full == drained, "released a bank that is not full"
        if self.bench.get("acts__valid"):
            self._take_word()
        result = None
        if self.bench.get("acc__valid"):
            bank, addr = self.bench.get("acc__bank"), self.bench.get("acc__addr")
            held = self.holds[bank]
            assert held and self.full >> bank & 1, "read a bank that is not full"
            result = {f"acc__data__{c}": held.acc[c][addr] & 0xFFFFFFFF for c in range(COLS)}
        self.full &= ~drained
        return result

    def _take_word(self) -> None:
        word, data = self.bench.get("acts__addr"), self.bench.get("acts__data")
        lanes = CONFIG.array.post_lanes
        for group in range(ROWS // lanes):
            if self.bench.get("acts__lanes") >> group & 1:
                for lane in range(group * lanes, (group + 1) * lanes):
                    assert (word, lane) not in self.written, "written twice"
                    self.written[word, lane] = data >> 8 * lane & 255


@cocotb.test()
@cocotb.parametrize(gaps=GAPS)
async def post(dut, gaps):
    bench = begin(dut, "post", gaps)
    work = Work(bench.random, 10)
    bench.add(Source(bench, "i", work.instructions))
    done = bench.add(Done(bench, Opcode.POST))
    around = bench.add(Around(bench, work.banks))
    await bench.run(lambda: len(done.items) == len(work.signals))
    assert done.items == work.signals
    assert around.written == work.written and around.full == 0
