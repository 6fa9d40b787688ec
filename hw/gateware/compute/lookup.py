"""Functions of one value: a table of 256 bytes for each of two banks' columns."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2, next_pow2

__all__ = ["LATENCY", "TableWrite", "Tables"]

#: Cycles from a value to its table's entry.
LATENCY = 1


class TableWrite(wiring.Signature):
    """Chunks of a bank's tables, seen from the tile loader; they are always taken.

    Members: `en`, `bank`, `number` of the chunk among the bank's, `data`.
    """

    def __init__(self, config: Config):
        super().__init__({"en": Out(1), "bank": Out(1),
                          "number": Out(range(max(2, config.table_chunks))),
                          "data": Out(8 * config.chunk_bytes)})


class Tables(wiring.Component):
    """Look up a value of each lane in its column's table.

    A lane's memory has the tables of its columns, of both banks. The stream has an entry of all
    lanes, `table_pitch` bytes, after the other, column by column, so a chunk holds some entries
    of every lane, which are a word of its memory, or a part of the lanes of one.

    Members
    -------
    write : chunks of a bank's tables, as they come
    en : 1, look up
    bank, column : of the values, one of a lane's columns
    values : int8[lanes], whose bits are the entry's number
    results : int8[lanes], `LATENCY` cycles later and until the next

    Timing
    ------
    A value for each lane and a chunk in each cycle.

    Resources
    ---------
    For each lane a memory of 512 bytes for each of its columns; a word has as many as a chunk
    holds of a lane, of which a multiplexer takes one.
    """

    write: wiring.PureInterface
    en: Signal
    bank: Signal
    column: Signal
    values: list[Signal]
    results: list[Signal]

    def __init__(self, config: Config):
        self._config = config
        lanes = config.array.post_lanes
        super().__init__({
            "write": In(TableWrite(config)), "en": In(1), "bank": In(1),
            "column": In(range(max(2, config.array.cols // lanes))),
            "values": In(8).array(lanes), "results": Out(8).array(lanes),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        chunk, pitch = config.chunk_bytes, config.table_pitch
        entries, turns = max(1, chunk // pitch), max(1, pitch // chunk)
        words = next_pow2(config.table_chunks // turns)
        columns = config.array.cols // config.array.post_lanes
        part_bits, turn_bits = ceil_log2(entries), ceil_log2(turns)
        number, data = self.write.number, self.write.data
        for lane, (value, result) in enumerate(zip(self.values, self.results, strict=True)):
            kept = m.submodules[f"lane_{lane}"] = memory.Memory(
                shape=8 * entries, depth=2 * words, init=[])
            write, read = kept.write_port(), kept.read_port()
            turn, byte = divmod(lane, chunk)
            part = Signal(part_bits, name=f"part_{lane}", reset_less=True)
            with m.If(self.en):
                m.d.sync += part.eq(value)
            m.d.comb += [
                write.en.eq(self.write.en & (number[:turn_bits] == turn)),
                write.addr.eq(Cat(number[turn_bits:], self.write.bank)),
                write.data.eq(Cat(data.word_select(byte + k * pitch, 8) for k in range(entries))),
                read.en.eq(self.en), read.addr.eq(Cat(
                    value[part_bits:], self.column[:ceil_log2(columns)], self.bank)),
                result.eq(read.data.word_select(part, 8)),
            ]
        return m
