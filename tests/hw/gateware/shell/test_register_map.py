"""Every control register does what the one table says, whatever is written to it."""

import pytest

from hw.config import PRESETS
from hw.gateware.shell import runs
from hw.gateware.shell.registers import Control
from hw.registers import address, reset_value
from tests.support.blocks import cycles_until, send, simulate
from tests.support.programs import MICROCODED
from tests.support.register_map import LATCHED, PATTERNS, every_register, kept, strangers

CONFIGS = [PRESETS["tiny"], PRESETS["tiny"].replace(port__address_bits=32), MICROCODED]
OKAY, SLVERR = 0, 2
#: Read-only registers that show an input -> the input of an instance's port.
SHOWN = {"ERROR_CODE": "error_code", "ERROR_LAYER": "error_layer", "ERROR_OPCODE": "error_opcode",
         "LOG_COUNT": "log_count", "LOG_DATA": "log_data"}
every_config = pytest.mark.parametrize(
    "config", CONFIGS, ids=lambda c: f"{c.core}, {c.port.address_bits} bits")


async def write(ctx, bus, at: int, word: int, strobes: int = 0b1111) -> int:
    """Write, and return the response."""
    for signal, value in ((bus.awaddr, at), (bus.wdata, word), (bus.wstrb, strobes),
                          (bus.wvalid, 1), (bus.bready, 1)):
        ctx.set(signal, value)
    await send(ctx, bus.awvalid, bus.awready)
    ctx.set(bus.wvalid, 0)
    await cycles_until(ctx, bus.bvalid)
    response = ctx.get(bus.bresp)
    await ctx.tick().repeat(3)
    return response


async def read(ctx, bus, at: int) -> tuple[int, int]:
    """Read, and return the word and the response."""
    ctx.set(bus.araddr, at)
    ctx.set(bus.rready, 1)
    await send(ctx, bus.arvalid, bus.arready)
    await cycles_until(ctx, bus.rvalid)
    found = ctx.get(bus.rdata), ctx.get(bus.rresp)
    await ctx.tick()
    return found


def after_reset(config) -> dict:
    """What each register reads; None where nothing is promised."""
    return {one: reset_value(config, one[0]) for one, r in every_register(config).items()
            if r.access != "wo"}


async def assert_reads(ctx, bus, expected: dict) -> None:
    for one, word in expected.items():
        found, response = await read(ctx, bus, address(*one))
        assert response == OKAY and word in (None, found), one


@every_config
def test_every_register_by_every_strobe(config):
    """What is not written whole, or not to be written, changes nothing and is an error."""
    dut = Control(config)

    async def bench(ctx):
        expected = after_reset(config)
        await assert_reads(ctx, dut.bus, expected)
        for strobes in range(16):
            for n, (one, register) in enumerate(every_register(config).items()):
                name = one[0]
                if name == "START":  # which may stop what is written after it
                    continue
                for word in PATTERNS if strobes == 15 else (PATTERNS[n % 2],):
                    writes = strobes == 15 and register.access != "ro"
                    assert await write(ctx, dut.bus, address(*one), word, strobes) == (
                        OKAY if writes else SLVERR), (one, strobes)
                    if writes and register.access == "rw":
                        expected[one] = kept(config, name, word)
                    if register.access == "wo":
                        assert await read(ctx, dut.bus, address(*one)) == (0, SLVERR), one
                    else:
                        await assert_reads(ctx, dut.bus, {one: expected[one]})
            if strobes % 5 == 0:
                await assert_reads(ctx, dut.bus, expected)

    simulate(dut, bench)


@every_config
def test_read_only_registers_show_all_their_bits_and_nothing_else(config):
    dut = Control(config)

    async def bench(ctx):
        for name, member in SHOWN.items():
            for i, port in enumerate(dut.instances):
                signal = getattr(port, member)
                for word in PATTERNS:
                    ctx.set(signal, word & ((1 << len(signal)) - 1))
                    assert await read(ctx, dut.bus, address(name, i)) == (
                        word & ((1 << len(signal)) - 1), OKAY), (name, i)
        for name, member in (("RUNNING", "running"), ("DONE", "done"), ("ERROR", "error")):
            for mask in range(1 << config.instances):
                for i, port in enumerate(dut.instances):
                    ctx.set(getattr(port, member), mask >> i & 1)
                assert await read(ctx, dut.bus, address(name)) == (mask, OKAY), name

    simulate(dut, bench)


@every_config
def test_between_and_behind_the_registers_is_nothing(config):
    dut = Control(config)

    async def bench(ctx):
        for at in strangers(config):
            assert await write(ctx, dut.bus, at, 0xFFFFFFFF) == SLVERR, hex(at)
            assert await read(ctx, dut.bus, at) == (0, SLVERR), hex(at)
        await assert_reads(ctx, dut.bus, after_reset(config))

    simulate(dut, bench)


def test_counters_that_have_begun_anew_say_so(monkeypatch):
    monkeypatch.setattr(runs, "_CYCLE_BITS", 7)
    dut = Control(CONFIGS[0])

    async def bench(ctx):
        for cycles, wraps in ((126, 0), (130, 1), (300, 1), (20, 0)):
            await write(ctx, dut.bus, address("START"), 1)
            ctx.set(dut.instances[0].running, 1)
            await ctx.tick().repeat(cycles)
            ctx.set(dut.instances[0].running, 0)
            await ctx.tick().repeat(4)
            assert await read(ctx, dut.bus, address("CYCLES")) == (cycles % 128, OKAY)
            assert await read(ctx, dut.bus, address("WRAPPED")) == (wraps, OKAY)

    simulate(dut, bench)


@every_config
def test_a_start_keeps_what_it_found_until_the_run_ends(config):
    dut = Control(config)

    async def bench(ctx):
        expected = after_reset(config)
        await write(ctx, dut.bus, address("START"), 1)
        ctx.set(dut.instances[0].running, 1)
        for one, register in every_register(config).items():
            if register.access != "rw":
                continue
            assert await write(ctx, dut.bus, address(*one), 0x00005000) == OKAY, one
            if one[0] not in LATCHED:
                expected[one] = kept(config, one[0], 0x00005000)
        assert await write(ctx, dut.bus, address("START"), 0xFFFFFFFF) == OKAY
        for name in ("RUNNING", "CYCLES"):
            expected[name, None] = None
        await assert_reads(ctx, dut.bus, expected)
        ctx.set(dut.instances[0].running, 0)
        await ctx.tick().repeat(4)
        for one, register in every_register(config).items():
            if register.access == "rw":
                assert await write(ctx, dut.bus, address(*one), 0x00006000) == OKAY, one
                expected[one] = kept(config, one[0], 0x00006000)
        expected["RUNNING", None] = 0
        await assert_reads(ctx, dut.bus, expected)

    simulate(dut, bench)
