"""What the C driver refuses, and what it says of hardware that goes wrong."""

import re
import shutil
from ctypes import c_uint32

import pytest

from hw import registers
from hw.isa import ISA_VERSION
from sw.compiler import Program
from tests.support.bundles import IMAGE, PIXELS, PROGRAM, pixels
from tests.support.cdriver import CDriver, FakeBus, shape_of
from tests.support.systems import CONFIG

pytestmark = pytest.mark.builds

OK, BUS, MISMATCH, USAGE, RUNNING, TIMEOUT, FAULT, STUCK, WRAPPED = range(9)


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


def test_a_load_that_is_refused_leaves_what_is_there(exported, tmp_path):
    bus = FakeBus(PROGRAM)
    driver = CDriver(exported, tmp_path, bus)
    assert driver.begin(IMAGE) == OK and driver.start(pixels(PIXELS)) == OK
    with_value("RUNNING", 1)(bus)
    assert driver.load_again(IMAGE) == RUNNING
    with_value("RUNNING", 0)(bus)
    assert driver.load_again(IMAGE[:-1]) == MISMATCH
    assert driver.wait(c_uint32(1000)) == OK
    last = len(PROGRAM.layers) - 1
    assert driver.output(last, shape_of(PROGRAM, last)).shape == shape_of(PROGRAM, last)
    assert driver.load_again(IMAGE) == OK and driver.wait(c_uint32(1000)) == USAGE
    assert driver.message == "nothing has been started"


class Deaf(FakeBus):
    """Starts, and does not say so."""

    def write_register(self, addr: int, value: int) -> None:
        super().write_register(addr, value)
        if addr == registers.address("START"):
            raise OSError("no answer")


def test_a_start_whose_answer_is_lost_can_be_waited_for(exported, tmp_path):
    driver = CDriver(exported, tmp_path, Deaf(PROGRAM))
    assert driver.begin(IMAGE) == OK and driver.start(pixels(PIXELS)) == BUS
    assert driver.wait(c_uint32(1000)) == OK


def test_what_no_run_has_left_is_not_read(exported, tmp_path):
    driver = CDriver(exported, tmp_path, FakeBus(PROGRAM))
    counts = (c_uint32 * len(registers.COUNTERS))()
    for before, why in ((lambda: OK, "no network is loaded"),
                        (lambda: driver.begin(IMAGE), "nothing has been started")):
        assert before() == OK
        for call in (lambda: driver.wait(c_uint32(1000)),
                     lambda: driver.read_layer(c_uint32(0), None),
                     lambda: driver.read_cycles(c_uint32(0), counts)):
            assert call() == USAGE and driver.message == why
    assert driver.start(pixels(PIXELS)) == OK
    assert driver.read_cycles(c_uint32(CONFIG.instances), counts) == USAGE
    assert driver.message == "there is no instance 2: there are 2, from 0 on"
    assert driver.read_cycles(c_uint32(1), counts) == OK


def test_a_bus_that_fails_is_told(exported, tmp_path):
    bus = FakeBus(PROGRAM)
    driver = CDriver(exported, tmp_path, bus)
    assert driver.begin(IMAGE) == OK and driver.start(pixels(PIXELS)) == OK
    bus.failing = registers.address("RUNNING")
    assert driver.wait(c_uint32(1000)) == BUS
    assert driver.message == "reading a register at 0x14 failed: error 7 of the bus"


def test_what_takes_too_long_is_stopped_or_said_not_to_stop(exported, tmp_path):
    bus = Busy(PROGRAM)
    driver = CDriver(exported, tmp_path, bus)
    assert driver.begin(IMAGE) == OK and driver.start(pixels(PIXELS)) == OK
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
    assert driver.begin(IMAGE) == OK and driver.start(pixels(PIXELS)) == OK
    with_value("WRAPPED", 1)(bus)
    assert driver.wait(c_uint32(1000)) == WRAPPED
    assert driver.message == "the run took 2^32 cycles or more"
