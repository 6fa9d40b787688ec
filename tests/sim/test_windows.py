"""A program runs inside its window, which has to lie in the memory; and no register does more."""

import numpy as np
import pytest

from hw.isa import ErrorCode, Opcode, encode
from hw.registers import address
from sw.compiler import compile_graph
from sw.driver.driver import Driver
from sw.driver.errors import CountersWrapped, WindowError
from tests.support.programs import MICROCODED, TINY, Machine, end, random_graph
from tests.support.register_map import assert_whole_words

pytestmark = pytest.mark.builds

both_cores = pytest.mark.parametrize("config", [TINY, MICROCODED], ids=lambda config: config.core)
RUN = {"act_addr": 0, "run_words": 4, "runs": 1, "ext_stride": 0, "act_stride": 0}
#: Programs, one after the other: what one has loaded the next one stores.
LOADS = encode(Opcode.LOAD, ext_addr=64, mask=0, **RUN) + end()
STORES = encode(Opcode.STORE, ext_addr=0x4000, **RUN) + end()
AT, SIZE = 0x1000, 1 << 15


def refused_starts(bits: int) -> list[tuple[int, int, int, ErrorCode]]:
    """Programs, windows' bases and sizes that START refuses with a code."""
    top = 1 << bits
    programs = [AT + (1 << k) for k in range(6)] + [1 << k for k in range(bits, 32)]
    windows = [(top - 4096, 4097), (top - 4096, SIZE), (top - 8192, 8193), (4096, top - 4095),
               (top - 4096, top - 4096), *((1 << k, n) for k in range(bits, 32) for n in (0, SIZE)),
               *((0, 1 << k) for k in range(bits + 1, 32))]
    return [*((p, 0, SIZE, ErrorCode.BAD_FIELD) for p in programs),
            *((AT, base, size, ErrorCode.BAD_WINDOW) for base, size in windows
              if size >> 32 == 0)]


@both_cores
def test_a_program_or_window_that_cannot_be_is_not_started(config):
    """And the memory is asked for nothing, which would be a fault of the bus."""
    with Machine(config, check=False) as machine:
        for at, base, size, code in refused_starts(config.port.address_bits):
            for name, value in (("PROGRAM", at), ("WINDOW_BASE", base), ("WINDOW_BYTES", size)):
                machine.write(name, value, 0)
            machine.backend.begin_account()
            machine.start(1)
            assert (machine.read("ERROR"), machine.read("DONE")) == (1, 0), (at, base, size)
            assert ErrorCode(machine.read("ERROR_CODE", 0)) == code, (at, base, size)
            assert (machine.read("ERROR_LAYER", 0), machine.read("ERROR_OPCODE", 0)) == (0, 0)
            assert not machine.backend.port_bytes(16).any()
        machine.place(0, LOADS, at=AT)
        machine.start(1, cycles=100_000)
        assert machine.read("DONE") == 1


@both_cores
def test_a_window_that_ends_with_the_memory_is_one(config):
    with Machine(config, check=False) as machine:
        top = 1 << config.port.address_bits
        for base, size in ((top - 4096, 4096), (top - SIZE, SIZE)):
            for name, value in (("PROGRAM", 0), ("WINDOW_BASE", base), ("WINDOW_BYTES", size)):
                machine.write(name, value, 0)
            machine.start(1, cycles=100_000)  # there is no memory so far up
            assert machine.read("ERROR_CODE", 0) == ErrorCode.BUS_ERROR


@both_cores
def test_a_window_starts_at_whole_pages(config):
    """What lies below in its base is not kept."""
    with Machine(config, check=False) as machine:
        for low in (1, 64, 4095):
            data = np.random.default_rng(low).integers(0, 256, 1 << 16, dtype=np.uint8)
            machine.backend.write_memory(0, data)
            for code in (LOADS, STORES):
                machine.place(0, code, at=AT, base=4096)
                machine.write("WINDOW_BASE", 4096 + low, 0)
                assert machine.read("WINDOW_BASE", 0) == 4096
                machine.start(1, cycles=100_000)
                assert machine.read("DONE") == 1
            assert np.array_equal(machine.backend.read_memory(4096 + 0x4000, 16),
                                  data[4096 + 64:4096 + 80])


@both_cores
def test_every_register_of_both_cores(config):
    with Machine(config, check=False) as machine:
        assert_whole_words(config, machine.backend.write_register, machine.backend.read_register)


@pytest.mark.parametrize("base,message", [
    (64, "base is 64; a memory window starts at a multiple of 4096: choose one"),
    (-4096, "base is -4096; a memory window starts at a multiple of 4096: choose one"),
    (1 << 20, r"base is 1048576; with the program's \d+ bytes the window must stay within 2\^20: "
              "choose a lower base, or raise port.address_bits")])
def test_the_driver_refuses_a_window_before_it_writes_it(base, message):
    program = compile_graph(random_graph(4), MICROCODED)
    with Machine(MICROCODED, memory_bytes=1 << 20, check=False) as machine:
        driver = Driver(machine.backend)
        with pytest.raises(WindowError, match=f"^{message}$"):
            driver.load(program, base)
        driver.load(program, (1 << 20) - (program.window_bytes + 4095) // 4096 * 4096)


def test_the_driver_refuses_counters_that_have_begun_anew(monkeypatch):
    graph = random_graph(4)
    program = compile_graph(graph, TINY)
    with Machine(memory_bytes=max(program.window_bytes, 1 << 16)) as machine:
        driver = Driver(machine.backend)
        driver.load(program)
        read = machine.backend.read_register
        monkeypatch.setattr(machine.backend, "read_register", lambda at: (
            1 if at == address("WRAPPED") else read(at)))
        with pytest.raises(CountersWrapped, match=r"2\^32 cycles or more"):
            driver.run(np.zeros(graph.in_shape, np.int8))
