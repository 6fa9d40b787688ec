"""A bad program stops its own instance with a code, and nothing else."""

import numpy as np
import pytest

from hw import registers
from hw.gateware.signatures.ports import Channel
from hw.isa import INSN_BYTES, ISA_VERSION, ErrorCode, Opcode, Token, encode
from hw.registers import COUNTERS
from sim.verilated.memory import Disturbance
from sw.compiler import compile_graph
from sw.driver.driver import Driver
from sw.driver.errors import ConfigMismatch, InstanceError, TimeoutExpired
from sw.reference.golden import run_golden
from tests.support.present import present, same
from tests.support.programs import (
    COMPUTE,
    MICROCODED,
    TINY,
    TRANSFER,
    Machine,
    end,
    random_graph,
)

pytestmark = pytest.mark.builds

POST = {
    "out_addr": 0, "out_plane": 16, "out_w": 4, "out_h": 4, "conv_w": 4, "conv_h": 4, "pool_h": 1,
    "pool_w": 1, "pool_stride_h": 1, "pool_stride_w": 1, "pool_top": 0, "pool_left": 0,
    "out_blocks": 1, "low": 0, "high": 127}


def load(**fields) -> bytes:
    return encode(Opcode.LOAD, **{"layer": 5, **TRANSFER, "mask": 0, "ext_addr": 0, **fields})


def store(**fields) -> bytes:
    return encode(Opcode.STORE, **{"layer": 5, **TRANSFER, "ext_addr": 0x4000, **fields})


def with_zero(code: bytes, field_bits: tuple[int, int]) -> bytes:
    """An instruction with a field cleared, which `encode` would refuse."""
    word = int.from_bytes(code, "little")
    low, bits = field_bits
    return (word & ~(((1 << bits) - 1) << low)).to_bytes(INSN_BYTES, "little")


WINDOW = 1 << 15
#: Where what comes before a fault in the same instruction may be written.
WRITTEN = slice(0x6000, 0x6010)
#: What is at fault is of layer 5.
CASES = {
    "an illegal opcode": (bytes([15 + (5 << 5 & 0xFF)]) + bytes(31), ErrorCode.ILLEGAL_OPCODE, 15),
    "cleared memory": (bytes([5 << 5 & 0xFF]) + bytes(31), ErrorCode.ILLEGAL_OPCODE, 0),
    "a field that must not be zero": (with_zero(load(), (32 + 32 + 20, 20)), ErrorCode.BAD_FIELD,
                                      Opcode.LOAD.value),
    "weights between two beats": (
        encode(Opcode.WEIGHTS, layer=5, ext_addr=0x102, chunks=1, mask=0),
        ErrorCode.BAD_FIELD, Opcode.WEIGHTS.value),
    "a load beyond the window": (load(ext_addr=WINDOW), ErrorCode.ADDRESS_WINDOW,
                                 Opcode.LOAD.value),
    "a load across the window's end": (load(ext_addr=WINDOW - 8, run_words=4),
                                       ErrorCode.ADDRESS_WINDOW, Opcode.LOAD.value),
    "a store beyond the window": (store(ext_addr=WINDOW), ErrorCode.ADDRESS_WINDOW,
                                  Opcode.STORE.value),
    "weights beyond the window": (
        encode(Opcode.WEIGHTS, layer=5, ext_addr=WINDOW - 64, chunks=64, mask=0),
        ErrorCode.ADDRESS_WINDOW, Opcode.WEIGHTS.value),
    "activations beyond the memory": (load(act_addr=TINY.buffers.act_words - 2),
                                      ErrorCode.ACT_RANGE, Opcode.LOAD.value),
    "activations beyond the memory that are stored": (
        store(act_addr=TINY.buffers.act_words - 2, ext_addr=0x6000) + load(layer=7),
        ErrorCode.ACT_RANGE, Opcode.STORE.value),
    "activations beyond the memory that are computed with": (
        encode(Opcode.WEIGHTS, layer=3, ext_addr=0, chunks=64, mask=0)
        + encode(Opcode.COMPUTE, layer=5, **{**COMPUTE, "in_addr": TINY.buffers.act_words - 2})
        + load(layer=7), ErrorCode.ACT_RANGE, Opcode.COMPUTE.value),
    "activations beyond the memory that are computed with while weights are read": (
        encode(Opcode.WEIGHTS, layer=3, ext_addr=0, chunks=64, mask=0)
        + encode(Opcode.COMPUTE, layer=5, **{**COMPUTE, "in_addr": TINY.buffers.act_words - 14,
                                             "in_w": 5, "kernel_w": 2, "tiles": 2})
        + load(layer=7), ErrorCode.ACT_RANGE, Opcode.COMPUTE.value),
    "outputs beyond the activation memory": (
        encode(Opcode.WEIGHTS, layer=3, ext_addr=0, chunks=64, mask=0)
        + encode(Opcode.COMPUTE, layer=4, **COMPUTE)
        + encode(Opcode.POST, layer=5, **{**POST, "out_addr": TINY.buffers.act_words - 2})
        + load(layer=7), ErrorCode.ACT_RANGE, Opcode.POST.value),
    "a token that nobody gives": (
        encode(Opcode.COMPUTE, layer=5, wait=[Token.LOADED], **COMPUTE) + load(layer=7),
        ErrorCode.TOKEN_UNDERFLOW, Opcode.COMPUTE.value),
    "weights that nobody sends": (encode(Opcode.COMPUTE, layer=5, **COMPUTE) + load(layer=7),
                                  ErrorCode.TOKEN_UNDERFLOW, Opcode.COMPUTE.value),
    "another unit's token": (load(signal=[Token.STORED]), ErrorCode.BAD_FIELD,
                             Opcode.LOAD.value),
    "a token given too often": (
        load(layer=4, signal=[Token.LOADED]) * 255 + load(signal=[Token.LOADED])
        + load(layer=7, signal=[Token.LOADED]) * 40, ErrorCode.TOKEN_OVERFLOW, Opcode.LOAD.value),
}


