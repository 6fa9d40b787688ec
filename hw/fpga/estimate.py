"""What a configuration takes of an FPGA: from Yosys and nextpnr, measured, not guessed."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from hw.config import Config
from hw.gateware.manifest import memories
from hw.gateware.verilog import write_verilog
from hw.support.errors import explain

from .devices import Device, Usage
from .floorplan import floorplan
from .planfile import kept_floorplan, write_floorplan
from .routing import place_and_route
from .synthesis import synthesise

__all__ = ["estimate", "quick_usage"]

#: What nextpnr is asked for where no board sets the clock.
_GOAL_MHZ = 90


def quick_usage(config: Config) -> Usage:
    """What is known without synthesis: DSP blocks and block RAMs exactly, LUTs as a lower bound.

    An instance's requantisation takes two 16x16 products for each lane, and its addresses one; a
    microcoded core multiplies there bit by bit. No instance measured so far took fewer than 3,000
    LUTs, no microcoded one fewer than 1,500.
    """
    array = config.array
    luts, others = (1500, 0) if config.core == "microcoded" else (3000, 2 * array.post_lanes + 1)
    return Usage(luts * config.instances, 0, config.instances * (array.macs + others),
                 config.instances * sum(x.block_rams for x in memories(config)))


def estimate(config: Config, device: Device, *, route: bool = True, placements: int = 1,
             plan: Path | None = None, say: Callable[[str], None] = lambda text: None,
             ) -> tuple[Usage, float | None]:
    """Synthesise an accelerator without its board, and place and route it.

    Parameters
    ----------
    config : Config
    device : Device
    route : bool
        Also place and route, for fmax; only where Yosys says that it fits, and on ECP5.
    placements : int
        At most so many are routed, until one reaches 90 MHz; the fastest counts.
    plan : Path, optional
        File with the floorplan of several instances on an ECP5; if it is not there, the one found
        is kept in it.
    say : called with a line before each long step

    Returns
    -------
    (Usage, fmax in MHz or None)

    Raises
    ------
    ToolMissingError, ToolError
    ValueError
        If `plan` is not this configuration's.
    """
    places = kept_floorplan(plan, config, device) if plan else None
    with tempfile.TemporaryDirectory(prefix="partita-") as name:
        folder = Path(name)
        usage = synthesise(folder, write_verilog(folder, config), "partita", device.family, say=say)
        if not route or usage.lacks(device) or device.family != "ecp5":
            return usage, None
        found = floorplan(folder, "partita.json", config, device, places=places, say=say)
        if plan and places is None:
            try:
                write_floorplan(plan, found, config, device)
            except OSError as error:  # what is still to come took longer
                say(f"the floorplan is not kept: {explain(error)}")
        fmax, placed = place_and_route(
            folder, device, ["--json", "partita.json", "--freq", str(_GOAL_MHZ),
                             "--out-of-context"], _GOAL_MHZ, most=placements, say=say)
        return Usage(max(usage.luts, placed.luts), placed.flip_flops, placed.dsps,
                     placed.block_rams), fmax
