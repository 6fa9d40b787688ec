"""Small hand-written programs and graphs for tests of the hardware."""

import numpy as np

from hw import registers
from hw.config import PRESETS, Config
from hw.isa import INSN_BYTES, Opcode, decode, encode
from sim.backend import VerilatorBackend
from sw.compiler import Program
from sw.graph.integer import IntegerGraph, Layer, Pool

__all__ = ["COMPUTE", "MICROCODED", "TINY", "TRANSFER", "Machine", "end", "instructions",
           "random_graph", "random_layer", "random_network", "stray_store"]

TINY = PRESETS["tiny"]
MICROCODED = TINY.replace(
    core="microcoded", instances=1, array__rows=4, array__cols=2, array__post_lanes=1,
    port__bytes=4, port__address_bits=20, buffers__queue_depth=1)
#: Fields of a LOAD or STORE of four words, and of a COMPUTE of 4x4 pixels by one tile.
TRANSFER = {"act_addr": 0, "run_words": 4, "runs": 1, "ext_stride": 0, "act_stride": 0}
COMPUTE = {
    "in_addr": 0, "in_plane": 16, "in_w": 4, "in_h": 4, "pad_top": 0, "pad_left": 0, "stride_h": 1,
    "stride_w": 1, "kernel_h": 1, "kernel_w": 1, "dilation_h": 1, "dilation_w": 1, "out_w": 4,
    "out_h": 4, "in_blocks": 1, "out_blocks": 1, "tiles": 1, "first": 1, "last": 1}


def random_layer(rng: np.random.Generator, name: str, in_shape: tuple[int, int, int], out: int,
                 kernel: int, *, stride: int = 1, pad: int = 0, groups: int = 1, pool: int = 1,
                 low: int = 0) -> Layer:
    """A layer of random weights whose outputs spread over int8."""
    channels, height, width = in_shape
    rows, columns = ((n + 2 * pad - kernel) // stride + 1 for n in (height, width))
    shape = (out, rows, columns)
    pooled = Pool((pool, pool), (pool, pool), (0, 0), (rows // pool, columns // pool)) \
        if pool > 1 else None
    terms = channels // groups * kernel * kernel
    shift = 20 + int(np.log2(terms) / 2)
    return Layer(
        name, rng.integers(-127, 128, (out, channels // groups, kernel, kernel), dtype=np.int8),
        rng.integers(-20000, 20000, out).astype(np.int32),
        rng.integers(1 << 13, 1 << 15, out).astype(np.uint16), np.full(out, shift, np.uint8),
        low, 127, (stride, stride), (pad, pad), groups, in_shape, shape,
        (out, *pooled.out) if pooled else shape, pooled)


def random_graph(seed: int, *, groups: int = 1) -> IntegerGraph:
    """Two convolutions and a linear layer; the middle one in groups."""
    rng = np.random.default_rng(seed)
    first = random_layer(rng, "conv1", (3, 9, 8), 8, 3, pad=1, pool=2)
    second = random_layer(rng, "conv2", first.out_shape, 16, 3, pad=1, groups=groups)
    _, rows, columns = second.out_shape
    weight = rng.integers(-127, 128, (10, 16, rows, columns), dtype=np.int8)
    last = Layer("fc", weight, np.zeros(10, np.int32), np.full(10, 1 << 14, np.uint16),
                 np.full(10, 25, np.uint8), -128, 127, (1, 1), (0, 0), 1, second.out_shape,
                 (10, 1, 1), (10, 1, 1))
    return IntegerGraph("random", (first, second, last), 1.0, 1.0)


class Machine:
    """A simulated accelerator and raw access to its registers."""

    def __init__(self, config: Config = TINY, memory_bytes: int = 1 << 16, *, check: bool = True,
                 **options):
        self.config = config
        self.backend = VerilatorBackend(config, memory_bytes=memory_bytes, check=check, **options)

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *exc) -> None:
        self.backend.close()

    def read(self, name: str, instance: int | None = None) -> int:
        return self.backend.read_register(registers.address(name, instance))

    def write(self, name: str, value: int, instance: int | None = None) -> None:
        self.backend.write_register(registers.address(name, instance), value)

    def place(self, instance: int, code: bytes, *, at: int, base: int = 0,
              window: int = 1 << 15) -> None:
        """Put a program at an offset of an instance's window."""
        self.backend.write_memory(base + at, code)
        for name, value in (("PROGRAM", at), ("WINDOW_BASE", base), ("WINDOW_BYTES", window)):
            self.write(name, value, instance)

    def start(self, mask: int, cycles: int = 20_000) -> None:
        """Start instances and run until all have ended."""
        self.write("START", mask)
        self.backend.advance(cycles)
        assert self.read("RUNNING") == 0


def end() -> bytes:
    """The last instruction."""
    return encode(Opcode.END)


def instructions(program: Program, instance: int) -> list[tuple[Opcode, dict[str, int]]]:
    """An instance's instructions."""
    start = program.programs[instance]
    assert start is not None, f"instance {instance} has no program"
    code = dict(program.segments)[start].tobytes()
    return [decode(code[k:k + INSN_BYTES]) for k in range(0, len(code), INSN_BYTES)]


def stray_store(program: Program, instance: int) -> tuple[int, int, bytes, int]:
    """An instance's last STORE, made to write to the input: its number, where it lies, its code
    and its layer."""
    code = instructions(program, instance)
    number = max(k for k, (opcode, _) in enumerate(code) if opcode is Opcode.STORE)
    start = program.programs[instance]
    assert start is not None
    good = dict(program.segments)[start].tobytes()[number * INSN_BYTES:][:INSN_BYTES]
    word = int.from_bytes(good, "little") & ~(0xFFFF_FFFF << 32) | program.input.offset << 32
    bad = word.to_bytes(INSN_BYTES, "little")
    assert decode(bad)[1]["ext_addr"] == program.input.offset
    return number, start + number * INSN_BYTES, bad, code[number][1]["layer"]


def random_network(seed: int) -> IntegerGraph:
    """Two to five layers of sizes that people use on small images."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(10, 29))
    shape = (int(rng.choice([1, 3, 4, 8, 16])), size, size)
    layers: list[Layer] = []
    for k in range(int(rng.integers(1, 4))):
        kernel = int(rng.choice([1, 3, 3, 5]))
        if kernel > shape[1]:
            break
        out = int(rng.choice([12, 16, 24, 32, 48, 64]))
        groups = int(rng.choice([g for g in (1, 1, 2, 4) if shape[0] % g == 0 and out % g == 0]))
        pad = int(rng.integers(0, kernel // 2 + 1))
        side = shape[1] + 2 * pad - kernel + 1
        pool = 2 if side >= 4 and rng.random() < 0.5 else 1
        stride = 2 if side >= 8 and rng.random() < 0.2 else 1
        layers.append(random_layer(rng, f"conv{k}", shape, out, kernel, stride=stride, pad=pad,
                                   groups=groups, pool=pool))
        shape = layers[-1].out_shape
    hidden = int(rng.choice([0, 64, 128]))
    for k, out in enumerate([*([hidden] if hidden else []), int(rng.integers(4, 40))]):
        layers.append(random_layer(rng, f"fc{k}", shape, out, shape[1], low=-128))
        shape = layers[-1].out_shape
    return IntegerGraph(f"random-{seed}", tuple(layers), 1.0, 1.0)