@pytest.fixture(scope="module")
def machine():
    with Machine() as made:
        yield made


@pytest.mark.parametrize("what", CASES)
def test_the_instance_stops_with_a_code_and_the_other_finishes(machine, what):
    code, expected, opcode = CASES[what]
    rng = np.random.default_rng(1)
    memory = rng.integers(0, 256, 1 << 16, dtype=np.uint8)
    machine.backend.write_memory(0, memory)
    # after the bad instruction comes a store that depends on it, which must not happen
    bad = code + store(layer=9, ext_addr=0x5000, wait=[Token.OUTPUT_READY]) + end()
    machine.place(1, load(ext_addr=64) + end(), at=0x4000 - 1024, base=1 << 15)
    machine.start(0b10)
    machine.place(0, bad, at=0x1000)
    machine.place(1, store(ext_addr=0x4000) + end(), at=0x4000 - 1024, base=1 << 15)
    before = machine.backend.read_memory(0, 1 << 16)
    machine.start(0b11)
    assert machine.read("ERROR") == 0b01
    assert machine.read("DONE") == 0b10
    assert ErrorCode(machine.read("ERROR_CODE", 0)) == expected
    assert (machine.read("ERROR_OPCODE", 0), machine.read("ERROR_LAYER", 0)) == (opcode, 5)
    after = machine.backend.read_memory(0, 1 << 16)
    base = 1 << 15
    assert np.array_equal(after[base + 0x4000:base + 0x4010], before[base + 64:base + 80])
    after[base + 0x4000:base + 0x4010] = before[base + 0x4000:base + 0x4010]
    assert np.array_equal(np.delete(after, WRITTEN), np.delete(before, WRITTEN))


@pytest.fixture(scope="module")
def microcoded():
    with Machine(MICROCODED) as made:
        yield made


@pytest.mark.parametrize("what", CASES)
def test_the_microcoded_core_stops_with_the_same_code(microcoded, what):
    code, expected, opcode = CASES[what]
    memory = np.random.default_rng(1).integers(0, 256, 1 << 16, dtype=np.uint8)
    bad = code + store(layer=9, ext_addr=0x5000, wait=[Token.OUTPUT_READY]) + end()
    good = load(ext_addr=64) + store(ext_addr=0x4000) + end()
    for program in (bad, good):  # a run after an error finds nothing of it
        microcoded.backend.write_memory(0, memory)
        microcoded.place(0, program, at=0x1000)
        before = microcoded.backend.read_memory(0, 1 << 16)
        microcoded.start(1, cycles=1_000_000)
        after = microcoded.backend.read_memory(0, 1 << 16)
        if program is bad:
            assert (microcoded.read("ERROR"), microcoded.read("DONE")) == (1, 0)
            assert ErrorCode(microcoded.read("ERROR_CODE", 0)) == expected
            assert microcoded.read("ERROR_OPCODE", 0) == opcode
            assert microcoded.read("ERROR_LAYER", 0) == 5
        else:
            assert (microcoded.read("ERROR"), microcoded.read("DONE")) == (0, 1)
            assert microcoded.read("ERROR_CODE", 0) == 0
            assert np.array_equal(after[0x4000:0x4010], before[64:80])
            after[0x4000:0x4010] = before[0x4000:0x4010]
        assert np.array_equal(np.delete(after, WRITTEN), np.delete(before, WRITTEN))
        counts = [microcoded.read(name, 0) for name in COUNTERS]
        assert sum(counts) == microcoded.read("TOTAL", 0) == microcoded.read("CYCLES")


BEYOND = 1 << 13
REFUSED = {
    "a program": (b"", 0, Opcode.END),
    "a load": (load(layer=4) + load(ext_addr=BEYOND) + store(layer=9, ext_addr=0), 5, Opcode.LOAD),
    "a store": (load(layer=4) + store(ext_addr=BEYOND) + load(layer=9), 5, Opcode.STORE),
    "weights": (encode(Opcode.WEIGHTS, layer=4, ext_addr=0, chunks=8, mask=0)
                + encode(Opcode.WEIGHTS, layer=5, ext_addr=BEYOND, chunks=8, mask=0)
                + encode(Opcode.COMPUTE, layer=9, **{**COMPUTE, "first": 0, "last": 0,
                                                     "out_w": 1, "out_h": 1}) * 20
                + load(layer=9), 5, Opcode.WEIGHTS),
}


