"""For which delays between FPGA and SDRAM a board's controller works, in simulation."""

import argparse
import ctypes
import itertools
import json
import random
from collections.abc import Callable
from dataclasses import asdict

from boards.catalogue import Board, find
from boards.flow.asked import say
from boards.gateware.chips import SdramTiming
from boards.gateware.margins import ECP5_PADS, PadDelays, Window, windows
from boards.gateware.settings import SystemConfig

from .alone import MemoryAlone, memory_library
from .chip import Delays, way_to

__all__ = ["sweep", "sweep_as_asked", "works"]

#: Nanoseconds to which a window's ends are found.
_STEP_NS = 0.05
_BYTES = 64


def sweep_as_asked(args: argparse.Namespace) -> int:
    """Do what `boards margins`' arguments ask for, and return the exit code; errors are raised."""
    board = find(args.board)
    if board.sdram is None:
        raise ValueError(f"the {board.title} has no SDRAM; its memory is {board.memory}")
    system = board.system(powerup_us=5.0)
    say("building the simulation of the memory")
    library = memory_library(system)
    found = sweep(board, lambda delays: works(library, system, delays), board.sdram)
    if args.json:
        print(json.dumps({name: asdict(w) | {"margin": w.margin} for name, w in found.items()},
                         indent=1))
    else:
        for name, w in found.items():
            print(f"{name:28} {w.assumed[0]:6.2f} to {w.assumed[1]:5.2f} ns assumed, works from "
                  f"{w.works[0]:6.2f} to {w.works[1]:5.2f}: {w.margin:.2f} ns left")
    return 0 if all(w.margin >= 0 for w in found.values()) else 1


def works(library: ctypes.CDLL, system: SystemConfig, delays: Delays) -> bool:
    """Whether what is written to a row of each bank and to another of one is read again, and no
    rule broken; what was there before is noise."""
    assert system.sdram
    chip = system.sdram
    bank = chip.columns * chip.data_bits // 8
    draw = random.Random(1)
    with MemoryAlone(library, system, delays) as memory:
        written = {bank * k: draw.randbytes(_BYTES) for k in range(chip.banks + 1)}
        for place, data in written.items():
            memory.write(place, data)
        return all(memory.read(p, _BYTES) == x for p, x in written.items()) and not memory.fault


def sweep(board: Board, good: Callable[[Delays], bool], chip: SdramTiming,
          pads: PadDelays = ECP5_PADS) -> dict[str, Window]:
    """The window of each delay, with all combinations of the least and the most of the others."""
    assumed = {name: w.assumed for name, w in windows(
        chip, board.clock_mhz, board.shift_ns, pads).items()}

    def delays(*values: float) -> Delays:
        phase, out, skew, back = values
        return way_to(chip, clock=phase + out, command=out + skew, data=back, setup=pads.setup,
                      hold=pads.hold)

    found = {}
    for k, name in enumerate(assumed):
        corners = [list(c) for c in itertools.product(
            *(sorted(set(a)) for j, a in enumerate(assumed.values()) if j != k))]

        def all_good(value: float, k: int = k, corners: list = corners) -> bool:
            return all(good(delays(*c[:k], value, *c[k:])) for c in corners)

        least, most = assumed[name]
        reach = 1000 / board.clock_mhz
        found[name] = Window(assumed=(least, most), works=(
            _end(all_good, least, least - reach), _end(all_good, most, most + reach)))
    return found


def _end(good: Callable[[float], bool], inside: float, outside: float) -> float:
    """The last value that is good, on the way to one that is not; if the first is not, the one as
    far on the other side."""
    if not good(inside):
        return 2 * inside - outside
    while abs(outside - inside) > _STEP_NS:
        middle = (inside + outside) / 2
        if good(middle):
            inside = middle
        else:
            outside = middle
    return inside
