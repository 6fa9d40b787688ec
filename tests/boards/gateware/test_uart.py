"""Bytes over a wire whose two ends have clocks of their own."""

import pytest

from boards.gateware.uart import UartReceiver, UartTransmitter
from tests.support.blocks import send, simulate
from tests.support.seeds import draws

CLOCKS = 16


def wire(data: bytes, clocks: float, *, stop: int = 1) -> list[int]:
    """Levels of a wire, one for each of the receiver's cycles, idle before and after."""
    bits = [1] * 12
    for byte in data:
        bits += [0, *(byte >> k & 1 for k in range(8)), stop, 1]
    return [bits[int(n / clocks)] for n in range(int(len(bits) * clocks))] + [1] * 4 * CLOCKS


def received(levels: list[int]) -> bytes:
    dut, found = UartReceiver(CLOCKS), []

    async def bench(ctx):
        for level in levels:
            ctx.set(dut.rx, level)
            if ctx.get(dut.valid):
                found.append(ctx.get(dut.data))
            await ctx.tick()

    simulate(dut, bench)
    return bytes(found)


@pytest.mark.parametrize("drift", [-0.045, -0.02, 0, 0.02, 0.045])
def test_bytes_are_received_from_a_clock_that_is_a_little_off(drift):
    data = bytes([0x00, 0xFF, 0x55, 0xAA, 0x7F, 0x80, *draws("uart", drift).randbytes(10)])
    assert received(wire(data, CLOCKS * (1 + drift))) == data


def test_a_byte_without_its_stop_bit_is_none():
    assert received(wire(b"\x80", CLOCKS, stop=0)) == b""


def test_a_glitch_is_no_byte():
    assert received([*[1] * CLOCKS, *[0] * (CLOCKS // 2 - 3), *[1] * 14 * CLOCKS]) == b""


def test_bytes_are_sent_one_right_after_the_other_each_with_its_stop_bit():
    dut, levels = UartTransmitter(CLOCKS), []
    data = bytes([0x00, 0xFF, 0x53])

    async def bench(ctx):
        async def watch(cycles):
            for _ in range(cycles):
                levels.append(ctx.get(dut.tx))
                await ctx.tick()

        for byte in data:
            ctx.set(dut.i.payload, byte)
            while not ctx.get(dut.i.ready):
                await watch(1)
            await send(ctx, dut.i.valid)
        await watch(12 * CLOCKS)

    simulate(dut, bench)
    bits = [0, *[0] * 8, 1, 0, *[1] * 8, 1, 0, *(0x53 >> k & 1 for k in range(8)), 1]
    found, at = [], CLOCKS // 2
    for n, bit in enumerate(bits):
        found.append(levels[at + n * CLOCKS + n // 10])  # a cycle between bytes
        assert found[-1] == bit, (n, found)