@pytest.mark.parametrize("config", [TINY, MICROCODED], ids=lambda config: config.core)
def test_an_error_response_of_the_memory_stops_the_instance_at_what_asked(config):
    with Machine(config, memory_bytes=BEYOND) as machine:
        for code, layer, opcode in REFUSED.values():
            machine.place(0, code + end(), at=0x1000)
            if not code:
                machine.write("PROGRAM", BEYOND, 0)
            machine.start(0b01)
            assert ErrorCode(machine.read("ERROR_CODE", 0)) == ErrorCode.BUS_ERROR
            assert machine.read("ERROR_LAYER", 0) == layer
            assert machine.read("ERROR_OPCODE", 0) == opcode.value


@pytest.mark.parametrize("config", [TINY, MICROCODED], ids=lambda config: config.core)
def test_an_error_amid_the_program_is_of_no_instruction(config):
    """It names END and layer 0 whichever of an instruction's words the memory answers with it."""
    beats, of_program = 3 * INSN_BYTES // config.port.bytes, 0
    with Machine(config) as machine:
        machine.place(0, load(layer=4) + load() + end(), at=0x1000)
        for beat in range(1, beats + 1):
            machine.backend.disturb(Disturbance(read_error=beat))
            machine.start(0b01)
            hits, place = machine.backend.disturbed()
            if hits and place.channel is Channel.PROGRAM:
                of_program += 1
                assert ErrorCode(machine.read("ERROR_CODE", 0)) == ErrorCode.BUS_ERROR
                assert Opcode(machine.read("ERROR_OPCODE", 0)) is Opcode.END
                assert machine.read("ERROR_LAYER", 0) == 0
    assert of_program > beats // 2


def test_a_register_that_is_not_there_is_an_error(machine):
    with pytest.raises(ValueError, match="there is no register at 0xff8"):
        machine.backend.read_register(0xFF8)


def test_the_driver_names_instance_layer_and_cause_and_goes_on():
    graph = random_graph(3)
    program = compile_graph(graph, TINY)
    image = np.random.default_rng(3).integers(-128, 128, graph.in_shape, dtype=np.int8)
    with Machine(memory_bytes=max(program.window_bytes, 1 << 16)) as machine:
        driver = Driver(machine.backend)
        driver.load(program)
        start = present(program.programs[1])
        good = machine.backend.read_memory(start, 2 * INSN_BYTES)
        machine.backend.write_memory(start, encode(Opcode.BARRIER, mask=1, layer=1)[:4]
                                     + bytes(28))
        with pytest.raises(InstanceError, match="instance 1 stopped in layer conv2 at BARRIER: "
                                                r"BAD_FIELD \(2\)") as error:
            driver.run(image)
        assert error.value.faults[0].code == ErrorCode.BAD_FIELD
        machine.backend.write_memory(start, good)
        result = driver.run(image)  # without a reset
        expected = run_golden(graph, image)
        assert all(same(a, b) for a, b in zip(result.outputs, expected, strict=True))


def test_a_timeout_is_an_error_of_its_own():
    graph = random_graph(4)
    program = compile_graph(graph, TINY)
    with Machine(memory_bytes=max(program.window_bytes, 1 << 16)) as machine:
        driver = Driver(machine.backend)
        driver.load(program)
        with pytest.raises(TimeoutExpired, match=r"still ran after 100 cycles"):
            driver.run(np.zeros(graph.in_shape, np.int8), timeout_cycles=100)


@pytest.mark.parametrize("found,versions", [
    (ISA_VERSION, f"instruction format {ISA_VERSION} and register map 0"),
    (registers.MAP_VERSION + 1 << 16 | ISA_VERSION + 1, f"instruction format {ISA_VERSION + 1} and "
     f"register map {registers.MAP_VERSION + 1}")], ids=["before STOP", "after this"])
def test_hardware_of_another_version_is_refused(monkeypatch, found, versions):
    with Machine() as machine:
        read = machine.backend.read_register
        monkeypatch.setattr(machine.backend, "read_register", lambda addr: (
            found if addr == registers.address("VERSIONS") else read(addr)))
        with pytest.raises(ConfigMismatch, match=f"the hardware has {versions}; this driver has "
                                                 f"{ISA_VERSION} and {registers.MAP_VERSION}: "):
            Driver(machine.backend)


def test_a_program_for_other_hardware_is_refused():
    program = compile_graph(random_graph(5), TINY.replace(buffers__queue_depth=5))
    with Machine() as machine, pytest.raises(ConfigMismatch, match="the hardware's configuration"):
        Driver(machine.backend).load(program)
