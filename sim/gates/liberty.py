"""Reads what gate-level energy needs from a Liberty cell library: functions, capacitances, tables.

Energy of a transition is in pJ: Liberty's unit of internal power is the capacitance unit times
the voltage unit squared, here pF V^2.
"""

import gzip
import io
import math
import re
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from hw.support.reading import read_limited

__all__ = ["Cell", "LibertyError", "Library", "read_liberty", "read_text"]

_TOKEN = re.compile(r'/\*.*?\*/|("(?:[^"\\]|\\.)*"|[(){};:,]|[^\s(){};:,"]+)', re.DOTALL)
#: Groups within groups, and bytes of text; no library comes near.
_MOST_DEPTH, _MOST_BYTES = 20, 1 << 28
_MOST = 1e30


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
    if text.rfind("/*") > text.rfind("*/"):
        raise LibertyError(f"{path}: its last comment has no end")
    tokens = [m[1] for m in _TOKEN.finditer(text.replace("\\\n", " ")) if m[1]]
    at = 0

    def unquoted(token: str) -> str:
        return token[1:-1] if token.startswith('"') else token

    def group(name: str, arguments: list[str], depth: int) -> Group:
        nonlocal at
        if depth > _MOST_DEPTH:
            raise LibertyError(f"{path}: group {name[:40]!r} is {depth} groups deep; at most "
                               f"{_MOST_DEPTH} are read")
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
                    result.groups.append(group(key, values, depth + 1))
                else:
                    result.lists.setdefault(key, []).append(values)
            else:
                raise LibertyError(f"{path}: {key[:40]!r} is followed by {after[:40]!r}; it must "
                                   "be ':' or '('")
        at += 1
        return result

    try:
        if tokens[0] != "library":
            raise LibertyError(f"{path}: begins with {tokens[0][:40]!r}; a Liberty file begins "
                               "with 'library'")
        end = tokens.index("{")
        at = end + 1
        return group("library", [unquoted(t) for t in tokens[2:end - 1]], 0)
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


def _number(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) < _MOST:
        raise LibertyError(f"{what} is {text[:40]!r}; it must be a number")
    return value


def _attribute(group: Group, name: str) -> float:
    """A number of a group, 0 if it is not there."""
    return _number(group.attributes.get(name, "0"), name)


def _numbers(text: str, what: str) -> np.ndarray:
    return np.array([_number(x, what) for x in text.replace(",", " ").split()])


def _name(group: Group) -> str:
    """The first of a group's arguments."""
    if not group.arguments:
        raise LibertyError(f"group {group.name[:40]!r} has no name in parentheses")
    return group.arguments[0]


def _index(group: Group, name: str) -> np.ndarray | None:
    """Where a table's values stand along an axis, rising; None if it has no such axis."""
    if name not in group.lists:
        return None
    places = _numbers(" ".join(group.lists[name][0]), name)
    if not len(places) or (np.diff(places) <= 0).any():
        raise LibertyError(f"{name} is {places[:8].tolist()}; its numbers must rise")
    return places


def _table(group: Group) -> Table | None:
    if "values" not in group.lists:
        return None
    rows = [_numbers(r, "values") for r in group.lists["values"][0]]
    first, second = _index(group, "index_1"), _index(group, "index_2")
    sizes = [len(r) for r in rows]
    if first is None:  # a scalar
        good, first, second = sizes[:1] == [1], np.zeros(1), None
        values = rows[0] if good else None
    elif second is None:
        good, values = sizes[:1] == [len(first)], rows[0] if rows else None
    else:
        good = sizes == [len(second)] * len(first)
        values = np.array(rows) if good else None
    if not good:
        raise LibertyError(f"{group.name} has rows of {sizes[:8]} values, which its indices do not "
                           "match")
    return Table(first, second, np.asarray(values))


def _pin(group: Group) -> Pin:
    tables = [t for power in group.all("internal_power")
              for kind in ("rise_power", "fall_power", "power")
              for g in power.all(kind) if (t := _table(g)) is not None]
    a = group.attributes
    return Pin(_name(group), a.get("direction") == "output", a.get("clock") == "true",
               _attribute(group, "capacitance"), a.get("function", ""), tuple(tables))


def _cell(group: Group) -> Cell:
    state = None
    for ff in group.all("ff"):
        state = (_name(ff), ff.attributes.get("clocked_on", ""),
                 ff.attributes.get("next_state", ""))
    return Cell(_name(group), _attribute(group, "area"), _attribute(group, "cell_leakage_power"),
                {_name(p): _pin(p) for p in group.all("pin")}, state,
                "clock_gating_integrated_cell" in group.attributes)


def read_text(path: Path) -> bytes:
    """A library's text, gzipped or not.

    Raises
    ------
    LibertyError
        Naming the file.
    """
    try:
        raw = read_limited(path, _MOST_BYTES, LibertyError)
        if raw[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
                raw = file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise LibertyError(f"{path}: cannot be read: {error}") from None
    if len(raw) > _MOST_BYTES:
        raise LibertyError(f"{path}: unpacks to more than {_MOST_BYTES:,} bytes")
    return raw


def read_liberty(path: Path) -> Library:
    """Read a Liberty file, gzipped or not.

    Raises
    ------
    LibertyError
        Naming the file and what in it.
    """
    try:
        text = read_text(path).decode()
    except UnicodeDecodeError as error:
        raise LibertyError(f"{path}: cannot be read: {error}") from None
    top = _parse(text, Path(path))
    if not top.all("cell"):
        raise LibertyError(f"{path}: holds no cells")
    unit = top.lists.get("capacitive_load_unit", [["1", "pf"]])[0]
    cells, where = {}, "library"
    try:
        if len(unit) != 2 or _number(unit[0], "capacitive_load_unit") != {
                "pf": 1.0, "ff": 1e3}.get(unit[1].lower()):
            raise LibertyError(f"its capacitance unit is {unit}; only 1 pF is supported")
        conditions = top.all("operating_conditions")
        voltage = _attribute(conditions[0], "voltage") if conditions else \
            _attribute(top, "nom_voltage")
        name = _name(top)
        for group in top.all("cell"):
            where = f"cell {' '.join(group.arguments)[:40]}"
            cells[_name(group)] = _cell(group)
    except LibertyError as error:
        raise LibertyError(f"{path}: {where}: {error}") from None
    return Library(name, voltage, cells)
