"""Small hand-written programs and graphs for tests of the hardware."""

import numpy as np

from hw import registers
from hw.config import PRESETS, Config
from hw.isa import Opcode, encode
from sim.backend import VerilatorBackend
from sw.graph import IntegerGraph, Layer, Pool

__all__ = ["TINY", "Machine", "random_graph", "random_layer"]

TINY = PRESETS["tiny"]


def random_layer(rng: np.random.Generator, name: str, in_shape, out: int, kernel: int, *,
                 stride: int = 1, pad: int = 0, groups: int = 1, pool: int = 1,
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
        low, 127, stride, (pad, pad), groups, tuple(in_shape), shape,
        (out, *pooled.out) if pooled else shape, pooled)


def random_graph(seed: int, *, groups: int = 1) -> IntegerGraph:
    """Two convolutions and a linear layer; the middle one in groups."""
    rng = np.random.default_rng(seed)
    first = random_layer(rng, "conv1", (3, 9, 8), 8, 3, pad=1, pool=2)
    second = random_layer(rng, "conv2", first.out_shape, 16, 3, pad=1, groups=groups)
    _, rows, columns = second.out_shape
    weight = rng.integers(-127, 128, (10, 16, rows, columns), dtype=np.int8)
    last = Layer("fc", weight, np.zeros(10, np.int32), np.full(10, 1 << 14, np.uint16),
                 np.full(10, 25, np.uint8), -128, 127, 1, (0, 0), 1, tuple(second.out_shape),
                 (10, 1, 1), (10, 1, 1))
    return IntegerGraph("random", (first, second, last), 1.0, 1.0)


class Machine:
    """A simulated accelerator and raw access to its registers."""

    def __init__(self, config: Config = TINY, memory_bytes: int = 1 << 16, **options):
        self.config = config
        self.backend = VerilatorBackend(config, memory_bytes=memory_bytes, check=True, **options)

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
