"""Cuts the weight stream into tiles and parameters, one tile ahead of the array."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2, next_pow2
from hw.gateware.parts.countdown import Countdown
from hw.gateware.signatures.interfaces import LaneParams, ParamPort, chunk_layout, tile_walk

from .lookup import TableWrite

__all__ = ["TileLoader", "TilePort", "param_members"]


def param_members(config: Config) -> wiring.Member:
    """How post-processing gets parameters, as a member of its signature: as registers, bias, mult
    and shift in 56 bits for [2 * cols]; a column at a time from a memory where it has one lane;
    a `ParamPort` where zeros are skipped, since a bank then has many blocks' parameters."""
    if config.array.zero_skip:
        return Out(ParamPort(config))
    if config.array.post_lanes == 1:
        return Out(LaneParams(config))
    return In(56).array(2 * config.array.cols)


class TilePort(wiring.Signature):
    """A complete tile, seen from its producer.

    Members: `valid`; `weights` int8[cols * rows], column by column; `last`, 1 of an output block's
    last tile; `take`, high in the cycle in which the array copies it.
    """

    def __init__(self, config: Config):
        super().__init__({"valid": Out(1), "weights": Out(8).array(config.array.macs),
                          "last": Out(1), "take": In(1)})


class TileLoader(wiring.Component):
    """Fill the shadow tile while the array works on the active one.

    Walks each COMPUTE instruction's tiles without waiting for tokens: weights are known in
    advance. A new tile is complete every `tile_chunks` cycles. The parameters of an output
    block go to the bank of its accumulators, once post-processing is done with those before.
    Of COMPUTEs that skip zeros it takes the parameters alone, of all blocks one by one, with the
    first of a pass: rows of weights, which they precede, are needed from then on. Tables are first.

    Members
    -------
    i : what it needs of COMPUTE instructions, as dispatched
    chunks : weight stream
    o : the shadow tile
    params : see `param_members`
    tables : chunks of tables, where the configuration has some
    drained : pulse for each bank that post-processing has finished with
    busy : 1
    advances : see `hw.gateware.progress`

    One stream holds both, and a bank's release lets its next parameters in::

                        .-> params of bank 0, 1 --> post-processing
        chunks --> part |      ^ open: `drained` ------'
                   or   |
                   tile `-> shadow tile --> o, taken with a vector

    Timing
    ------
    One chunk per cycle: a tile in `tile_chunks` cycles, of which the first may be that in which
    the tile before is taken; it is valid in the cycle after its last chunk. An instruction is
    taken up two cycles after it was taken.

    Resources
    ---------
    Registers of rows * cols bytes for the shadow tile; for parameters registers of 2 * cols * 56
    bits, or with one lane or where zeros are skipped a memory.
    """

    #: Cycles from a tile's last chunk to the tile.
    LATENCY = 1

    i: stream.Interface
    chunks: stream.Interface
    o: wiring.PureInterface
    params: Any  # by configuration: see `param_members`
    tables: wiring.PureInterface
    drained: Signal
    busy: Signal
    advances: Signal

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            **({"tables": Out(TableWrite(config))} if config.array.tables else {}),
            "i": In(stream.Signature(tile_walk(config))),
            "chunks": In(stream.Signature(chunk_layout(config))),
            "o": Out(TilePort(config)),
            "params": param_members(config).flip(),
            "drained": In(2),
            "busy": Out(1), "advances": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        param_chunks, tile_chunks = config.param_chunks, config.tile_chunks
        skipping, tables = config.array.zero_skip, config.array.tables
        # The next instruction is taken early, so that nothing which ends one reaches the queue.
        have, insn = Signal(), Signal(self.i.payload.shape())
        m.d.comb += self.i.ready.eq(~have)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [have.eq(1), insn.eq(self.i.payload)]

        active, last = Signal(), Signal()
        tiles = Signal(24)
        tile, block = Countdown(m, "tile", tiles), Countdown(m, "block", insn.out_blocks)
        # In registers, of the next chunk: it is one of parameters or of a tile, the last of them.
        in_params, in_tile = Signal(), Signal()
        param_last, tile_last = Signal(init=param_chunks == 1), Signal(init=tile_chunks == 1)
        param_chunk = Signal(range(max(2, param_chunks)))
        shadow_full = Signal()
        bank = Signal()
        claimed = Signal(2)
        # In a register: the bank can take parameters, or has taken the first of them.
        open_bank = Signal(init=1)
        in_tables, tabled, every = Signal(), Signal(), Signal()  # next, next block's, all later
        live = Signal(range(config.live_blocks + 1))  # blocks of a COMPUTE that skips zeros
        param_block = Signal(range(config.live_blocks))

        tile_end, block_end, insn_end = Signal(), Signal(), Signal()
        take_param, take_tile, load = Signal(), Signal(), Signal()
        may_param, may_tile = Signal(), Signal()
        ends_block, ends_insn = Signal(), Signal()  # the next chunk of a tile does
        alone = ~in_params & live.any() if skipping else 0  # all its parameters are there
        m.d.comb += [
            may_param.eq(in_params & open_bank),
            may_tile.eq(in_tile & (~shadow_full | self.o.take)),
            self.chunks.ready.eq(may_param | may_tile),
            take_param.eq(may_param & self.chunks.valid),
            take_tile.eq(may_tile & self.chunks.valid),
            tile_end.eq(take_tile & tile_last),
            block_end.eq(take_tile & ends_block),
            insn_end.eq((take_tile & ends_insn) | (active & alone)),
            load.eq(have & ~active),  # not as the one before ends, which is known late
            self.o.valid.eq(shadow_full),
            self.busy.eq(have | active | shadow_full),
            self.advances.eq(Cat(self.i.valid & self.i.ready, load, take_param, take_tile,
                                 self.o.take, insn_end, self.drained).any()),
        ]
        with m.If(self.o.take):
            m.d.sync += shadow_full.eq(0)

        take_own = self._divert(m, take_param, bank, in_tables, claimed) if tables else take_param
        self._keep(m, take_own, bank, param_block, param_chunk)
        params_end, flip = Signal(), Signal()  # with this chunk; the other bank is next
        m.d.comb += params_end.eq(take_own & param_last
                                  & ((param_block + 1 == live) | ~live.any() if skipping else 1))
        with m.If(take_own):
            m.d.sync += [param_chunk.eq(Mux(param_last, 0, param_chunk + 1)),
                         param_last.eq((param_chunk == param_chunks - 2) | (param_chunks == 1)),
                         claimed.bit_select(bank, 1).eq(1)]
            with m.If(param_last):
                m.d.sync += param_block.eq(param_block + 1)
        with m.If(params_end):
            m.d.sync += [in_params.eq(0), in_tile.eq(~live.any()), param_block.eq(0)]
        for b in range(2):
            with m.If(self.drained[b]):
                m.d.sync += claimed[b].eq(0)
        m.d.comb += flip.eq((block_end & last) | (params_end & live.any()))
        with m.If(flip):
            m.d.sync += [bank.eq(~bank),
                         open_bank.eq((~claimed | self.drained).bit_select(~bank, 1))]
        with m.Elif(self.drained.bit_select(bank, 1)):
            m.d.sync += open_bank.eq(1)

        self._fill_shadow(m, take_tile, tile_last, tile.last, block.last, ends_block, ends_insn)
        with m.If(tile_end):
            m.d.sync += [shadow_full.eq(1), self.o.last.eq(ends_block)]
            tile.step()
        with m.If(block_end):
            m.d.sync += [in_params.eq(last), in_tile.eq(~last),
                         *([in_tables.eq(tabled), tabled.eq(every)] if tables else [])]
            tile.again(tiles)
            block.step()
        with m.If(insn_end):
            m.d.sync += [active.eq(0), in_params.eq(0), in_tile.eq(0)]
        with m.If(load):
            m.d.sync += [have.eq(0), active.eq(1), last.eq(insn.last), in_params.eq(insn.last),
                         in_tile.eq(~insn.last), tiles.eq(insn.tiles)]
            tile.load(insn.tiles)
            block.load(insn.out_blocks)
            if tables:
                m.d.sync += [in_tables.eq(insn.tables), tabled.eq(insn.tables),
                             every.eq(insn.every_table)]
            if skipping:
                m.d.sync += live.eq(insn.live_blocks)
                with m.If(insn.live_blocks.any()):
                    m.d.sync += [in_params.eq(insn.first), in_tile.eq(0)]
        return m

    def _divert(self, m: Module, take: Value, bank: Value, in_tables: Signal,
                claimed: Signal) -> Signal:
        """Hand on chunks of tables; return 1, what is taken is one of parameters."""
        own, number = Signal(name="take_own"), Signal.like(self.tables.number, name="table_chunk")
        table_end = number == self._config.table_chunks - 1
        m.d.comb += [
            own.eq(take & ~in_tables),
            self.tables.en.eq(take & in_tables), self.tables.bank.eq(bank),
            self.tables.number.eq(number), self.tables.data.eq(self.chunks.payload),
        ]
        with m.If(self.tables.en):
            m.d.sync += [number.eq(Mux(table_end, 0, number + 1)),
                         claimed.bit_select(bank, 1).eq(1)]
            with m.If(table_end):
                m.d.sync += in_tables.eq(0)
        return own

    def _fill_shadow(self, m: Module, take: Value, last: Signal, last_tile: Value,
                     last_block: Value, ends_block: Signal, ends_insn: Signal) -> None:
        """Put chunks into the shadow tile; tell of the next whether it is a tile's `last`, and
        with it ends a block or an instruction."""
        config = self._config
        rows, tile_chunks = config.array.rows, config.tile_chunks
        tile_chunk = Signal(range(max(2, tile_chunks)))
        shadow = [Signal(8, name=f"shadow_{n // rows}_{n % rows}", reset_less=True)
                  for n in range(config.array.macs)]
        m.d.comb += [w.eq(s) for w, s in zip(self.o.weights, shadow, strict=True)]
        for k in range(tile_chunks):
            with m.If(take & (tile_chunk == k)):
                for byte in range(config.chunk_bytes):
                    n = k * config.chunk_bytes + byte
                    if n < config.array.macs:
                        m.d.sync += shadow[n].eq(self.chunks.payload[8 * byte:8 * byte + 8])
        with m.If(take):
            m.d.sync += tile_chunk.eq(Mux(last, 0, tile_chunk + 1))
        if tile_chunks == 1:
            m.d.comb += [ends_block.eq(last_tile), ends_insn.eq(last_tile & last_block)]
        else:  # known with the chunk before
            with m.If(take):
                nearly = tile_chunk == tile_chunks - 2
                m.d.sync += [last.eq(nearly), ends_block.eq(nearly & last_tile),
                             ends_insn.eq(nearly & last_tile & last_block)]

    def _keep(self, m: Module, take: Value, bank: Value, block: Value, chunk: Value) -> None:
        """Keep a chunk of parameters."""
        if self._config.array.zero_skip:
            self._keep_params(m, take, bank, block, chunk)
        elif self._config.array.post_lanes == 1:
            self._keep_columns(m, take, bank, chunk)
        else:
            self._keep_registers(m, take, bank, chunk)

    def _keep_registers(self, m: Module, take: Value, bank: Value, chunk: Value) -> None:
        """Parameters of two banks' columns in registers."""
        chunk_bytes, cols = self._config.chunk_bytes, self._config.array.cols
        params = [Signal(56, name=f"param_{b}_{c}", reset_less=True)
                  for b in range(2) for c in range(cols)]
        m.d.comb += [p.eq(s) for p, s in zip(self.params, params, strict=True)]
        for k in range(self._config.param_chunks):
            for b in range(2):
                with m.If(take & (chunk == k) & (bank == b)):
                    for byte in range(chunk_bytes):
                        column, part = divmod(k * chunk_bytes + byte, 8)
                        if column < cols and part < 7:
                            m.d.sync += params[b * cols + column][8 * part:8 * part + 8].eq(
                                self.chunks.payload[8 * byte:8 * byte + 8])

    def _keep_params(self, m: Module, take: Value, bank: Value, block: Value,
                     chunk: Value) -> None:
        """Parameters of all blocks of two banks in a memory."""
        config = self._config
        bits, parts = 8 * config.chunk_bytes, config.param_chunks
        m.submodules.params = kept = memory.Memory(
            shape=bits * parts, depth=2 * next_pow2(config.live_blocks), init=[])
        write, read = kept.write_port(granularity=bits), kept.read_port()
        m.d.comb += [
            write.addr.eq(Cat(block, bank)), write.en.eq(Mux(take, 1 << chunk, 0)),
            write.data.eq(Cat([self.chunks.payload] * parts)),
            read.addr.eq(Cat(self.params.block, self.params.bank)), read.en.eq(self.params.en),
            self.params.row.eq(read.data),
        ]

    def _keep_columns(self, m: Module, take: Value, bank: Value, chunk: Value) -> None:
        """Parameters of two banks' columns in a memory: words of a column or more."""
        config = self._config
        bits = 8 * config.chunk_bytes
        parts, columns = max(1, 64 // bits), max(1, bits // 64)  # chunks and columns of a word
        index, column = chunk >> ceil_log2(parts), self.params.column
        words = next_pow2(-(-config.array.cols // columns))
        m.submodules.params = kept = memory.Memory(
            shape=bits * parts, depth=2 * words, init=[])
        write, read = kept.write_port(granularity=bits), kept.read_port(domain="comb")
        m.d.comb += [
            write.addr.eq(Cat(index[:ceil_log2(words)], bank)),
            write.en.eq(Mux(take, 1 << chunk[:ceil_log2(parts)], 0)),
            write.data.eq(Cat([self.chunks.payload] * parts)),
            read.addr.eq(Cat((column >> ceil_log2(columns))[:ceil_log2(words)], self.params.bank)),
            self.params.param.eq(read.data.word_select(column[:ceil_log2(columns)], 64)),
        ]
