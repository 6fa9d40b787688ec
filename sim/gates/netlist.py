"""Evaluates a mapped netlist over many cycles at once, and sums its energy from Liberty tables.

The state of every flip-flop and memory output in every cycle comes from an RTL simulation, so the
combinational logic of all cycles can be evaluated side by side: a net is a row of bits, one for
each cycle. That the netlist is the RTL is checked in every cycle: each flip-flop's next state and
each output must be what the RTL had.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .liberty import Cell, Library
from .words import count_toggles, cycles_of, ones_in, shifted, window_mask

__all__ = ["GateEnergy", "MismatchError", "Netlist", "NetlistError"]

#: Input transition at which tables are read, ns.
SLEW_NS = 0.05
_MEMORY_INPUTS = ("RD_ADDR", "RD_EN", "WR_ADDR", "WR_DATA", "WR_EN")
_FUNCTION = re.compile(r"^[\w\s()!&|^]+$")


class NetlistError(RuntimeError):
    """A netlist that cannot be evaluated; the message names the cell."""

    exit_code = 1


class MismatchError(RuntimeError):
    """Netlist and RTL differ; the message names the first net and cycle."""

    exit_code = 1


def _compile(function: str, inputs: list[str]) -> Callable[..., np.ndarray]:
    """A Liberty expression as a function of packed rows."""
    if not _FUNCTION.match(function):
        raise NetlistError(f"function {function!r} is not one that can be evaluated")
    python = function.replace("!", "~")
    names = {n: f"x[{k}]" for k, n in enumerate(inputs)}
    python = re.sub(r"\b[A-Za-z_]\w*\b", lambda m: names.get(m[0], "missing"), python)
    if "missing" in python:
        raise NetlistError(f"function {function!r} uses a pin that is no input")
    try:
        return eval(f"lambda x: {python}", {"__builtins__": {}})
    except (SyntaxError, RecursionError, MemoryError):  # the last of parentheses nested too deep
        raise NetlistError(f"function {function[:80]!r} is no expression") from None


@dataclass(frozen=True)
class _Gates:
    """Cells of one type and level, evaluated together."""

    run: Callable[..., np.ndarray]
    inputs: tuple[np.ndarray, ...]
    output: np.ndarray


@dataclass(frozen=True)
class GateEnergy:
    """pJ over a window: of combinational cells and flip-flop outputs (`logic`), of clock pins and
    clock gates (`clock`), and what glitches add with unit delays (`glitch`); `leakage_nw`."""

    logic: float
    clock: float
    glitch: float
    leakage_nw: float
    cycles: int

    @property
    def total(self) -> float:
        """Without glitches."""
        return self.logic + self.clock


@dataclass(eq=False)
class Netlist:
    """A flat netlist of library cells around memories, as yosys writes it in JSON.

    Parameters
    ----------
    path : the JSON file
    library : Library
    top : module
    """

    path: Path
    library: Library
    top: str
    names: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        module = json.loads(Path(self.path).read_text())["modules"][self.top]
        ids: dict[object, int] = {"0": 0, "1": 1, "x": 0}

        count = 2
        for entry in module["netnames"].values():
            for bit in entry["bits"]:
                if bit not in ids:
                    ids[bit] = count
                    count += 1
        self.names = {name.replace("\\", ""): [ids[b] for b in entry["bits"]]
                      for name, entry in module["netnames"].items()}
        self.inputs = {n: [ids[b] for b in p["bits"]] for n, p in module["ports"].items()
                       if p["direction"] == "input"}
        self.outputs = {n: [ids[b] for b in p["bits"]] for n, p in module["ports"].items()
                        if p["direction"] == "output"}
        self.count = count
        self.flip_flops: list[tuple[Cell, int, int, int]] = []  # cell, D, clock, Q
        self.clock_gates: list[tuple[Cell, int, int, int]] = []  # cell, enable, clock, gated
        self.memory_outputs: list[int] = []
        self.memory_inputs: list[int] = []
        comb: list[tuple[Cell, str, list[int], int]] = []
        load = np.zeros(count)
        input_pins: list[tuple[Cell, str, int]] = []
        self.leakage = self.area = 0.0
        for name, entry in module["cells"].items():
            pins = {p: [ids[b] for b in bits] for p, bits in entry["connections"].items()}
            kind = entry["type"]
            if kind.startswith("$mem"):
                self.memory_outputs += pins["RD_DATA"]
                self.memory_inputs += [n for pin in _MEMORY_INPUTS for n in pins.get(pin, ())]
                continue
            if kind in ("$scopeinfo", "$print", "$check"):
                continue
            cell = self.library.cells.get(kind)
            if cell is None:
                raise NetlistError(f"cell {name} is a {kind}, which {self.library.name} has not")
            self.leakage += cell.leakage
            self.area += cell.area
            for pin in cell.pins.values():
                if not pin.output and pin.name in pins:
                    load[pins[pin.name][0]] += pin.capacitance
                    input_pins.append((cell, pin.name, pins[pin.name][0]))
            if cell.gate:
                enable = next(p for p in pins if p in ("GATE", "EN", "E", "CEN"))
                self.clock_gates.append((cell, pins[enable][0], pins["CLK"][0], pins["GCLK"][0]))
            elif cell.state is not None:
                q = next(p for p, x in cell.pins.items() if x.output and p in pins)
                if cell.state[1] != "CLK" or cell.pins[q].function != cell.state[0]:
                    raise NetlistError(f"cell {name} ({kind}) is no plain flip-flop")
                self.flip_flops.append((cell, pins["D"][0], pins["CLK"][0], pins[q][0]))
            else:
                sources = [p.name for p in cell.pins.values() if not p.output and p.name in pins]
                for pin in cell.pins.values():
                    if pin.output and pin.name in pins:
                        comb.append((cell, pin.name, [pins[s][0] for s in sources],
                                     pins[pin.name][0]))
        self.load = load
        self._input_pins = input_pins
        #: (cell, output pin, nets of its inputs, net), those that give before those that take.
        self.gates = comb
        self.levels = self._levelise()
        place = {n: k for k, level in enumerate(self.levels) for g in level for n in g.output}
        self.gates.sort(key=lambda gate: place[gate[3]])

    def _levelise(self) -> list[list[_Gates]]:
        """Cells in an order in which inputs come before outputs, grouped."""
        level = np.zeros(self.count, int)
        driver = {out: k for k, (*_, out) in enumerate(self.gates)}
        depth: dict[int, int] = {}
        for start in range(len(self.gates)):
            stack = [start]
            while stack:
                k = stack[-1]
                if k in depth:
                    stack.pop()
                    continue
                before = [driver[i] for i in self.gates[k][2] if i in driver]
                waiting = [b for b in before if b not in depth]
                if waiting:
                    if len(stack) > len(self.gates):
                        raise NetlistError("the netlist has a combinational loop")
                    stack += waiting
                    continue
                depth[k] = 1 + max((depth[b] for b in before), default=0)
                stack.pop()
        groups: dict[tuple[int, str, str], list[int]] = {}
        for k, (cell, pin, _, out) in enumerate(self.gates):
            level[out] = depth[k]
            groups.setdefault((depth[k], cell.name, pin), []).append(k)
        levels: list[list[_Gates]] = [[] for _ in range(max(depth.values(), default=0))]
        for (at, _, _), members in groups.items():
            cell, pin, sources, _ = self.gates[members[0]]
            names = [p.name for p in cell.pins.values() if not p.output][:len(sources)]
            run = _compile(cell.pins[pin].function, names)
            inputs = tuple(np.array([self.gates[k][2][s] for k in members])
                           for s in range(len(sources)))
            levels[at - 1].append(_Gates(run, inputs, np.array([self.gates[k][3]
                                                                for k in members])))
        return levels

    # -- evaluation -----------------------------------------------------------------------------
    def sources(self) -> set[int]:
        """Nets whose values must be given: inputs, flip-flops and memory outputs in use."""
        return ({n for bits in self.inputs.values() for n in bits}
                | {q for *_, q in self.flip_flops}
                | {n for n in self.memory_outputs if self.load[n] > 0}) - {0, 1}

    def from_rtl(self, signals: dict[str, np.ndarray], inputs: dict[str, np.ndarray],
                 ) -> np.ndarray:
        """Return uint64[nets, words] with every source's row set.

        Parameters
        ----------
        signals : name -> uint64[bits, words], state as it is in each cycle
        inputs : the same for the ports

        Raises
        ------
        NetlistError
            Naming sources that the RTL has under no name.
        """
        words = next(iter(inputs.values())).shape[1]
        values = np.zeros((self.count, words), np.uint64)
        known = np.zeros(self.count, bool)
        for table, names in ((signals, self.names), (inputs, self.inputs)):
            for name, bits in names.items():
                rows = table.get(name)
                if rows is not None and len(rows) == len(bits):
                    values[bits] = rows
                    known[bits] = True
        unknown = {n for n in self.sources() if not known[n]}
        if unknown:
            lost = sorted({name for name, bits in self.names.items() if unknown & {*bits}})
            raise NetlistError(f"{len(unknown)} sources are not in the RTL: "
                               + ", ".join(lost[:10]))
        return values

    def evaluate(self, values: np.ndarray) -> None:
        """Fill in all other rows of uint64[nets, words], one bit for each cycle."""
        values[0], values[1] = 0, ~np.uint64(0)
        for level in self.levels:
            for g in level:
                values[g.output] = g.run([values[i] for i in g.inputs])

    def check(self, values: np.ndarray, cycles: int, output_names: dict[str, np.ndarray]) -> int:
        """Compare each flip-flop's next state and each output with the RTL's.

        Returns
        -------
        int
            Bits compared.

        Raises
        ------
        MismatchError
        """
        enables = {gated: enable for _, enable, _, gated in self.clock_gates}
        label = {n: f"{name}[{k}]" for name, bits in self.names.items()
                 for k, n in enumerate(bits)}
        compared = 0
        for _, d, clock, q in self.flip_flops:
            now = cycles_of(values[q], cycles)
            following = cycles_of(values[d], cycles)[:-1]
            if clock in enables:
                on = cycles_of(values[enables[clock]], cycles)[:-1]
                following = np.where(on, following, now[:-1])
            wrong = np.flatnonzero(following != now[1:])
            if len(wrong):
                raise MismatchError(f"flip-flop {label[q]} differs from the RTL after cycle "
                                    f"{wrong[0]} ({len(wrong)} of {cycles - 1})")
            compared += cycles - 1
        for name, bits in self.outputs.items():
            for k, n in enumerate(bits):
                mine, theirs = cycles_of(values[n], cycles), output_names[name][k]
                wrong = np.flatnonzero(mine != theirs)
                if len(wrong):
                    raise MismatchError(f"output {name}[{k}] differs from the RTL in cycle "
                                        f"{wrong[0]} ({len(wrong)} of {cycles})")
                compared += cycles
        return compared

    def energy(self, values: np.ndarray, cycles: int, *, glitches: bool = True) -> GateEnergy:
        """Sum a window's energy, after `evaluate`."""
        voltage = self.library.voltage
        toggles = count_toggles(values, cycles)
        net_energy = self._net_energy()
        clock_nets = {c for _, _, c, _ in self.flip_flops} | {c for _, _, c, _ in self.clock_gates}
        quiet = np.zeros(self.count, bool)
        quiet[list(clock_nets)] = True
        logic = float((toggles * net_energy)[~quiet].sum())
        pulses = {gated: int(cycles_of(values[enable], cycles).sum())
                  for _, enable, _, gated in self.clock_gates}
        clock = 0.0
        for cell, _, at, _ in (*self.flip_flops, *self.clock_gates):
            pin = cell.pins["CLK"]
            each = 2 * pin.energy(SLEW_NS, 0) + pin.capacitance * voltage ** 2
            clock += each * pulses.get(at, cycles)
        for cell, _, _, gated in self.clock_gates:
            clock += 2 * cell.pins["GCLK"].energy(SLEW_NS, self.load[gated]) * pulses[gated]
        extra = 0.0
        if glitches:
            unit = self._unit_delay(values, cycles)
            extra = float(((unit - toggles) * net_energy)[~quiet].sum())
        return GateEnergy(logic, clock, extra, self.leakage, cycles)

    def _net_energy(self) -> np.ndarray:
        """pJ of one transition of each net: its load, its driver, and the pins it reaches."""
        voltage = self.library.voltage
        result = 0.5 * self.load * voltage ** 2
        drivers = [(c, p, o) for c, p, _, o in self.gates]
        drivers += [(c, next(p.name for p in c.pins.values() if p.output), q)
                    for c, _, _, q in self.flip_flops]
        for cell, pin, out in drivers:
            result[out] += cell.pins[pin].energy(SLEW_NS, self.load[out])
        for cell, pin, n in self._input_pins:
            if not cell.pins[pin].clock:
                result[n] += cell.pins[pin].energy(SLEW_NS, 0)
        return result

    def _unit_delay(self, values: np.ndarray, cycles: int) -> np.ndarray:
        """Transitions of each net when every cell takes one unit of time."""
        following = shifted(values)
        keep = window_mask(cycles - 1, values.shape[1])
        now = values.copy()
        for n in self.sources():
            now[n] = following[n]
        total = ones_in((now ^ values) & keep)
        for _ in range(4 * len(self.levels) + 4):
            fresh = now.copy()
            for level in self.levels:
                for g in level:
                    fresh[g.output] = g.run([now[i] for i in g.inputs])
            changed = (fresh ^ now) & keep
            if not changed.any():
                return total
            total += ones_in(changed)
            now = fresh
        raise NetlistError("the netlist does not settle with unit delays")
