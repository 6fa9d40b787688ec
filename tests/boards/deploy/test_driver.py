"""The C driver: bytes in memory and out, cycles, and what it says of what goes wrong."""

import dataclasses
import re
import shutil
import subprocess
from ctypes import c_uint32, c_void_p
from pathlib import Path

import numpy as np
import pytest

from boards.catalogue import BOARDS
from boards.deploy.bundle import write_bundle
from boards.deploy.image import memory_image
from boards.deploy.task import Task
from boards.host.client import SerialBackend, open_port
from boards.virtual.board import VIRTUAL_TIMEOUT_S, VirtualBoard, VirtualPort
from hw import registers
from hw.config import Config
from hw.isa import INSN_BYTES, ISA_VERSION, Opcode
from sw.compiler import Program, compile_graph
from sw.driver.driver import Driver
from sw.graph.integer import IntegerGraph
from tests.support.cdriver import CC, CDriver, FakeBus, compiled, shape_of
from tests.support.present import present, same
from tests.support.programs import instructions, random_layer, random_network
from tests.support.systems import CONFIG, SDRAM, backend

pytestmark = pytest.mark.builds



def small_graph() -> IntegerGraph:
    """A convolution and a linear layer: what goes through a simulated line takes its time."""
    rng = np.random.default_rng(6)
    conv = random_layer(rng, "conv", (3, 6, 5), 8, 3, pad=1, pool=2)
    fc = random_layer(rng, "fc", conv.out_shape, 10, 3, pad=1, low=-128)
    return IntegerGraph("random", (conv, fc), 1.0, 1.0)


GRAPH = small_graph()
PROGRAM = compile_graph(GRAPH, CONFIG)
PIXELS = np.random.default_rng(6).integers(-128, 128, GRAPH.in_shape, dtype=np.int8)
IMAGE = memory_image(PROGRAM).data
OK, BUS, MISMATCH, USAGE, RUNNING, TIMEOUT, FAULT, STUCK, WRAPPED = range(9)


def bundle(folder: Path, program: Program = PROGRAM, graph=GRAPH, pixels=PIXELS) -> Path:
    board = dataclasses.replace(BOARDS["ulx3s-85f"], config=program.config)
    write_bundle(folder, Task(program, graph, (pixels,)), board)
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    return bundle(tmp_path_factory.mktemp("bundle") / "good")


def pixels(values: np.ndarray) -> c_void_p:
    return values.ctypes.data_as(c_void_p)


def test_it_is_short_and_compiles_without_a_warning_or_a_library(exported, tmp_path):
    lines = sum(len((exported / name).read_text().splitlines())
                for name in ("partita.c", "partita.h"))
    assert lines < 400
    compiled(exported, tmp_path / "serial", ["partita.c", "example_serial.c"], "-O2")
    subprocess.run(["ld", "-r", "-b", "binary", "-z", "noexecstack", "-o", tmp_path / "image.o",
                    "image.bin"], cwd=exported, check=True)
    compiled(exported, tmp_path / "mmio", ["partita.c", "example_mmio.c"], "-O2",
             "-DREGISTERS_AT=0x60000000", "-DMEMORY_AT=0x80000000", str(tmp_path / "image.o"))
    bare = compiled(exported, tmp_path / "bare.o", ["partita.c"], "-Os", "-ffreestanding",
                    "-fno-pic", "-c")
    needed = subprocess.run(["nm", "-u", bare], check=True, capture_output=True, text=True).stdout
    assert set(needed.split()) <= {"U", "memcpy", "memset"}  # which every compiler's bring


@pytest.mark.skipif(not shutil.which("riscv64-unknown-elf-gcc"),
                    reason="needs riscv64-unknown-elf-gcc")
def test_it_compiles_for_risc_v(exported, tmp_path):
    subprocess.run(["riscv64-unknown-elf-gcc", *CC[1:], "-Os", "-ffreestanding", "-nostdlib",
                    "-march=rv32imac", "-mabi=ilp32", "-c", "-o", tmp_path / "bare.o",
                    exported / "partita.c"], check=True)


