"""Marks that wait to be logged."""

from itertools import combinations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["MarkQueue"]


class MarkQueue(wiring.Component):
    """Keep marks in the order in which they come, those of a cycle in that of their units.

    Each unit has a place before the queue, of which one is emptied in a cycle. A mark that comes
    while its unit's place stays full is lost, and that is told.

    Members
    -------
    marks, layers : [units] a mark comes, of that layer
    clear : pulse, empty
    o : stream of layers
    lost : 1, a mark has been lost since `clear`
    any : 1, marks wait

    Timing
    ------
    A mark is offered `LATENCY` cycles after it came, where none is before it.

    Resources
    ---------
    A place for each unit, a flip-flop for each two of them, a memory of `DEPTH` layers, and a
    register behind it.
    """

    #: Cycles from a mark to its offer.
    LATENCY = 2
    #: Marks behind the one that is offered: as many as bursts that the store unit has under way.
    DEPTH = 16

    marks: list[Signal]
    layers: list[Signal]
    clear: Signal
    o: stream.Interface
    lost: Signal
    any: Signal

    def __init__(self, units: int):
        self._units = units
        super().__init__({
            "marks": In(1).array(units), "layers": In(11).array(units), "clear": In(1),
            "o": Out(stream.Signature(11)), "lost": Out(1), "any": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        pending = Signal(self._units)
        layers = [Signal(11, name=f"layer_{u}") for u in range(self._units)]
        picked, layer = Signal(self._units), Signal(11)
        level, enter, leave = (Signal(range(self.DEPTH + n), name=name)
                               for name, n in (("level", 1), ("enter", 0), ("leave", 0)))
        free, stored, keeps = Signal(), Signal(), Signal()
        m.submodules.kept = kept = memory.Memory(shape=11, depth=self.DEPTH, init=[])
        write, read = kept.write_port(), kept.read_port(domain="comb")
        m.d.comb += [
            picked.eq(Mux(level == self.DEPTH, 0, self._oldest(m, pending, picked))),
            free.eq(~self.o.valid | self.o.ready), stored.eq(level.any()),
            keeps.eq(picked.any() & (stored | ~free)),
            write.addr.eq(enter), write.data.eq(layer), write.en.eq(keeps), read.addr.eq(leave),
            self.any.eq(Cat(pending, stored, self.o.valid).any()),
        ]
        for u in range(self._units):
            with m.If(picked[u]):
                m.d.comb += layer.eq(layers[u])
                m.d.sync += pending[u].eq(0)
            with m.If(self.marks[u]):
                m.d.sync += [pending[u].eq(1), layers[u].eq(self.layers[u])]
        with m.If((Cat(self.marks) & pending & ~picked).any()):
            m.d.sync += self.lost.eq(1)
        with m.If(keeps):
            m.d.sync += enter.eq(enter + 1)
        with m.If(free):
            m.d.sync += [self.o.valid.eq(stored | picked.any()),
                         self.o.payload.eq(Mux(stored, read.data, layer)),
                         leave.eq(leave + stored)]
        m.d.sync += level.eq(level + keeps - (free & stored))
        with m.If(self.clear):
            m.d.sync += [x.eq(0) for x in (pending, level, enter, leave, self.o.valid, self.lost)]
        return m

    def _oldest(self, m: Module, pending: Signal, picked: Signal) -> Value:
        """Which of the pending marks came first, one-hot."""
        waits_for: list[list[Value]] = [[] for _ in range(self._units)]
        for u, v in combinations(range(self._units), 2):
            before = Signal(name=f"before_{u}_{v}")  # that of v came before that of u
            with m.If(self.marks[u]):
                m.d.sync += before.eq(pending[v] & ~picked[v])
            with m.Elif(self.marks[v]):
                m.d.sync += before.eq(0)
            waits_for[u].append(pending[v] & before)
            waits_for[v].append(pending[u] & ~before)
        return pending & Cat(~Cat(others).any() for others in waits_for)
