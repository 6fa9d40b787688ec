"""Input blocks that are zero everywhere."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from hw.gateware.parts.walk import Walk

__all__ = ["DeadBlocks"]

#: Input blocks, the first of a COMPUTE, of which it is known that all they hold is zero.
_WATCHED = 64


class DeadBlocks:
    """Which input blocks of a COMPUTE are zero everywhere, seen while its first output block is
    computed.

    Parameters
    ----------
    m : Module
    walk : the feeder's, its loops output column, row, kernel column, row, input and output block
    step, load : as the walk's
    again : at `load`, 1: there is a second output block
    """

    def __init__(self, m: Module, walk: Walk, *, step, load, again) -> None:
        self._m, self._load = m, load
        tile_end, input_end, block_end = (walk.ends(n) for n in (2, 4, 5))
        looks, first = Signal(name="looks"), Signal(name="first_block")
        number, after = (Signal(range(_WATCHED + 1), name=f"input_{n}") for n in ("", "next"))
        self._dead = Signal(_WATCHED + 1, name="dead")  # the last of them never
        self._turn = Signal(name="turn")  # of instructions that look
        #: 1, the next tile is of a dead block; 1, this one is.
        self.cut, self.skips = Signal(name="cut_next"), Signal(name="skips")
        #: What `look` is to know of a vector: it is looked at, it is the last of its input block,
        #: of its output block, and of which instruction it is.
        self.tag = Cat(looks, input_end, block_end, self._turn)
        m.d.comb += [
            after.eq(number + (input_end & (number != _WATCHED))),
            self.cut.eq(~first & ~block_end & self._dead.bit_select(after, 1)),
        ]
        with m.If(step & tile_end):
            m.d.sync += [self.skips.eq(self.cut), number.eq(Mux(block_end, 0, after))]
        with m.If(step & block_end):
            m.d.sync += [first.eq(0), looks.eq(0)]
        with m.If(load):
            m.d.sync += [self.skips.eq(0), number.eq(0), first.eq(1), looks.eq(again),
                         self._turn.eq(self._turn ^ again)]

    def look(self, valid: Value, tag: Value, acts: Value) -> None:
        """See a vector of activations when it has been read; `tag` as it was when it was asked
        for."""
        m = self._m
        looks, input_end, block_end, turn = tag
        alive, number = Signal(name="alive"), Signal(range(_WATCHED + 1), name="looked_at")
        any_so_far = Signal(name="any_so_far")
        m.d.comb += any_so_far.eq(alive | acts.any())
        with m.If(valid & looks):
            m.d.sync += alive.eq(~input_end & any_so_far)
            with m.If(input_end):
                m.d.sync += number.eq(Mux(block_end, 0, number + (number != _WATCHED)))
                with m.If((turn == self._turn) & (number != _WATCHED)):
                    m.d.sync += self._dead.bit_select(number, 1).eq(~any_so_far)
        # What is read when another instruction has begun has another turn: by the time that turn
        # comes again, two that look have begun, of two vectors or more each, and it has been seen.
        with m.If(self._load):
            m.d.sync += self._dead.eq(0)