WIDE = CONFIG.replace(array__rows=3, array__cols=2, array__post_lanes=1)


@pytest.mark.parametrize("config", [CONFIG, WIDE], ids=["4 rows", "3 rows"])
@pytest.mark.parametrize("seed", [1, 2, 5])
def test_tensors_lie_as_the_compiler_says(config: Config, seed, tmp_path):
    """With taps packed and without, and with more pixels than it packs at a time."""
    graph = random_network(seed)
    program = compile_graph(graph, config, store_all=seed != 1)
    rng = np.random.default_rng(seed)
    image = rng.integers(-128, 128, graph.in_shape, dtype=np.int8)
    bus = FakeBus(program)
    driver = CDriver(bundle(tmp_path / "bundle", program, graph, image), tmp_path, bus)
    base = 4096
    assert driver.begin(memory_image(program).data, base) == OK, driver.message
    for offset, data in program.segments:
        assert np.array_equal(bus.memory[base + offset:][:data.size], data)
    bus.memory[base:][:program.tensor_bytes] = 77
    assert driver.start(pixels(image)) == OK
    packed = program.pack_input(image)
    assert np.array_equal(bus.memory[base + program.input.offset:][:packed.size], packed)
    for layer, place in enumerate(program.outputs):
        if place is None or not program.stays(layer):
            assert driver.read_layer(c_uint32(layer), None) == USAGE
            assert driver.message == f"no output of a layer {layer} is kept"
            continue
        raw = rng.integers(0, 256, program.output_bytes(layer), dtype=np.uint8)
        bus.memory[base + place.offset:][:raw.size] = raw
        assert np.array_equal(driver.output(layer, place.shape), program.unpack_output(layer, raw))


def test_taps_are_packed_by_stride_dilation_and_what_is_around_the_image(tmp_path):
    taps = dataclasses.replace(present(PROGRAM.taps), stride=(1, 2), dilation=(2, 3),
                               padding=(2, 1), pad_value=-3)
    program = dataclasses.replace(PROGRAM, taps=taps)
    bus = FakeBus(program)
    driver = CDriver(bundle(tmp_path / "bundle", program), tmp_path, bus)
    assert driver.begin(IMAGE) == OK
    assert driver.start(pixels(PIXELS)) == OK
    packed = program.pack_input(PIXELS)
    assert np.array_equal(bus.memory[program.input.offset:][:packed.size], packed)
    assert np.count_nonzero(packed == np.uint8(-3 & 0xFF)) > 20


def test_same_bytes_and_same_cycles_by_cause_as_by_pythons_driver(exported, tmp_path):
    with VirtualBoard(SDRAM) as board:
        host = backend(board)
        theirs = Driver(host)
        theirs.load(PROGRAM)
        expected = theirs.run(PIXELS)
        host.write_memory(0, bytes(PROGRAM.window_bytes))
        driver = CDriver(exported, tmp_path, host)
        assert driver.begin(IMAGE) == OK, driver.message
        for _ in range(2):
            assert driver.start(pixels(PIXELS)) == OK
            assert driver.wait(c_uint32(10 ** 6)) == OK, driver.message
        for layer, output in enumerate(expected.outputs):
            assert same(driver.output(layer, shape_of(PROGRAM, layer)), output)
        for instance, counters in enumerate(expected.counters):
            found = driver.cycles(instance)
            assert sum(found.values()) == counters["TOTAL"] == expected.cycles
            assert found == {name: counters[name] for name in registers.COUNTERS}


def spoilt(program: Program, instance: int, opcode: Opcode, bits: int) -> tuple[Program, int]:
    """A program of which some bits of an instance's last instruction of a kind are turned, and the
    layer of that."""
    code = instructions(program, instance)
    number = max(k for k, (found, _) in enumerate(code) if found is opcode)
    start = program.programs[instance]
    assert start is not None
    data = dict(program.segments)[start].copy()
    at = number * INSN_BYTES
    word = int.from_bytes(data[at:at + INSN_BYTES].tobytes(), "little") ^ bits
    data[at:at + INSN_BYTES] = np.frombuffer(word.to_bytes(INSN_BYTES, "little"), np.uint8)
    segments = tuple((o, data if o == start else d) for o, d in program.segments)
    return dataclasses.replace(program, segments=segments), code[number][1]["layer"]


