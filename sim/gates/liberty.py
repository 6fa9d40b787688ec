"""Reads what energy and delay of gates need from a Liberty cell library: functions, capacitances,
tables.

Energy of a transition is in pJ: Liberty's unit of internal power is the capacitance unit times
the voltage unit squared, here pF V^2. Times are in ns.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .groups import Group, LibertyError, parse, read_text

__all__ = ["Arc", "Cell", "LibertyError", "Library", "Pin", "read_liberty"]

_MOST = 1e30


@dataclass(frozen=True, eq=False)
class Table:
    """Energy in pJ or time in ns by input transition (ns) and, for outputs, load (pF); a limit by
    the clock's transition and the data's."""

    slews: np.ndarray
    loads: np.ndarray | None
    values: np.ndarray

    def at(self, slew: float, load: float) -> float:
        """Bilinear, clamped to the table's edges."""
        rows = self.values
        if self.loads is not None:
            rows = np.array([np.interp(load, self.loads, r) for r in rows])
        return float(np.interp(slew, self.slews, rows))

    def beyond(self, slew: float, load: float) -> float:
        """As `at`, but a load above the table's last goes on along its last two."""
        if self.loads is None or len(self.loads) < 2 or load <= self.loads[-1]:
            return self.at(slew, load)
        last, before = self.at(slew, self.loads[-1]), self.at(slew, self.loads[-2])
        return last + (last - before) * float((load - self.loads[-1])
                                              / (self.loads[-1] - self.loads[-2]))


@dataclass(frozen=True, eq=False)
class Arc:
    """From an input of a cell, or its clock, to an output: tables of the delay and of the output's
    transition, for each edge and condition that the library tells."""

    source: str
    delays: tuple[Table, ...]
    slews: tuple[Table, ...]

    def slowest(self, slew: float, load: float) -> tuple[float, float]:
        """(delay, transition) in ns of the slowest edge in the worst condition."""
        return (max(t.beyond(slew, load) for t in self.delays),
                max(t.beyond(slew, load) for t in self.slews))


@dataclass(frozen=True, eq=False)
class Pin:
    """A pin. `function` is Liberty's expression for an output; `energy` a table for each kind of
    transition, averaged over inputs and conditions where the library tells several; `arcs` lead to
    an output; `limits` are how long before the clock an input must be there."""

    name: str
    output: bool
    clock: bool
    capacitance: float
    function: str
    tables: tuple[Table, ...]
    arcs: tuple[Arc, ...] = ()
    limits: tuple[Table, ...] = ()

    def energy(self, slew: float, load: float) -> float:
        """pJ of one transition, the mean of rising and falling; internal energy only."""
        return float(np.mean([t.at(slew, load) for t in self.tables])) if self.tables else 0.0

    def setup(self, clock_slew: float, slew: float) -> float:
        """ns before the clock's edge at which an input must be there."""
        return max((t.at(clock_slew, slew) for t in self.limits), default=0.0)


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

    @property
    def flip_flop(self) -> str:
        """Name of the smallest flip-flop that takes its input and nothing else.

        Raises
        ------
        LibertyError
        """
        plain = [c for c in self.cells.values() if c.state is not None and c.state[2] == "D"
                 and {n for n, p in c.pins.items() if not p.output} == {"D", c.state[1]}]
        if not plain:
            raise LibertyError(f"{self.name}: has no flip-flop with a clock and one input alone")
        return min(plain, key=lambda c: c.area).name


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


def _tables(group: Group, *kinds: str) -> tuple[Table, ...]:
    """A group's tables of some kinds."""
    return tuple(t for kind in kinds for g in group.all(kind) if (t := _table(g)) is not None)


def _arcs(group: Group) -> tuple[Arc, ...]:
    """What leads to an output: through logic, or from the clock's rise."""
    arcs = []
    for timing in group.all("timing"):
        if timing.attributes.get("timing_type", "combinational") in (
                "combinational", "rising_edge"):
            delays = _tables(timing, "cell_rise", "cell_fall")
            slews = _tables(timing, "rise_transition", "fall_transition")
            if delays and slews:
                arcs.append(Arc(timing.attributes.get("related_pin", ""), delays, slews))
    return tuple(arcs)


def _pin(group: Group) -> Pin:
    a = group.attributes
    return Pin(
        _name(group), a.get("direction") == "output", a.get("clock") == "true",
        _attribute(group, "capacitance"), a.get("function", ""),
        tuple(t for power in group.all("internal_power")
              for t in _tables(power, "rise_power", "fall_power", "power")),
        _arcs(group),
        tuple(t for timing in group.all("timing")
              if timing.attributes.get("timing_type") == "setup_rising"
              for t in _tables(timing, "rise_constraint", "fall_constraint")))


def _cell(group: Group) -> Cell:
    state = None
    for ff in group.all("ff"):
        state = (_name(ff), ff.attributes.get("clocked_on", ""),
                 ff.attributes.get("next_state", ""))
    return Cell(_name(group), _attribute(group, "area"), _attribute(group, "cell_leakage_power"),
                {_name(p): _pin(p) for p in group.all("pin")}, state,
                "clock_gating_integrated_cell" in group.attributes)


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
    top = parse(text, Path(path))
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
