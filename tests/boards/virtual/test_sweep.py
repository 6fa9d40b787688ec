"""The controller works in the window of delays that the margins say, whatever memory holds."""

import pytest

from boards.catalogue import BOARDS
from boards.gateware.margins import windows
from boards.virtual.alone import MemoryAlone, memory_library
from boards.virtual.chip import way_to
from boards.virtual.sweep import sweep, works
from tests.support.present import present

pytestmark = pytest.mark.builds

BOARD = BOARDS["ulx3s-12f"]
SYSTEM = BOARD.system(powerup_us=5.0)
CHIP = present(BOARD.sdram)


@pytest.fixture(scope="module")
def library():
    return memory_library(SYSTEM)


def test_the_window_is_that_of_the_margins_and_the_boards_delays_lie_inside(library):
    found = sweep(BOARD, lambda delays: works(library, SYSTEM, delays), CHIP)
    for name, expected in windows(CHIP, BOARD.clock_mhz, BOARD.shift_ns).items():
        assert found[name].assumed == expected.assumed
        assert found[name].works == pytest.approx(expected.works, abs=0.06), name
        assert found[name].margin > 1.5, name


def test_a_memory_wakes_up_with_noise(library):
    seen = []
    for noise in (1, 2):
        with MemoryAlone(library, SYSTEM, noise=noise) as memory:
            seen.append(memory.read(0, 256))
            assert not memory.fault
    assert seen[0] != seen[1] and all(len(set(x)) > 100 for x in seen)


@pytest.mark.parametrize("clock,data,good", [
    (16.5, 9.0, True), (16.5, 12.6, False), (19.5, 9.0, False), (1.0, 9.0, False)])
def test_what_changes_while_it_is_looked_at_is_noise(clock, data, good, library):
    ways = way_to(CHIP, clock=5 + clock, command=5, data=data)
    assert works(library, SYSTEM, ways) == good
