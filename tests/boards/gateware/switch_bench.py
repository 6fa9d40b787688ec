"""cocotb bench of the switch: masters and a memory of cocotbext-axi, which takes data early."""

import logging
import os
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, Combine, FallingEdge
from cocotbext.axi import AxiBus, AxiMaster, AxiRam

from tests.cocotb.top_bench import pauses, stall_memory

BEAT = int(os.environ["PARTITA_BEAT"])
#: Where the first master writes, in areas of its own, and where the second.
AREA, SECOND, SIZE = 512, 1 << 14, 1 << 15
CHANNELS = {"aw": ("addr", "len", "user"), "w": ("data", "strb", "last"), "ar": ("addr", "len")}


async def watch(dut, faults: list[str]) -> None:
    """Note an offer to the slave that is changed or withdrawn before it is taken."""
    offered: dict[str, tuple] = {}
    while True:
        await FallingEdge(dut.clk)
        for name, members in CHANNELS.items():
            valid = int(getattr(dut, f"slave_{name}valid").value)
            payload = tuple(int(getattr(dut, f"slave_{name}{m}").value) for m in members)
            if name in offered and (not valid or payload != offered[name]):
                faults.append(f"{name} at {cocotb.utils.get_sim_time('ns')} ns")
            offered.pop(name, None)
            if valid and not int(getattr(dut, f"slave_{name}ready").value):
                offered[name] = payload


async def use_area(master: AxiMaster, number: int, rng: random.Random, wrong: list[str]) -> None:
    """Write bursts of any length into an area, and read them back."""
    for _ in range(12):
        at = AREA * number + rng.randrange(AREA - 200)
        data = rng.randbytes(rng.randrange(1, 200))
        await master.write(at, data)
        if (await master.read(at, len(data))).data != data:
            wrong.append(f"first at {at:#x}")


async def use_beats(master: AxiMaster, rng: random.Random, clk, wrong: list[str]) -> None:
    """Write and read single beats, one at a time."""
    for _ in range(60):
        await ClockCycles(clk, rng.randrange(1, 30))
        at, data = SECOND + BEAT * rng.randrange(64), rng.randbytes(BEAT)
        await master.write(at, data)
        if (await master.read(at, BEAT)).data != data:
            wrong.append(f"second at {at:#x}")


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.3, 0.8], seed=[1, 2])
async def two_masters_write_their_own(dut, stall, seed):
    rng = random.Random(seed)
    Clock(dut.clk, 10, unit="ns").start()
    dut.rst.value = 1
    buses = {name: AxiBus.from_prefix(dut, name) for name in ("first", "second", "slave")}
    logging.getLogger("cocotb.partita").setLevel(logging.WARNING)
    first, second = (AxiMaster(buses[name], dut.clk, dut.rst) for name in ("first", "second"))
    ram = AxiRam(buses["slave"], dut.clk, dut.rst, size=SIZE)
    stall_memory(ram, [stall], seed)
    # a slave that takes data long before addresses, and a master that gives it so
    ram.write_if.aw_channel.set_pause_generator(pauses([0.8], seed + 10))
    first.write_if.aw_channel.set_pause_generator(pauses([0.5], seed + 11))
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    faults: list[str] = []
    wrong: list[str] = []
    cocotb.start_soon(watch(dut, faults))
    await Combine(*(cocotb.start_soon(use_area(first, k, rng, wrong)) for k in range(4)),
                  cocotb.start_soon(use_beats(second, rng, dut.clk, wrong)))
    assert not wrong, wrong
    assert not faults, faults
