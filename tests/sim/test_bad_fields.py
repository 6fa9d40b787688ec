"""What leaves the addresses that there are, or contradicts itself, stops both cores alike."""

from collections.abc import Callable

import numpy as np
import pytest

from hw.config import Config
from hw.isa import ErrorCode, Opcode, Token, encode
from tests.support.programs import COMPUTE, MICROCODED, TINY, TRANSFER, Machine, end

pytestmark = pytest.mark.builds

POST = {
    "out_addr": 64, "out_plane": 16, "out_w": 2, "out_h": 2, "conv_w": 4, "conv_h": 4, "pool_h": 2,
    "pool_w": 2, "pool_stride_h": 2, "pool_stride_w": 2, "pool_top": 0, "pool_left": 0,
    "out_blocks": 1, "low": -128, "high": 127}
#: Fields of a POST without pooling, and of a COMPUTE of a pixel.
UNPOOLED = {"out_w": 4, "pool_h": 1, "pool_w": 1, "pool_stride_h": 1, "pool_stride_w": 1}
SHORT = {"out_w": 1, "out_h": 1, "last": 0}
LAYER = 5


def load(**fields) -> bytes:
    return encode(Opcode.LOAD, layer=LAYER, **{**TRANSFER, "mask": 0, "ext_addr": 0, **fields})


def store(**fields) -> bytes:
    return encode(Opcode.STORE, layer=LAYER, **{**TRANSFER, "ext_addr": 0x4000, **fields})


def compute(**fields) -> bytes:
    return encode(Opcode.COMPUTE, **{"layer": LAYER, **COMPUTE, **fields})


def computes(*after: bytes, **fields) -> bytes:
    """A COMPUTE, more weights than it takes, and what comes after it."""
    return b"".join([encode(Opcode.WEIGHTS, layer=LAYER, ext_addr=0x100, chunks=256, mask=0),
                     compute(**fields), *after])


def post(**fields) -> bytes:
    return encode(Opcode.POST, layer=LAYER, **{**POST, **fields})


def around(transfer: Callable[..., bytes], start: int, second: int) -> Callable[[Config], bytes]:
    """A transfer whose second run begins at `second`, were addresses modulo those there are."""
    return lambda config: transfer(
        ext_addr=start, runs=2, ext_stride=(1 << config.port.address_bits) + second - start)


def always(code: bytes) -> Callable[[Config], bytes]:
    """The same instructions of every configuration."""
    def made(_: Config) -> bytes:
        return code
    return made


#: Of a configuration, a bad instruction and what it needs; the error, and the opcode it names.
CASES: dict[str, tuple[Callable[[Config], bytes], ErrorCode, Opcode]] = {
    "a load around the end of all addresses": (
        around(load, 0x400, 0x100), ErrorCode.ADDRESS_WINDOW, Opcode.LOAD),
    **{what: (always(code), ErrorCode.BAD_FIELD, opcode)
       for opcode, what, code in (
        (Opcode.COMPUTE, "more pixels than accumulators",
         computes(in_w=13, in_h=5, out_w=13, out_h=5)),
        (Opcode.COMPUTE, "more pixels than accumulators, while weights are read",
         computes(in_w=14, in_h=5, out_w=13, out_h=5, kernel_w=2, tiles=2)),
        (Opcode.COMPUTE, "fewer tiles than inputs", computes(in_blocks=2, tiles=1)),
        (Opcode.COMPUTE, "fewer tiles than inputs, block by block",
         computes(in_blocks=3, tiles=2, out_blocks=2)),
        (Opcode.COMPUTE, "more tiles than inputs", computes(kernel_w=2, out_w=3, tiles=3)),
        (Opcode.COMPUTE, "more tiles than inputs, before another layer",
         computes(compute(layer=6), tiles=3)),
        (Opcode.COMPUTE, "fewer tiles than inputs, after another layer",
         computes(compute(in_blocks=2, tiles=1), layer=6)),
        (Opcode.COMPUTE, "fewer tiles than inputs, before many short ones of other layers",
         computes(*(compute(**SHORT, layer=LAYER + k) for k in range(1, 7)),
                  **{**SHORT, "in_blocks": 2})),
        (Opcode.POST, "a window above the accumulators", computes(post(pool_top=2))),
        (Opcode.POST, "a window left of the accumulators", computes(post(pool_left=3))),
        (Opcode.POST, "a window below the accumulators", computes(post(out_h=3))),
        (Opcode.POST, "a window right of the accumulators", computes(post(out_w=3))),
        (Opcode.POST, "more outputs than accumulators, without pooling",
         computes(post(**UNPOOLED, out_h=5))))},
}


@pytest.fixture(scope="module", params=[TINY, MICROCODED], ids=lambda config: config.core)
def machine(request):
    with Machine(request.param) as made:
        yield made


@pytest.mark.parametrize("what", CASES)
def test_the_instance_stops_where_it_is_wrong_and_stores_nothing(machine, what):
    code, expected, opcode = CASES[what]
    machine.backend.write_memory(0, np.random.default_rng(1).integers(
        0, 256, 1 << 16, dtype=np.uint8))
    bad = code(machine.config) + store(ext_addr=0x5000, wait=[Token.OUTPUT_READY]) + end()
    machine.place(0, bad, at=0x1000)
    before = machine.backend.read_memory(0, 1 << 16)
    machine.start(1)
    assert (machine.read("ERROR"), machine.read("DONE")) == (1, 0)
    assert ErrorCode(machine.read("ERROR_CODE", 0)) == expected
    assert Opcode(machine.read("ERROR_OPCODE", 0)) == opcode
    assert machine.read("ERROR_LAYER", 0) == LAYER
    assert np.array_equal(machine.backend.read_memory(0, 1 << 16), before)


def test_a_store_around_the_end_of_all_addresses_ends_there(machine):
    """What it has stored before is there."""
    machine.place(0, around(store, 0x4400, 0x4000)(machine.config) + end(), at=0x1000)
    before = machine.backend.read_memory(0, 1 << 16)
    machine.start(1)
    assert ErrorCode(machine.read("ERROR_CODE", 0)) == ErrorCode.ADDRESS_WINDOW
    assert Opcode(machine.read("ERROR_OPCODE", 0)) == Opcode.STORE
    assert machine.read("ERROR_LAYER", 0) == LAYER
    after = machine.backend.read_memory(0, 1 << 16)
    after[0x4400:0x4410] = before[0x4400:0x4410]
    assert np.array_equal(after, before)


def test_windows_that_hold_but_a_corner_are_none(machine):
    """The check is of windows without any accumulator."""
    machine.place(0, computes(post(pool_top=1, pool_left=1, out_w=3, out_h=3)) + end(), at=0x1000)
    machine.start(1)
    assert machine.read("ERROR_CODE", 0) in (  # its weights are too many, which one core minds
        ErrorCode.NONE, ErrorCode.TOKEN_UNDERFLOW)
