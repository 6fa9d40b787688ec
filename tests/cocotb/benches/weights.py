"""Weight fetch: chunks in order, whatever the bursts."""

import cocotb

from hw.isa import Opcode
from tests.support.agents import Sink, Source
from tests.support.benches import CONFIG, GAPS, Done, ReadPort, begin, insn


@cocotb.test()
@cocotb.parametrize(gaps=GAPS)
async def weights(dut, gaps):
    bench = begin(dut, "weights", gaps)
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
    await bench.run(lambda: len(chunks.items) == len(expected))
    assert chunks.items == expected and done.items == signals