def test_the_serial_host_runs_a_network_and_says_what_is_wrong(exported, tmp_path):
    """Through a virtual board's serial port: as Python's driver; a bad program; another board."""
    program, layer = spoilt(PROGRAM, 1, Opcode.STORE, 0xF)  # its opcode is none then
    bad = bundle(tmp_path / "bad", program)
    other = bundle(tmp_path / "other", compile_graph(GRAPH, WIDE))
    hosts = {folder: compiled(folder, tmp_path / f"run-{folder.name}",
                              ["partita.c", "example_serial.c"], "-O2",
                              "-fsanitize=address,undefined")
             for folder in (exported, bad, other)}
    with VirtualBoard(SDRAM) as board, VirtualPort(board) as port:
        transport = open_port(port.path, 3_000_000)
        driver = Driver(SerialBackend(CONFIG, transport, timeout_s=VIRTUAL_TIMEOUT_S))
        driver.load(PROGRAM)
        expected = driver.run(PIXELS)
        transport.close()

        def run(folder: Path, *more: str) -> subprocess.CompletedProcess:
            return subprocess.run([hosts[folder], port.path, folder, *more], timeout=300,
                                  capture_output=True, text=True)

        done = run(exported, str(tmp_path / "found.bin"))
        assert done.returncode == 0, done.stderr
        failed, refused = run(bad), run(other)
        assert port.fault is None
    assert (tmp_path / "found.bin").read_bytes() == expected.output.tobytes()
    said = done.stdout.splitlines()
    for k, counters in enumerate(expected.counters):
        causes = ", ".join(f"{name} {counters[name]}" for name in registers.COUNTERS)
        assert said[k] == f"instance {k}: {expected.cycles} cycles, {causes}"
    assert "output as in output.bin" in said
    assert failed.returncode == 1 and (
        f"instance 1 stopped in layer {layer} ({PROGRAM.layers[layer].name}) at ? of its program "
        f"at 0x{PROGRAM.programs[1]:x}: ILLEGAL_OPCODE (1): The opcode is not one of Opcode"
    ) in failed.stderr
    assert refused.returncode == 1 and refused.stderr.endswith(
        ": The board holds another configuration: flash the build that the bundle is for.\n")


# -- what does not belong together is refused before anything is written ---------------------------
def with_value(name: str, value: int):
    def change(bus: FakeBus) -> None:
        bus.values[registers.address(name)] = value
    return change


@pytest.mark.parametrize(("change", "image", "base", "status", "message"), [
    (with_value("ID", 0), IMAGE, 0, MISMATCH,
     "the ID register reads 0x0, not 0x50415254: there is no Partita accelerator"),
    (with_value("VERSIONS", 3 << 16 | 4), IMAGE, 0, MISMATCH,
     f"the hardware has instruction format 4 and register map 3, this driver {ISA_VERSION} and "
     f"{registers.MAP_VERSION}: build the hardware again, or export again"),
    (with_value("CONFIG_HASH", 0xABC), IMAGE, 0, MISMATCH,
     "the hardware's configuration has hash 0xabc, that of network random 0x[0-9a-f]+: export it "
     "for this hardware"),
    (None, IMAGE[:-1], 0, MISMATCH, rf"the image has {len(IMAGE) - 1} bytes and CRC-32 0x[0-9a-f]+,"
     rf" that of network random {len(IMAGE)} and 0x[0-9a-f]+: it is another's, cut short or "
     "damaged"),
    (None, bytes([IMAGE[0] ^ 1]) + IMAGE[1:], 0, MISMATCH, r".*: it is another's, cut short or "
     "damaged"),
    (None, IMAGE, 64, USAGE, r"a window at 0x40 must begin at a multiple of 4096 and end, with its "
     rf"{PROGRAM.window_bytes} bytes, within 2\^25"),
    (None, IMAGE, 1 << 25, USAGE, r"a window at 0x2000000 must begin .*"),
    (with_value("RUNNING", 2), IMAGE, 0, RUNNING,
     r"instances 0x2 \(mask\) run: wait for them, or stop them"),
])
def test_what_does_not_belong_together_is_refused(change, image, base, status, message, exported,
                                                  tmp_path):
    bus = FakeBus(PROGRAM)
    if change:
        change(bus)
    driver = CDriver(exported, tmp_path, bus)
    assert driver.begin(image, base) == status
    assert re.fullmatch(message, driver.message)
    assert not bus.memory.any()
    assert driver.start(pixels(PIXELS)) == USAGE and driver.message == "no network is loaded"


