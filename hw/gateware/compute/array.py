"""The MAC array: rows x cols int8 products a cycle, summed down each column."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.parts.arith import add_tree
from hw.gateware.parts.delay import delay
from hw.gateware.signatures.interfaces import vector_layout

from .tiles import TilePort

__all__ = ["EARLY", "MacArray", "PsumPort", "array_latency"]

#: Cycles by which a tag is known before its sums.
EARLY = 2
_TREE_LEVELS = 3  # adder levels between registers


def array_latency(config: Config) -> int:
    """Cycles from a taken vector to its sums."""
    return 2 + max(1, -(-ceil_log2(config.array.rows) // _TREE_LEVELS))


class AccTag(wiring.Signature):
    """Where a vector's sums go. Members: `valid`, `addr`, `first` (overwrite), `bank`, `close`."""

    def __init__(self, config: Config):
        super().__init__({"valid": Out(1), "addr": Out(ceil_log2(config.buffers.acc_depth)),
                          "first": Out(1), "bank": Out(1), "close": Out(1)})


class PsumPort(wiring.Signature):
    """Column sums: `sums` signed[cols], valid with `tag`; `early` is the tag `EARLY` cycles
    ahead."""

    def __init__(self, config: Config):
        super().__init__({"early": Out(AccTag(config)), "tag": Out(AccTag(config)),
                          "sums": Out(signed(config.array.psum_bits)).array(config.array.cols)})


class MacArray(wiring.Component):
    """Multiply one vector by the active tile in each cycle.

    The shadow tile becomes the active one together with the vector that asks for it, so a swap
    costs nothing. Products are registered before the adder tree, the tree after every third
    level; registers hold still when no vector arrives.

    Members
    -------
    i : vectors
    tile : the next tile
    o : column sums, `LATENCY` cycles after the vector was taken; no back-pressure
    fire : 1, a vector was taken
    starved : 1, a vector waits for its tile
    busy : 1, sums are on their way
    mismatch : 1, an output block has fewer or more tiles than its vectors are made for; the first
        of them has just gone, or come. It is an instruction of `layer`
    advances : see `hw.gateware.progress`

    Timing
    ------
    One vector per cycle, with t adder levels in ceil(t / 3) registers::

        cycle  0         1      2          3 ...       LATENCY
               vector -> acts   products   sums of 8   sums, tag
               tile ---> weights           early, EARLY cycles ahead of the tag

    Resources
    ---------
    rows * cols multipliers of 8 x 8 bits, an adder tree of rows for each column.
    """

    i: stream.Interface
    tile: wiring.PureInterface
    o: wiring.PureInterface
    fire: Signal
    starved: Signal
    busy: Signal
    mismatch: Signal
    layer: Signal
    advances: Signal

    def __init__(self, config: Config):
        self._config = config
        self.LATENCY = array_latency(config)
        super().__init__({
            "i": In(stream.Signature(vector_layout(config))),
            "tile": In(TilePort(config)),
            "o": Out(PsumPort(config)),
            "fire": Out(1),
            "starved": Out(1),
            "busy": Out(1), "advances": Out(1),
            "mismatch": Out(1), "layer": Out(11),
        })

    def elaborate(self, platform):
        m = Module()
        rows, cols = self._config.array.rows, self._config.array.cols
        vector = self.i.payload
        fire = Signal()
        m.d.comb += [
            self.starved.eq(self.i.valid & vector.swap & ~self.tile.valid),
            fire.eq(self.i.valid & ~(vector.swap & ~self.tile.valid)),
            self.i.ready.eq(fire),
            self.tile.take.eq(fire & vector.swap),
            self.fire.eq(fire),
        ]

        last, ended = Signal(), Signal()  # of the active tile; of the vector before
        m.d.sync += [self.layer.eq(vector.layer), self.mismatch.eq(
            (fire & vector.block_end & ~Mux(vector.swap, self.tile.last, last))
            | (self.i.valid & vector.swap & last & ~ended))]
        with m.If(fire):
            m.d.sync += ended.eq(vector.block_end)
            with m.If(vector.swap):
                m.d.sync += last.eq(self.tile.last)

        # control travels beside the data
        tag = Cat(vector.acc_addr, vector.acc_first, vector.bank, vector.close)
        _, *stages = delay(m, tag, fire, self.LATENCY, names=("tag_{}", "valid_{}"))

        def drive(port, index):
            word, is_valid = stages[index]
            m.d.comb += [port.valid.eq(is_valid),
                         Cat(port.addr, port.first, port.bank, port.close).eq(word)]

        m.d.comb += [self.busy.eq(Cat(v for _, v in stages).any()),
                     self.advances.eq(fire | self.busy)]
        drive(self.o.early, self.LATENCY - 1 - EARLY)
        drive(self.o.tag, self.LATENCY - 1)

        acts = [Signal(signed(8), name=f"act_{r}", reset_less=True) for r in range(rows)]
        with m.If(fire):
            m.d.sync += [a.eq(vector.acts[8 * r:8 * r + 8]) for r, a in enumerate(acts)]
        for c in range(cols):
            terms = []
            for r in range(rows):
                weight = Signal(signed(8), name=f"weight_{c}_{r}", reset_less=True)
                product = Signal(signed(16), name=f"product_{c}_{r}", reset_less=True)
                with m.If(fire & vector.swap):
                    m.d.sync += weight.eq(self.tile.weights[c * rows + r])
                with m.If(stages[0][1]):
                    m.d.sync += product.eq(weight * acts[r])
                terms.append(product)
            for n in range(1, self.LATENCY - 1):
                group = 1 << _TREE_LEVELS
                sums = [add_tree(terms[k:k + group]) for k in range(0, len(terms), group)]
                terms = []
                for k, total in enumerate(sums):
                    name = f"sum_{c}" if n == self.LATENCY - 2 else f"sum_{c}_{n}_{k}"
                    register = Signal(total.shape(), name=name, reset_less=True)
                    with m.If(stages[n][1]):
                        m.d.sync += register.eq(total)
                    terms.append(register)
            m.d.comb += self.o.sums[c].eq(terms[0])
        return m
