"""The host stops a run at any moment, and the next one finds nothing of it."""

import numpy as np
import pytest

from hw.isa import ErrorCode, Opcode, encode
from hw.registers import COUNTERS
from sw.compiler import compile_graph
from sw.driver.driver import Driver
from sw.driver.errors import StillRunning, TimeoutExpired
from sw.reference.golden import run_golden
from tests.support.accelerators import CONFIGS
from tests.support.in_flight import small_graph, spread
from tests.support.programs import TINY, Machine, end

pytestmark = pytest.mark.builds

#: One instance, several on one memory and on private ones, more than need the same data.
STOPPED = {name: CONFIGS[name] for name in ("2x4x4", "1x4x2-micro", "3x9x3", "8x1x1")}
#: Cycles after which a stopped machine is at rest, with the memory that `Network` has.
MOST_CYCLES = 400


class Network:
    """A network in a machine with a guard of random bytes behind it, and what is right for two
    images; each run takes the same cycles, as the memory has no pages to open."""

    def __init__(self, config, seed: int = 3, **options):
        rng = np.random.default_rng(seed)
        self.graph = small_graph(rng)
        self.program = compile_graph(self.graph, config, splits=spread(self.graph, config))
        self.images = rng.integers(-128, 128, (2, *self.graph.in_shape), dtype=np.int8)
        self.expected = [run_golden(self.graph, x) for x in self.images]
        size = self.program.window_bytes
        self.machine = Machine(config, memory_bytes=size + (1 << 14), page_miss_cycles=0,
                               **options)
        self.guard = rng.integers(0, 256, 1 << 14, dtype=np.uint8)
        self.machine.backend.write_memory(size, self.guard)
        self.driver = Driver(self.machine.backend)
        self.driver.load(self.program)

    def __enter__(self) -> "Network":
        return self

    def __exit__(self, *exc) -> None:
        self.machine.backend.close()

    def run(self, k: int) -> int:
        """Run an image, check its outputs, and return the cycles."""
        result = self.driver.run(self.images[k], timeout_cycles=5_000_000)
        for mine, theirs in zip(result.outputs, self.expected[k], strict=True):
            assert mine is None or np.array_equal(mine, theirs)
        for counters in result.counters:
            assert sum(counters[n] for n in COUNTERS) in (counters["TOTAL"], 0)
        return result.cycles

    def untouched(self) -> bool:
        """Nothing was written but outputs, since the program was loaded."""
        size = self.program.window_bytes
        memory = self.machine.backend.read_memory(0, size + len(self.guard))
        mine = np.ones(size, bool)
        for k, place in enumerate(self.program.outputs):
            if place is not None:
                mine[place.offset:place.offset + self.program.output_bytes(k)] = False
        packed = self.program.input
        mine[packed.offset:packed.offset + len(self.program.pack_input(self.images[0]))] = False
        wanted = np.zeros(size, np.uint8)
        for offset, data in self.program.segments:
            wanted[offset:offset + len(data)] = data
        return np.array_equal(memory[:size][mine], wanted[mine]) and np.array_equal(
            memory[size:], self.guard)

    def stop(self, cycles: int) -> int:
        """Start the first image, stop it after so many cycles; return how long that took."""
        machine = self.machine
        self.driver.start(self.images[0])
        if cycles:
            machine.backend.advance(cycles)
        machine.write("STOP", self.program.start_mask)
        took = machine.backend.advance(MOST_CYCLES)
        assert machine.read("RUNNING") == 0
        done, error = machine.read("DONE"), machine.read("ERROR")
        assert done | error == self.program.start_mask and not done & error
        for i in range(machine.config.instances):
            code = machine.read("ERROR_CODE", i)
            assert code == (ErrorCode.STOPPED if error >> i & 1 else ErrorCode.NONE)
        return took


def share(name: str, moments: int) -> int:
    """A run of the microcoded core takes ten times as long."""
    return moments // 8 if "microcoded" in name else moments


