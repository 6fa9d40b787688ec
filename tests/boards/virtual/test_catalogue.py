"""Boards of the catalogue in simulation, as they are: minutes."""

import dataclasses
import json

import numpy as np
import pytest

from boards.__main__ import main
from boards.catalogue import BOARDS, VIRTUAL_BAUD
from boards.deploy.task import compiled_for
from boards.host.opening import open_virtual
from boards.host.run import VirtualLoad
from boards.virtual.chip import FAULTS
from sw.driver.driver import Driver
from sw.networks.shapes import shape_graph

pytestmark = [pytest.mark.slow, pytest.mark.builds]

#: What is broken -> what is found first, and what is said of it.
FOUND = {
    "stuck-data-pin": ("data pins", "DQ5 reads 1 always"),
    "swapped-address-pins": ("address pins", "A8 as a column's has no effect"),
    "no-refresh": ("retention", "the memory is not refreshed"),
    "dropped-bytes": ("link", "bytes are lost or damaged on the way"),
    "wrong-clock": ("clock", "1,000,000 baud, not 2,000,000: its clock is 25."),
    "slow-clock": ("clock", "MHz, give or take"),
}


def check(name: str, capsys, *more: str) -> tuple[int, dict]:
    code = main(["check", name, "--virtual", "--json", *more])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", ["ulx3s-12f", "icebreaker"])
def test_a_board_is_in_order(name, capsys):
    code, told = check(name, capsys)
    assert code == 0 and all(f["ok"] for f in told["findings"]), told
    assert len(told["findings"]) == 8


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_that_can_be_injected_is_found(fault, capsys):
    code, told = check("ulx3s-12f", capsys, "--inject", fault)
    first = next(f for f in told["findings"] if not f["ok"])
    what, said = FOUND[fault]
    assert code == 1 and first["what"] == what and said in first["found"], told


@pytest.mark.parametrize("fault", ["dropped-bytes", "wrong-clock", "slow-clock"])
def test_each_fault_that_takes_no_sdram_is_found_without(fault, capsys):
    code, told = check("icebreaker", capsys, "--inject", fault)
    first = next(f for f in told["findings"] if not f["ok"])
    assert code == 1 and first["what"] == FOUND[fault][0], told


def test_digits_are_loaded_in_two_seconds_though_answers_are_kept_back():
    """Through an adapter that keeps each for 16 ms, as FTDI's do where nobody tells them."""
    board = BOARDS["ulx3s-12f"]
    program = compiled_for(shape_graph("digits", "fc", board.partitions), board.config, board)
    draw = np.random.default_rng(1)  # some of the bytes of weights are escaped
    program = dataclasses.replace(program, segments=tuple(
        (offset, draw.integers(0, 256, len(data), dtype=np.uint8))
        for offset, data in program.segments))
    assert sum(len(data) for _, data in program.segments) > 150_000
    system = board.system(baud=VIRTUAL_BAUD, powerup_us=5.0)
    with open_virtual(board, system, latency_s=0.016) as (link, port):
        driver = Driver(link)
        taken, waits = port.taken, port.waits
        driver.load(program)
        load = VirtualLoad(port.taken - taken, board.baud, port.waits - waits, 16.0)
        assert link.repeats == 0
    assert load.seconds < 2
