"""Reads what gate-level energy needs from a Liberty cell library: functions, capacitances, tables.

Energy of a transition is in pJ: Liberty's unit of internal power is the capacitance unit times
the voltage unit squared, here pF V^2.
"""

import gzip
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

__all__ = ["Cell", "LibertyError", "Library", "Pin", "read_liberty"]

_TOKEN = re.compile(r'\s*(?:/\*.*?\*/\s*)*("(?:[^"\\]|\\.)*"|[(){};:,]|[^\s(){};:,"]+)', re.DOTALL)


class LibertyError(ValueError):
    """A file that is not the kind of library that is needed; the message says where."""

    exit_code = 2


@dataclass
class Group:
    """`name (arguments) { attributes, groups }`."""

    name: str
    arguments: list[str]
    attributes: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[list[str]]] = field(default_factory=dict)
    groups: list["Group"] = field(default_factory=list)

    def all(self, name: str) -> list["Group"]:
        return [g for g in self.groups if g.name == name]


def _parse(text: str, path: Path) -> Group:
    tokens = [m[1] for m in _TOKEN.finditer(text.replace("\\\n", " "))]
    at = 0

    def unquoted(token: str) -> str:
        return token[1:-1] if token.startswith('"') else token

    def group(name: str, arguments: list[str]) -> Group:
        nonlocal at
        result = Group(name, arguments)
        while tokens[at] != "}":
            key = tokens[at]
            if key == ";":
                at += 1
                continue
            after = tokens[at + 1]
            if after == ":":
                end = tokens.index(";", at)
                result.attributes[key] = " ".join(unquoted(t) for t in tokens[at + 2:end])
                at = end + 1
            elif after == "(":
                end = tokens.index(")", at)
                values = [unquoted(t) for t in tokens[at + 2:end] if t != ","]
                at = end + 1
                if at < len(tokens) and tokens[at] == "{":
                    at += 1
                    result.groups.append(group(key, values))
                else:
                    result.lists.setdefault(key, []).append(values)
            else:
                raise LibertyError(f"{path}: {key!r} is followed by {after!r}; it must be ':' "
                                   "or '('")
        at += 1
        return result

    try:
        if tokens[0] != "library":
            raise LibertyError(f"{path}: begins with {tokens[0]!r}; a Liberty file begins with "
                               "'library'")
        end = tokens.index("{")
        at = end + 1
        return group("library", [unquoted(t) for t in tokens[2:end - 1]])
    except (IndexError, ValueError) as error:
        if isinstance(error, LibertyError):
            raise
        raise LibertyError(f"{path}: ends before its groups do; it is cut off") from None


@dataclass(frozen=True, eq=False)
class Table:
    """Energy in pJ by input transition (ns) and, for outputs, load (pF)."""

    slews: np.ndarray
    loads: np.ndarray | None
    values: np.ndarray

    def at(self, slew: float, load: float) -> float:
        """Bilinear, clamped to the table's edges."""
        rows = self.values
        if self.loads is not None:
            rows = np.array([np.interp(load, self.loads, r) for r in rows])
        return float(np.interp(slew, self.slews, rows))


@dataclass(frozen=True, eq=False)
class Pin:
    """A pin. `function` is Liberty's expression for an output; `energy` a table for each kind of
    transition, averaged over inputs and conditions where the library tells several."""

    name: str
    output: bool
    clock: bool
    capacitance: float
    function: str
    tables: tuple[Table, ...]

    def energy(self, slew: float, load: float) -> float:
        """pJ of one transition, the mean of rising and falling; internal energy only."""
        return float(np.mean([t.at(slew, load) for t in self.tables])) if self.tables else 0.0


@dataclass(frozen=True, eq=False)
class Cell:
    """A cell. `state` is (output variable, clock pin, next state) of a flip-flop; `gate` tells
    a clock gate; `leakage` in nW."""

    name: str
    area: float
    leakage: float
    pins: dict[str, Pin]
    state: tuple[str, str, str] | None
    gate: bool


@dataclass(frozen=True, eq=False)
class Library:
    """Cells by name, and the supply voltage."""

    name: str
    voltage: float
    cells: dict[str, Cell]

    @cached_property
    def flip_flops(self) -> frozenset[str]:
        return frozenset(n for n, c in self.cells.items() if c.state is not None)


def _numbers(text: str) -> np.ndarray:
    return np.array([float(x) for x in text.replace(",", " ").split()])


def _table(group: Group) -> Table | None:
    if "values" not in group.lists:
        return None
    rows = [_numbers(r) for r in group.lists["values"][0]]
    if "index_1" not in group.lists:  # a scalar
        return Table(np.zeros(1), None, np.array([rows[0][0]]))
    first = _numbers(group.lists["index_1"][0][0])
    if "index_2" not in group.lists:
        return Table(first, None, rows[0])
    return Table(first, _numbers(group.lists["index_2"][0][0]), np.array(rows))


def _pin(group: Group) -> Pin:
    tables = [t for power in group.all("internal_power")
              for kind in ("rise_power", "fall_power", "power")
              for g in power.all(kind) if (t := _table(g)) is not None]
    a = group.attributes
    return Pin(group.arguments[0], a.get("direction") == "output", a.get("clock") == "true",
               float(a.get("capacitance", 0)), a.get("function", ""), tuple(tables))


def read_liberty(path: Path) -> Library:
    """Read a Liberty file, gzipped or not.

    Raises
    ------
    LibertyError
        Naming the file.
    """
    try:
        raw = Path(path).read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()
    except (OSError, EOFError, UnicodeDecodeError, gzip.BadGzipFile) as error:
        raise LibertyError(f"{path}: cannot be read: {error}") from None
    top = _parse(text, Path(path))
    if not top.all("cell"):
        raise LibertyError(f"{path}: holds no cells")
    unit = top.lists.get("capacitive_load_unit", [["1", "pf"]])[0]
    scale = float(unit[0]) * {"pf": 1.0, "ff": 1e-3}[unit[1].lower()]
    if scale != 1.0:
        raise LibertyError(f"{path}: its capacitance unit is {unit}; only 1 pF is supported")
    conditions = top.all("operating_conditions")
    voltage = float(conditions[0].attributes["voltage"]) if conditions else \
        float(top.attributes.get("nom_voltage", 0))
    cells = {}
    for group in top.all("cell"):
        state = None
        for ff in group.all("ff"):
            state = (ff.arguments[0], ff.attributes.get("clocked_on", ""),
                     ff.attributes.get("next_state", ""))
        name = group.arguments[0]
        cells[name] = Cell(name, float(group.attributes.get("area", 0)),
                           float(group.attributes.get("cell_leakage_power", 0)),
                           {p.arguments[0]: _pin(p) for p in group.all("pin")}, state,
                           "clock_gating_integrated_cell" in group.attributes)
    return Library(top.arguments[0], voltage, cells)