@pytest.mark.parametrize("name", STOPPED)
def test_after_a_timeout_the_next_run_is_as_on_a_fresh_machine(name):
    with Network(STOPPED[name], check=False) as network:
        cycles = network.run(1)
        for percent in range(5, 100, 10):
            with pytest.raises(TimeoutExpired, match=r"\(mask\) still ran after \d+ cycles; they"):
                network.driver.run(network.images[0], timeout_cycles=cycles * percent // 100)
            assert network.machine.read("RUNNING") == 0
            assert network.run(1) == cycles
        assert network.untouched()


@pytest.mark.parametrize("stall", [0.3, 0.9])
@pytest.mark.parametrize("name", STOPPED)
def test_it_is_stopped_amid_traffic_of_a_memory_that_stalls(name, stall, moments=24):
    options = {"stall_probability": stall, "latency_cycles": 90, "check": False}
    with Network(STOPPED[name], **options) as network:
        cycles = network.run(1)
        for at in np.linspace(0, 0.9 * cycles, share(name, moments)).astype(int):
            network.driver.start(network.images[0])
            network.machine.backend.advance(int(at) + 1)
            network.driver.stop()
            network.run(1)
        assert network.untouched()


@pytest.mark.parametrize("name", STOPPED)
def test_it_stops_at_any_moment_within_what_the_memory_takes(name, moments=24):
    with Network(STOPPED[name], check=STOPPED[name] is TINY) as network:
        cycles = network.run(1)
        rng = np.random.default_rng(4)
        for at in (*range(12), *rng.integers(12, cycles, share(name, moments))):
            network.stop(int(at))
            assert network.run(1) == cycles
        assert network.untouched()


@pytest.mark.slow
@pytest.mark.parametrize("name", STOPPED)
def test_it_stops_at_any_of_thousands_of_moments(name):
    test_it_stops_at_any_moment_within_what_the_memory_takes(name, 2000)


LOAD = {"act_addr": 0, "ext_addr": 0, "run_words": 64, "runs": 8, "ext_stride": 0,
        "act_stride": 0}
STORE = {"act_addr": 0, "ext_addr": 0x1000, "run_words": 4, "runs": 1, "ext_stride": 0,
         "act_stride": 0}
WAITING = {
    "a barrier": encode(Opcode.BARRIER, mask=0b11, layer=9),
    "a multicast": encode(Opcode.LOAD, mask=0b11, layer=9, **LOAD),
}


@pytest.fixture(scope="module")
def machine():
    with Machine() as made:
        yield made


@pytest.mark.parametrize("what", WAITING)
@pytest.mark.parametrize("stopped", [0b01, 0b10, 0b11])
def test_whoever_waits_for_another_is_stopped_and_the_other_goes_on(machine, what, stopped):
    """Long enough for the one that waits to be without a clock; the fabric serves what is left."""
    busy = encode(Opcode.LOAD, mask=0, layer=7, **LOAD) * 5
    rest = encode(Opcode.STORE, layer=8, **STORE) + end()
    machine.backend.write_memory(0, np.arange(1 << 12, dtype=np.uint32) % 251)
    machine.place(0, WAITING[what] + rest, at=0x6000)
    machine.place(1, busy + WAITING[what] + rest, at=0x7000)
    for wait in (3, 40, 700, 701):
        machine.write("START", 0b11)
        machine.backend.advance(wait)
        assert machine.read("RUNNING") == 0b11
        machine.write("STOP", stopped)
        if stopped == 0b11:
            machine.backend.advance(MOST_CYCLES)
        else:
            machine.backend.advance(20_000)
            other = 2 - stopped
            assert machine.read("DONE") == 0b11 ^ stopped
            assert machine.read("ERROR_CODE", other) == ErrorCode.NONE
        assert machine.read("RUNNING") == 0
        assert machine.read("ERROR") == stopped
        for i in range(2):
            if stopped >> i & 1:
                assert machine.read("ERROR_CODE", i) == ErrorCode.STOPPED
    machine.start(0b11)
    assert machine.read("DONE") == 0b11


def test_stopping_what_does_not_run_does_nothing(machine):
    machine.place(0, end(), at=0x6000)
    machine.place(1, end(), at=0x7000)
    for mask in (0, 0b01, 0b11):
        machine.write("STOP", 0b11)
        machine.start(0b11)
        assert machine.read("DONE") == 0b11
        machine.write("STOP", mask)
        assert (machine.read("DONE"), machine.read("ERROR")) == (0b11, 0)


def test_a_run_that_halts_keeps_its_error(machine):
    machine.place(0, bytes(32), at=0x6000)
    codes = []
    for wait in range(30, 70):
        machine.write("START", 0b01)
        machine.backend.advance(wait)
        machine.write("STOP", 0b01)
        machine.backend.advance(MOST_CYCLES)
        assert machine.read("RUNNING") == 0
        codes.append(machine.read("ERROR_CODE", 0))
    first = codes.index(ErrorCode.ILLEGAL_OPCODE)
    assert first and set(codes[:first]) == {ErrorCode.STOPPED}
    assert set(codes[first:]) == {ErrorCode.ILLEGAL_OPCODE}


def test_what_runs_is_not_started_loaded_or_changed():
    with Network(TINY) as network:
        driver, image = network.driver, network.images[0]
        driver.start(image)
        for refused, what in ((lambda: driver.run(image), "a run is started"),
                              (lambda: driver.start(image), "a run is started"),
                              (lambda: driver.load(network.program), "a program is loaded")):
            with pytest.raises(StillRunning, match=r"instances 0x3 \(mask\) run; stop\(\) them "
                                                   f"before {what}"):
                refused()
        driver.stop()
        network.run(1)
        driver.start(image)
        network.machine.backend.advance(100_000)
        with pytest.raises(ValueError, match="int8"):
            driver.run(image[:1])
        network.run(0)


def test_an_interrupt_stops_the_run(monkeypatch):
    monkeypatch.setattr("sw.driver.driver._SLICE_CYCLES", 100)
    monkeypatch.setattr("sw.driver.driver._REPORT_S", 0)

    def interrupt(cycles, layer):
        raise KeyboardInterrupt

    with Network(TINY) as network:
        with pytest.raises(KeyboardInterrupt):
            network.driver.run(network.images[0], progress=interrupt)
        assert network.machine.read("RUNNING") == 0
        assert network.machine.read("ERROR_CODE", 0) == ErrorCode.STOPPED
        network.run(1)