@pytest.mark.parametrize(("member", "format_and_map"), [
    ("isa_version", f"9 for register map {registers.MAP_VERSION}"),
    ("map_version", f"{ISA_VERSION} for register map 9")])
def test_a_network_of_another_version_is_refused(member, format_and_map, exported, tmp_path):
    folder = tmp_path / "old"
    shutil.copytree(exported, folder)
    header = folder / "partita_network.h"
    header.write_text(re.sub(rf"\.{member} = \du", f".{member} = 9u", header.read_text()))
    driver = CDriver(folder, tmp_path, FakeBus(PROGRAM))
    assert driver.begin(IMAGE) == MISMATCH
    assert driver.message == (
        f"network random is in instruction format {format_and_map}, this driver has {ISA_VERSION} "
        f"and {registers.MAP_VERSION}: export it again")


class Busy(FakeBus):
    """Runs until it is stopped, if it does; its counter goes on by `step` from look to look."""

    def __init__(self, program: Program):
        super().__init__(program)
        self.step, self.stops = 0, True

    def read_register(self, addr: int) -> int:
        if addr == registers.address("CYCLES"):
            self.values[addr] += self.step
        return super().read_register(addr)

    def write_register(self, addr: int, value: int) -> None:
        if addr == registers.address("STOP") and self.stops:
            with_value("RUNNING", 0)(self)
        super().write_register(addr, value)


def test_a_bus_that_fails_is_told(exported, tmp_path):
    bus = FakeBus(PROGRAM)
    driver = CDriver(exported, tmp_path, bus)
    assert driver.begin(IMAGE) == OK
    bus.failing = registers.address("RUNNING")
    assert driver.wait(c_uint32(1000)) == BUS
    assert driver.message == "reading a register at 0x14 failed: error 7 of the bus"


def test_what_takes_too_long_is_stopped_or_said_not_to_stop(exported, tmp_path):
    bus = Busy(PROGRAM)
    driver = CDriver(exported, tmp_path, bus)
    assert driver.begin(IMAGE) == OK
    with_value("RUNNING", 3)(bus)
    bus.step = 600
    assert driver.wait(c_uint32(1000)) == TIMEOUT
    assert driver.message == ("instances 0x3 (mask) still ran after 1200 cycles; they have been "
                              "stopped")
    assert bus.read_register(registers.address("RUNNING")) == 0
    with_value("RUNNING", 3)(bus)
    bus.stops = False
    assert driver.wait(c_uint32(10 ** 6)) == STUCK
    assert driver.message == "they do not stop: the memory does not answer; reset the accelerator"
    bus.step = 0
    assert driver.wait(c_uint32(0xFFFFFFFF)) == STUCK
    assert re.fullmatch(r"instances 0x3 \(mask\) run, and their clock stands still at cycle \d+: "
                        "reset the accelerator", driver.message)


def test_a_run_that_no_counter_holds_is_told(exported, tmp_path):
    bus = FakeBus(PROGRAM)
    driver = CDriver(exported, tmp_path, bus)
    assert driver.begin(IMAGE) == OK
    with_value("WRAPPED", 1)(bus)
    assert driver.wait(c_uint32(1000)) == WRAPPED
    assert driver.message == "the run took 2^32 cycles or more"
