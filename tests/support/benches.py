"""What the benches of single blocks share: the configuration, instructions and their completions,
the memory port."""

import json
import os
from collections import deque

from hw.config import Config
from hw.gateware.signatures.interfaces import read_request
from hw.isa import FORMATS, Opcode, insn_layout, tokens_of, used_bits

from .agents import Bench, Sink, pack, unpack
from .gaps import PATTERNS
from .seeds import draws

__all__ = ["COLS", "CONFIG", "DEPTH", "GAPS", "ONE_LANE", "ROWS", "Done", "ReadPort", "begin",
           "insn", "join", "signed", "split", "transfers"]

CONFIG = Config.from_dict(json.loads(os.environ["PARTITA_CONFIG"]))
#: How the gaps of a bench's agents meet.
GAPS = list(PATTERNS)
ROWS, COLS = CONFIG.array.rows, CONFIG.array.cols
DEPTH = CONFIG.buffers.acc_depth
ONE_LANE = CONFIG.array.post_lanes == 1


def signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) & 1 else value


def join(values, bits: int) -> int:
    return sum((int(v) & ((1 << bits) - 1)) << bits * k for k, v in enumerate(values))


def split(value: int, bits: int, count: int) -> list[int]:
    return [value >> bits * k & ((1 << bits) - 1) for k in range(count)]


def begin(dut, block: str, gaps: str) -> Bench:
    """A bench of one of the blocks, with gaps in one of the patterns."""
    return Bench(dut, block, draws(CONFIG.digest, block, gaps), gaps)


def insn(opcode: Opcode, **fields: int) -> int:
    """An instruction as the units get it; of an aligned field the zeros below are left out."""
    lowest = {f.name: used_bits(CONFIG, opcode, f)[:1] for f in FORMATS[opcode]}
    return pack(insn_layout(opcode, CONFIG), **{
        name: value >> (lowest.get(name) or (0,))[0] for name, value in fields.items()})


class Done:
    """Collects an opcode's completions: (signal, layer)."""

    def __init__(self, bench: Bench, opcode: Opcode):
        self.bench = bench
        self.items: list[tuple[int, int]] = []
        self.signals = bool(tokens_of(opcode, "signal"))

    def idle(self) -> None:
        pass

    def drive(self) -> None:
        pass

    def sample(self) -> None:
        if self.bench.get("done__valid"):
            self.items.append((self.bench.get("done__signal") if self.signals else 0,
                               self.bench.get("done__layer")))


class ReadPort:
    """Answers read bursts in order, beats at random times, whether there is room or not."""

    def __init__(self, bench: Bench, memory: bytes):
        self.bench, self.memory, self.gap = bench, memory, bench.gap()
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
        ready = bool(self.beats) and self.gap.go()
        self.bench.set("ret__valid", int(ready))
        if ready:
            at = self.beats.popleft()
            self.bench.set("ret__data", int.from_bytes(
                self.memory[at:at + CONFIG.port.bytes], "little"))

    def sample(self) -> None:
        self.sink.sample()


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
