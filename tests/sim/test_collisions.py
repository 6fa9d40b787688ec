"""Nothing uses a word that is read as it is written, or that a memory holds at power-up."""

import ctypes
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import Out

from hw.gateware.convert import to_verilog
from hw.isa import Opcode, encode
from sim.verilated.build import build_shared
from sw.compiler import compile_graph
from sw.driver.driver import Driver
from sw.reference.golden import run_golden
from tests import support
from tests.support.accelerators import CONFIGS
from tests.support.inverted import with_inverted
from tests.support.present import same
from tests.support.programs import MICROCODED, TINY, Machine, end, random_graph

pytestmark = pytest.mark.builds

CYCLES = 60


class Block(wiring.Component):
    """Counts into a memory, half a word at a time, and reads back the word of eight cycles ago at
    the address that is written (`same`), and that of five cycles ago at another (`other`)."""

    def __init__(self):
        super().__init__({"same": Out(32), "other": Out(32)})

    def elaborate(self, platform):
        m = Module()
        count = Signal(16, init=1)
        m.d.sync += count.eq(count + 1)
        for name, distance in (("same", 0), ("other", 3)):
            m.submodules[name] = words = memory.Memory(shape=32, depth=8, init=[])
            write, read = words.write_port(granularity=16), words.read_port()
            m.d.comb += [write.addr.eq(count[:3]), write.data.eq(count | count << 16),
                         write.en.eq(1 + count[3] * 2), read.addr.eq(count[:3] + distance),
                         read.en.eq(1), getattr(self, name).eq(read.data)]
        return m


def test_bits_that_are_read_as_they_are_written_are_inverted_and_no_others():
    def run(name: str, texts: dict[str, str]) -> list[np.ndarray]:
        library = build_shared("collide", name, [__name__, with_inverted.__module__],
                               lambda: texts, Path(support.__file__).parent / "collide" /
                               "collide.cpp")
        found = [(ctypes.c_uint32 * CYCLES)() for _ in range(2)]
        ctypes.CDLL(str(library)).collide_run(*found, CYCLES)
        return [np.array(list(x))[20:] for x in found]

    texts = {"collide": to_verilog(Block(), "collide")}
    (same, other), (same_inverted, other_inverted) = (
        run("plain", texts), run("inverted", with_inverted(texts)))
    assert np.array_equal(other, other_inverted)
    assert set(np.unique(same ^ same_inverted)) == {0xFFFF, 0xFFFF_FFFF}


def test_a_design_without_such_reads_is_refused():
    with pytest.raises(ValueError, match="plain: no memory's reads can collide"):
        with_inverted({"plain": "module plain(clk);\n  input clk;\nendmodule\n"})


@pytest.mark.parametrize("config", [CONFIGS["2x4x4-zeros"], MICROCODED],
                         ids=lambda config: config.core)
def test_networks_are_exact_while_colliding_reads_are_inverted(config):
    for seed, stall in ((3, 0.0), (4, 0.5), (6, 0.0)):
        graph = random_graph(seed)
        program = compile_graph(graph, config)
        with Machine(config, program.window_bytes, check=False, stall_probability=stall,
                     seed=seed, change=with_inverted) as machine:
            driver = Driver(machine.backend)
            driver.load(program)
            rng = np.random.default_rng(seed)
            for _ in range(2):
                image = rng.integers(-128, 128, graph.in_shape, dtype=np.int8)
                result = driver.run(image)
                for ours, theirs in zip(result.outputs, run_golden(graph, image), strict=True):
                    assert same(ours, theirs)
                for counters in result.counters:
                    causes = sum(v for k, v in counters.items() if k != "TOTAL")
                    assert causes == counters["TOTAL"] == result.cycles


@pytest.mark.parametrize("config", [TINY, MICROCODED], ids=lambda config: config.core)
def test_memories_hold_noise_at_power_up_that_follows_from_the_seed(config):
    def stored(seed: int) -> np.ndarray:
        with Machine(config, seed=seed) as machine:
            machine.place(0, encode(Opcode.STORE, act_addr=0, ext_addr=0x1000, run_words=256,
                                    runs=1, ext_stride=0, act_stride=0) + end(), at=0x4000)
            machine.start(1, cycles=100_000)
            return machine.backend.read_memory(0x1000, 1024)

    first, again, other = (stored(seed) for seed in (1, 1, 2))
    assert len(np.unique(first)) > 200
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
