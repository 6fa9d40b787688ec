"""The loader: runs of words into activation memory, barriers between them."""

import cocotb

from hw.isa import Opcode
from tests.support.agents import Source
from tests.support.benches import GAPS, ROWS, Done, ReadPort, begin, insn, transfers


@cocotb.test()
@cocotb.parametrize(gaps=GAPS)
async def loader(dut, gaps):
    bench = begin(dut, "loader", gaps)
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
    passed: list = []
    takes, lets = bench.gap(), bench.gap()

    class Acts:
        def idle(self):
            bench.set("acts__ready", 0)
            bench.set("release", 0)

        def drive(self):
            self.ready = takes.go()
            bench.set("acts__ready", int(self.ready))
            self.let = lets.go()
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
    await bench.run(lambda: len(done.items) == len(signals))
    assert written == expected and done.items == signals
