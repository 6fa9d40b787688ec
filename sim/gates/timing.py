"""How long the longest paths through a mapped netlist take, by the library's tables.

Before layout: without wires, and with a clock that comes everywhere at once, through its gates,
too. Of each gate the slowest edge in the worst condition counts, whatever came before it, after the
largest transition at its inputs; transitions beyond a table's last count as that.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .liberty import Cell
from .netlist import SLEW_NS, Netlist, NetlistError

__all__ = ["LongestPath", "Timing", "analyse"]


@dataclass(frozen=True)
class LongestPath:
    """ns from a clock's edge to the next that the path allows, and its nets with their times."""

    ns: float
    nets: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Timing:
    """The longest path that begins at a flip-flop or an input, from clock to setup, and the longest
    that begins at a memory, without what its access takes."""

    registers: LongestPath
    memories: LongestPath


def analyse(netlist: Netlist) -> Timing:
    """Return the longest paths of a netlist. Inputs come from registers and change with the clock's
    edge; memories and outputs take what is there at the next.

    Raises
    ------
    NetlistError
        Naming a cell whose delays the library does not tell.
    """
    flip_flops = [(q, *_from_clock(netlist, cell, q)) for cell, _, _, q in netlist.flip_flops]
    inputs = [(n, 0.0, SLEW_NS) for bits in netlist.inputs.values() for n in bits]
    memories = [(n, 0.0, SLEW_NS) for n in netlist.memory_outputs]
    return Timing(_longest(netlist, [*flip_flops, *inputs]), _longest(netlist, memories))


def _from_clock(netlist: Netlist, cell: Cell, net: int) -> tuple[float, float]:
    """(time, transition) of a flip-flop's output."""
    arcs = [arc for pin in cell.pins.values() for arc in pin.arcs]
    if not arcs:
        raise NetlistError(f"flip-flop {cell.name} has no delays in {netlist.library.name}")
    return max(arc.slowest(SLEW_NS, netlist.load[net]) for arc in arcs)


def _setup(cell: Cell, slew: float) -> float:
    """ns that a flip-flop or a clock gate needs before the clock's edge."""
    return max(pin.setup(SLEW_NS, slew) for pin in cell.pins.values())


def _check_arcs(netlist: Netlist, cell: Cell, output: str, told: set[str], nets: dict[str, int],
                times: np.ndarray) -> None:
    """Raise if the delays that a library tells of a cell are not from those inputs that change."""
    if foreign := told - {*nets}:
        raise NetlistError(f"{cell.name} has a delay from {min(foreign)[:40]!r}, which is no input "
                           "of it")
    for name, source in nets.items():
        if name not in told and times[source] > -math.inf:
            raise NetlistError(f"{cell.name} has no delay from {name} to {output} in "
                               f"{netlist.library.name}")


def _longest(netlist: Netlist, starts: Iterable[tuple[int, float, float]]) -> LongestPath:
    """The longest path from nets that change at a time with a transition."""
    times, slews = np.full(netlist.count, -math.inf), np.full(netlist.count, SLEW_NS)
    before: dict[int, int] = {}
    for net, time, slew in starts:
        times[net], slews[net] = time, slew
    for cell, output, sources, net in netlist.gates:
        nets = dict(zip((p.name for p in cell.pins.values() if not p.output), sources,
                        strict=False))
        arcs = cell.pins[output].arcs
        _check_arcs(netlist, cell, output, {arc.source for arc in arcs}, nets, times)
        for arc in arcs:
            source = nets[arc.source]
            if times[source] == -math.inf:
                continue
            delay, slew = arc.slowest(slews[source], netlist.load[net])
            slews[net] = max(slews[net], slew) if net in before else slew
            if times[source] + delay > times[net]:
                times[net], before[net] = times[source] + delay, source
    ends = [(times[n] + _setup(cell, slews[n]), n)
            for cell, n, _, _ in (*netlist.flip_flops, *netlist.clock_gates)]
    ends += [(times[n], n) for n in netlist.memory_inputs]
    ends += [(times[n], n) for bits in netlist.outputs.values() for n in bits]
    longest, net = max(ends, default=(-math.inf, 0))
    if longest == -math.inf:
        return LongestPath(0.0, ())
    names = {n: f"{name}[{k}]" for name, bits in netlist.names.items()
             for k, n in enumerate(bits)}
    path = [net]
    while path[-1] in before:
        path.append(before[path[-1]])
    return LongestPath(float(longest), tuple((names.get(n, str(n)), float(times[n]))
                                             for n in reversed(path)))
