"""cocotb bench of the whole accelerator at its buses, against cocotbext-axi.

The program, its input and the expected outputs come in a file that `test_top` wrote.
"""

import json
import logging
import os
import random
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam

from hw import registers
from sw.compiler import Program
from tests.support.present import present

from .watch import watch_port

#: Cycles for which a channel is stalled as often as it is.
_PHASE = 300


def pauses(shares: list[float], seed: int):
    """Endless random stalls: in each phase as often as one of the shares says."""
    generator = random.Random(seed)
    while True:
        share = generator.choice(shares)
        for _ in range(_PHASE):
            yield generator.random() < share


def stall_memory(ram: AxiRam, shares: list[float], seed: int) -> None:
    """Stall each channel of a memory by itself."""
    channels = (ram.write_if.aw_channel, ram.write_if.w_channel, ram.write_if.b_channel,
                ram.read_if.ar_channel, ram.read_if.r_channel)
    for k, channel in enumerate(channels):
        channel.set_pause_generator(pauses(shares, seed + k))


async def count_rises(signal, counts: list[int], k: int) -> None:
    """Count a signal's rising edges in `counts[k]`."""
    while True:
        await RisingEdge(signal)
        counts[k] += 1


@cocotb.test()
async def runs_a_program(dut):
    """Load a program over AXI, start it over AXI4-Lite, compare every layer's output."""
    job = json.loads(Path(os.environ["PARTITA_JOB"]).read_text())
    program = Program.load(job["program"])
    data = np.load(job["data"], allow_pickle=False)
    logging.getLogger("cocotb.partita").setLevel(logging.WARNING)
    Clock(dut.clk, 10, unit="ns").start()
    dut.rst.value = 1
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
    rams: list[AxiRam] = []
    for p in range(program.config.ports):  # one address space behind all ports
        rams.append(AxiRam(AxiBus.from_prefix(dut, f"m{p}_axi"), dut.clk, dut.rst,
                           size=-(-program.window_bytes // 4096) * 4096,
                           mem=rams[0].mem if rams else None))
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 4)
    for p, ram in enumerate(rams):
        stall_memory(ram, job["stalls"], 100 * p + job["seed"])
        cocotb.start_soon(watch_port(dut, f"m{p}_axi", program.config.port.bytes,
                                     program.window_bytes))

    async def read(name: str, instance: int | None = None) -> int:
        return await master.read_dword(registers.address(name, instance))

    assert await read("ID") == registers.MAGIC
    assert await read("CONFIG_HASH") == int(program.config.digest[:8], 16)
    for offset, segment in program.segments:
        rams[0].write(offset, segment.tobytes())
    rams[0].write(program.input.offset, program.pack_input(data["image"]).tobytes())
    for i, start in enumerate(program.programs):
        if start is not None:
            await master.write_dword(registers.address("PROGRAM", i), start)
            await master.write_dword(registers.address("WINDOW_BYTES", i), program.window_bytes)
    active = program.start_mask
    if job["active"] is not None:
        active = program.active_mask(job["active"])
        for offset, size in program.dropped_regions(job["active"]):
            rams[0].write(offset, bytes(size))
        await master.write_dword(registers.address("ACTIVE"), active)
        await ClockCycles(dut.clk, 10)
    clocked, ticks = [0] * program.config.instances, [0]
    for i in range(program.config.instances):
        cocotb.start_soon(count_rises(getattr(dut, f"clk_{i}"), clocked, i))
    cocotb.start_soon(count_rises(dut.clk, ticks, 0))
    await master.write_dword(registers.address("START"), program.start_mask)
    for _ in range(job["limit"]):
        await RisingEdge(dut.clk)
        if dut.irq.value == 1:
            break
    assert sum((n > 0) << i for i, n in enumerate(clocked)) == active
    slept = [ticks[0] - n for i, n in enumerate(clocked) if active >> i & 1]
    assert await read("ERROR") == 0
    assert await read("DONE") == active
    for k, place in enumerate(program.outputs):
        raw = np.frombuffer(rams[0].read(present(place).offset, program.output_bytes(k)), np.uint8)
        assert np.array_equal(program.unpack_output(k, raw), data[f"layer_{k}"]), f"layer {k}"
    for i in range(active.bit_length()):
        causes = [await read(name, i) for name in registers.COUNTERS]
        assert sum(causes) == await read("TOTAL", i)
    # The last tick may count late.
    assert max(slept) > 1, "nobody's clock was off while it waited"
    dut._log.info(f"bit-exact after {await read('CYCLES')} cycles")
