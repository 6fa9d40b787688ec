"""The SDRAM controller against a chip that checks every time of its datasheet."""

import dataclasses

import numpy as np
import pytest

from boards.catalogue import BOARDS
from boards.gateware.chips import ULX3S_SDRAM
from boards.gateware.sdram import SdramController
from boards.virtual.board import VirtualBoard
from hw import registers
from hw.config import PRESETS
from sim.faults import SimulationFault
from sw.compiler import compile_graph
from sw.driver.driver import Driver
from sw.graph.integer import IntegerGraph
from sw.reference.golden import run_golden
from tests.support.blocks import cycles_until, send, simulate
from tests.support.programs import random_graph, random_layer
from tests.support.systems import CONFIG, SDRAM, backend

BOARD = BOARDS["ulx3s-25f"]


def run(board: VirtualBoard, graph, seed: int = 1):
    image = np.random.default_rng(seed).integers(-128, 128, graph.in_shape, dtype=np.int8)
    driver = Driver(backend(board))
    driver.load(compile_graph(graph, CONFIG, store_all=False))
    result = driver.run(image)
    golden = run_golden(graph, image)
    assert all(a is None or np.array_equal(a, b)
               for a, b in zip(result.outputs, golden, strict=True))
    return result


def linear(inputs: int, outputs: int) -> IntegerGraph:
    layer = random_layer(np.random.default_rng(2), "fc", (inputs, 1, 1), outputs, 1, low=-128)
    return IntegerGraph("fc", (layer,), 1.0, 1.0)


@pytest.mark.builds
def test_networks_run_from_it_bit_exactly_and_no_time_is_violated():
    with VirtualBoard(SDRAM) as board:
        for seed in (3, 4):
            run(board, random_graph(seed))
        counts = board.sdram_counts()
    assert counts["refreshes"] > 100 and counts["activates"] > 100


@pytest.mark.builds
def test_weight_streams_use_the_chip_well():
    with VirtualBoard(SDRAM) as board:
        driver = Driver(backend(board))
        driver.load(compile_graph(linear(512, 40), CONFIG))
        image = np.zeros((512, 1, 1), np.int8)
        before = board.sdram_counts()["columns"]
        driver.start(image)
        while driver._read("RUNNING"):
            board.run(500)
        cycles = driver._read("CYCLES")
        beats = board.sdram_counts()["columns"] - before
    moved, peak = beats * CONFIG.port.bytes, cycles * ULX3S_SDRAM.data_bits // 8
    assert moved >= 512 * 40
    assert moved / peak >= 0.85, f"{moved / peak:.3f} of the chip's peak"


@pytest.mark.builds
@pytest.mark.parametrize("change,rule", [
    ({"t_rcd": 60}, "tRCD"), ({"t_rp": 60}, "tRP"), ({"t_ras": 120, "t_rc": 60}, "tRAS"),
    ({"t_rc": 500}, "tRC"), ({"t_rfc": 200}, "tRFC"), ({"t_wr": 80}, "tWR: "),
    ({"wr_cycles": 5}, "tWR in cycles"),
    ({"t_mrd": 2000}, "tMRD"), ({"cas": 3}, "CAS latency"),
    ({"retention_ms": 20.0}, "refresh interval"), ({"t_rrd": 200}, "tRRD"),
])
def test_a_slower_chip_than_the_controller_was_made_for_is_noticed(change, rule):
    chip = dataclasses.replace(ULX3S_SDRAM, **change)
    with VirtualBoard(SDRAM, chip=chip) as board, pytest.raises(SimulationFault, match=rule):
        board.run(2000)  # setting up
        link = backend(board)
        for k in range(40):
            link.write_memory(k * 4096 + k * 8, bytes(range(64)))
            link.read_memory((40 - k) * 1024, 64)
        for seed in range(3, 12):  # now and then one leaves a row as soon as the controller may
            run(board, random_graph(seed))


def test_what_the_chip_or_the_link_cannot_do_is_refused():
    with pytest.raises(ValueError, match=r"the clock is 200 MHz; .* ULX3S goes up to 100 MHz"):
        dataclasses.replace(SDRAM, clock_mhz=200)
    wide = PRESETS["default"].replace(port__bytes=64, port__burst_beats=16)
    with pytest.raises(ValueError, match=r"port\.bytes is 64"):
        dataclasses.replace(SDRAM, config=wide)
    with pytest.raises(ValueError, match="baud is 25000000, 2 clock cycles for a bit"):
        dataclasses.replace(SDRAM, baud=25_000_000)


def test_the_chip_and_the_clock_are_a_board_s():
    assert (SDRAM.sdram, SDRAM.clock_mhz) == (BOARD.sdram, BOARD.clock_mhz) == (ULX3S_SDRAM, 50)


def test_times_become_whole_cycles():
    assert ULX3S_SDRAM.cycles("t_rcd", 50) == 2  # 21 ns of 20
    assert ULX3S_SDRAM.cycles("t_rfc", 50) == 4
    assert ULX3S_SDRAM.refresh_cycles(64) == 500
    assert ULX3S_SDRAM.bytes == 32 << 20
    assert registers.address("CYCLES") == 0x24


@pytest.mark.parametrize("port_bytes", [4, 16])
def test_a_read_of_an_open_row_is_answered_after_its_latency(port_bytes):
    dut = SdramController(CONFIG.replace(port__bytes=port_bytes), ULX3S_SDRAM, 50, powerup_us=0.1)
    opening = ULX3S_SDRAM.cycles("t_rcd", 50)

    async def bench(ctx):
        await cycles_until(ctx, dut.ready)
        ctx.set(dut.axi.rready, 1)
        for late in (opening, 0):
            await send(ctx, dut.axi.arvalid, dut.axi.arready)
            assert 1 + await cycles_until(ctx, dut.axi.rvalid) == dut.READ_LATENCY + late
            await ctx.tick().repeat(4)

    simulate(dut, bench)
