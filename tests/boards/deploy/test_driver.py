"""The C driver: bytes in memory and out, and cycles."""

import dataclasses
import shutil
import subprocess
from ctypes import c_uint32
from pathlib import Path

import numpy as np
import pytest

from boards.deploy.image import memory_image
from boards.host.client import SerialBackend, open_port
from boards.virtual.board import VIRTUAL_TIMEOUT_S, VirtualBoard, VirtualPort
from hw import registers
from hw.config import Config
from hw.isa import INSN_BYTES, Opcode
from sw.compiler import Program, compile_graph
from sw.driver.driver import Driver
from tests.support.bundles import GRAPH, IMAGE, PIXELS, PROGRAM, bundle, pixels
from tests.support.cdriver import CC, CDriver, FakeBus, compiled, shape_of
from tests.support.present import present, same
from tests.support.programs import instructions, random_network
from tests.support.systems import CONFIG, SDRAM, backend

pytestmark = pytest.mark.builds

OK, USAGE = 0, 3


def test_it_is_short_and_compiles_without_a_warning_or_a_library(exported, tmp_path):
    lines = sum(len((exported / name).read_text().splitlines())
                for name in ("partita.c", "partita.h"))
    assert lines < 450
    compiled(exported, tmp_path / "serial", ["partita.c", "example_serial.c"], "-O2")
    subprocess.run(["ld", "-r", "-b", "binary", "-z", "noexecstack", "-o", tmp_path / "image.o",
                    "image.bin"], cwd=exported, check=True)
    compiled(exported, tmp_path / "mmio", ["partita.c", "example_mmio.c"], "-O2",
             "-DREGISTERS_AT=0x60000000", "-DMEMORY_AT=0x80000000", str(tmp_path / "image.o"))
    bare = compiled(exported, tmp_path / "bare.o", ["partita.c"], "-Os", "-ffreestanding",
                    "-fno-pic", "-c")
    needed = subprocess.run(["nm", "-u", bare], check=True, capture_output=True, text=True).stdout
    assert set(needed.split()) <= {"U", "memcpy", "memset"}  # which every compiler's bring


def test_it_is_called_from_cpp(exported, tmp_path):
    """The driver is C's; a host that is C++ includes its headers without a warning."""
    compiled(exported, tmp_path / "driver.o", ["partita.c"], "-c")
    host = tmp_path / "host.cpp"
    host.write_text("""
#include "partita_network.h"
int main() {
    struct partita p;
    struct partita_bus bus = {};
    return partita_crc32(0, "123456789", 9) != 0xcbf43926
        || (bus.context && (partita_open(&p, &bus)
                            || partita_load(&p, &partita_network, 0, nullptr, 0)));
}
""")
    subprocess.run(["g++", "-std=c++20", *CC[2:], f"-I{exported}", "-o", tmp_path / "host", host,
                    tmp_path / "driver.o"], check=True)
    subprocess.run([tmp_path / "host"], check=True)


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
