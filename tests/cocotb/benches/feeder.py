"""The feeder: a vector for each pixel under each kernel position."""

import cocotb

from hw.gateware.signatures.interfaces import vector_layout
from hw.gateware.traffic.actmem import ActMemory
from hw.isa import Opcode
from tests.support.agents import ActReads, Pulse, Sink, Source, unpack
from tests.support.benches import CONFIG, GAPS, ROWS, Done, begin, insn

#: 1 in each byte of a word.
_EACH_ROW = ((1 << 8 * ROWS) - 1) // 255


@cocotb.test()
@cocotb.parametrize(gaps=GAPS)
async def feeder(dut, gaps):
    bench = begin(dut, "feeder", gaps)
    draw = bench.random
    words = [draw.getrandbits(8 * ROWS) for _ in range(4096)]
    instructions, expected, signals = [], [], []
    bank, open_block, was = 0, False, (1, 1)
    for k in range(14):
        kernel_h, kernel_w = draw.randrange(1, 4), draw.randrange(1, 4)
        out_w, out_h = draw.randrange(1, 5), draw.randrange(1, 4)
        if open_block:  # the accumulators of the block before go on
            out_w, out_h = was
        stride_h, stride_w = draw.randrange(1, 4), draw.randrange(1, 4)
        dilation_h, dilation_w = draw.choice([1, 1, 2, 9]), draw.choice([1, 1, 3, 127])
        in_w, in_h, pad_value = draw.randrange(1, 9), draw.randrange(1, 9), draw.randrange(256)
        pad_top, pad_left = draw.randrange(-2, 3), draw.randrange(-2, 3)
        in_blocks = draw.randrange(1, 3)
        first, last = not open_block, open_block or draw.random() < 0.7
        out_blocks = 1 if not (first and last) else draw.randrange(1, 4)
        fields = {
            "in_addr": draw.randrange(500, 800), "in_plane": draw.randrange(100, 900),
            "in_w": in_w, "in_h": in_h, "pad_top": pad_top, "pad_left": pad_left,
            "pad_value": pad_value, "stride_h": stride_h, "stride_w": stride_w,
            "kernel_h": kernel_h, "kernel_w": kernel_w, "dilation_h": dilation_h,
            "dilation_w": dilation_w, "out_w": out_w, "out_h": out_h, "in_blocks": in_blocks,
            "out_blocks": out_blocks, "first": first, "last": last,
            "tiles": in_blocks * kernel_h * kernel_w, "signal": k % 4, "layer": 3 * k}
        instructions.append(insn(Opcode.COMPUTE, **fields))
        signals.append((k % 4, 3 * k))
        for _ in range(out_blocks):
            steps = [(ib, ky, kx, oy, ox) for ib in range(in_blocks) for ky in range(kernel_h)
                     for kx in range(kernel_w) for oy in range(out_h) for ox in range(out_w)]
            for n, (ib, ky, kx, oy, ox) in enumerate(steps):
                y = oy * stride_h - pad_top + ky * dilation_h
                x = ox * stride_w - pad_left + kx * dilation_w
                inside = 0 <= y < in_h and 0 <= x < in_w
                addr = fields["in_addr"] + ib * fields["in_plane"] + y * in_w + x
                expected.append({
                    "acts": words[addr] if inside else pad_value * _EACH_ROW,
                    "swap": int(oy == ox == 0),
                    "acc_addr": oy * out_w + ox,
                    "acc_first": int(first and ib == ky == kx == 0), "bank": bank,
                    "close": int(last and n == len(steps) - 1),
                    "block_end": int(n == len(steps) - 1), "layer": 3 * k})
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
