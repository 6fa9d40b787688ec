"""A program that writes anything but its layers' outputs ends the run, and is told by name."""

import numpy as np
import pytest

from hw.gateware.signatures.ports import Channel
from hw.isa import Opcode, encode
from sim.faults import BusBreach
from sw.compiler import compile_graph
from sw.driver.driver import Driver
from sw.reference.golden import run_golden
from tests.support.programs import TINY, Machine, end, random_graph, stray_store

pytestmark = pytest.mark.builds

GRAPH = random_graph(3)
RULE = "a program writes nothing but its layers' outputs"


def test_a_store_elsewhere_ends_the_run_and_is_told_by_name_and_number():
    program = compile_graph(GRAPH, TINY)
    number, offset, bad, layer = stray_store(program, 1)
    image = np.zeros(GRAPH.in_shape, np.int8)
    for base in (0, 0x3000):
        with Machine(memory_bytes=base + program.window_bytes) as machine:
            driver = Driver(machine.backend)
            driver.load(program, base)
            assert np.array_equal(driver.run(image).output, run_golden(GRAPH, image)[-1])
            machine.backend.write_memory(base + offset, bad)
            with pytest.raises(BusBreach, match=(
                    rf"{RULE}: broken in cycle \d+ by instance 1, channel STORE, in layer "
                    rf"{program.layers[layer].name} at instruction {number}, "
                    rf"address 0x{base + program.input.offset:x}$")) as breach:
                driver.run(image)
            assert breach.value.instruction == number
            assert breach.value.place.channel is Channel.STORE
            assert breach.value.exit_code == 1
            with pytest.raises(BusBreach, match=RULE):  # there is no going on
                driver.run(image)


def test_an_instance_that_is_given_another_program_may_write_its_window():
    program = compile_graph(GRAPH, TINY)
    with Machine(memory_bytes=1 << 16) as machine:
        Driver(machine.backend).load(program)
        store = encode(Opcode.STORE, layer=0, ext_addr=0x4000, act_addr=0, run_words=4, runs=1,
                       ext_stride=0, act_stride=0)
        machine.place(0, store + end(), at=0x6000)
        machine.start(0b01)
        assert machine.read("DONE") == 0b01
