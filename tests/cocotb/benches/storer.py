"""The storer: runs of words out of activation memory, in bursts."""

from collections import deque

import cocotb

from hw.gateware.signatures.interfaces import write_data, write_request
from hw.gateware.traffic.actmem import ActMemory
from hw.isa import Opcode
from tests.support.agents import ActReads, Pulse, Sink, Source, unpack
from tests.support.benches import CONFIG, GAPS, ROWS, Done, begin, split, transfers


@cocotb.test()
@cocotb.parametrize(gaps=GAPS)
async def storer(dut, gaps):
    bench = begin(dut, "storer", gaps)
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
    await bench.run(lambda: len(done.items) == len(work))
    assert memory == expected
    assert done.items == [(k % 2, k) for k in range(len(work))]
