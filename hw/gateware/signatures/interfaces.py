"""Payloads and signatures that blocks share. Data moves on `lib.stream`; returns that have
space reserved beforehand, and completion pulses, have no back-pressure."""

from amaranth.hdl import Cat, Shape, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.isa import ErrorCode, Opcode, insn_layout, tokens_of

__all__ = [
    "ActRead",
    "ActWrite",
    "Done",
    "LaneParams",
    "ParamPort",
    "ReadReturn",
    "UnitFault",
    "WriteReturn",
    "chunk_layout",
    "completion",
    "insn_stream",
    "need_layout",
    "read_request",
    "spared_members",
    "tile_walk",
    "vector_layout",
    "write_data",
    "write_request",
]

_LAYER_BITS = 11


def read_request(config: Config) -> data.StructLayout:
    """One read burst: never longer than `burst_beats`, never across 4096 bytes of offset.

    Members: `addr` byte offset from the window (a multiple of the port's bytes), which may be
    beyond all memory, `beats` 1 or more, `mask` of the multicast (0 for none), `layer` for
    tagging.
    """
    return data.StructLayout({
        "addr": config.offset_bits,
        "beats": ceil_log2(config.port.burst_beats) + 1,
        "mask": config.instances,
        "layer": _LAYER_BITS,
    })


class ReadReturn(wiring.Signature):
    """Beats of read data, in the order of the requests. The requester has reserved the space:
    there is no ready. Members: `valid`, `data`, `error`."""

    def __init__(self, config: Config):
        super().__init__({"valid": Out(1), "data": Out(config.beat_bits), "error": Out(1)})


def write_request(config: Config) -> data.StructLayout:
    """One write burst, as `read_request` without a mask."""
    return data.StructLayout({
        "addr": config.offset_bits,
        "beats": ceil_log2(config.port.burst_beats) + 1,
        "layer": _LAYER_BITS,
    })


def write_data(config: Config) -> data.StructLayout:
    """One write beat: `data`, and `strb` with a bit for each byte that is written."""
    return data.StructLayout({"data": config.beat_bits, "strb": config.port.bytes})


class WriteReturn(wiring.Signature):
    """Pulse for each write burst that the memory has acknowledged. Members: `valid`, `error`."""

    def __init__(self):
        super().__init__({"valid": Out(1), "error": Out(1)})


class UnitFault(wiring.Signature):
    """What goes wrong in a unit. Members: `code`, 0 for nothing, in the cycle in which it happens;
    `layer`, of the instruction at fault, of one that is done in this cycle, or else of one that the
    unit is at."""

    def __init__(self):
        super().__init__({"code": Out(ErrorCode), "layer": Out(_LAYER_BITS)})


class Done(wiring.Signature):
    """Completion of an opcode's instruction, in program order within a unit; a pulse.

    Members: `valid`; `signal` (which of the opcode's tokens to give), if it has any; `mark`,
    `layer`.
    """

    def __init__(self, opcode: Opcode):
        tokens = len(tokens_of(opcode, "signal"))
        super().__init__({"valid": Out(1), **({"signal": Out(tokens)} if tokens else {}),
                          "mark": Out(1), "layer": Out(_LAYER_BITS)})


def completion(source: data.View | wiring.PureInterface) -> Value:
    """What is to be told at the end, of an instruction or a `Done`: `signal`, `mark`, `layer`."""
    return Cat(getattr(source, n) for n in ("signal", "mark", "layer") if hasattr(source, n))


def insn_stream(opcode: Opcode, config: Config) -> stream.Signature:
    """Stream of one opcode's instructions, its tokens already taken."""
    return stream.Signature(insn_layout(opcode, config))


def tile_walk(config: Config) -> data.StructLayout:
    """What the tile loader needs of a COMPUTE instruction: `tiles`, `out_blocks`, `last`, and
    `first` and `live_blocks` where zeros are skipped, `tables` and `every_table` where there are
    some."""
    layout = insn_layout(Opcode.COMPUTE, config)
    names = ["tiles", "out_blocks", "last"] + ["first", "live_blocks"] * config.array.zero_skip \
        + ["tables", "every_table"] * config.array.tables
    return data.StructLayout({n: layout[n].shape for n in names})


def chunk_layout(config: Config) -> Shape:
    """Payload of the weight stream: `chunk_bytes` bytes."""
    return unsigned(8 * config.chunk_bytes)


def spared_members(config: Config) -> dict:
    """Where zeros are skipped, members of a signature: `spared`, vectors that a tile of a dead
    input block left out in the cycle before, 0 for none; `spared_layer`."""
    if not config.array.zero_skip:
        return {}
    return {"spared": Out(ceil_log2(config.buffers.acc_depth)), "spared_layer": Out(_LAYER_BITS)}


def vector_layout(config: Config) -> data.StructLayout:
    """One activation vector on its way into the array.

    Members
    -------
    acts : bits[rows * 8]
        int8 activations, row 0 lowest; for padding what it reads as.
    layer : 11
        Of its instruction, for error reports.
    swap : 1
        First vector of a tile: the next tile becomes the active one together with it.
    acc_addr : accumulator address within the bank
    acc_first : 1
        Overwrite the accumulator instead of adding to it.
    bank : 1
        Accumulator bank.
    close : 1
        Last vector of the block: the bank is full when it has been accumulated.
    block_end : 1
        Last vector of an output block of its instruction.
    live_blocks, epsilon
        As in COMPUTE; where zeros are skipped.
    """
    layout = insn_layout(Opcode.COMPUTE, config)
    skipping = ("live_blocks", "epsilon") if config.array.zero_skip else ()
    return data.StructLayout({
        "acts": config.word_bits,
        "layer": _LAYER_BITS,
        "swap": 1,
        "acc_addr": ceil_log2(config.buffers.acc_depth),
        "acc_first": 1,
        "bank": 1,
        "close": 1,
        "block_end": 1,
        **{name: layout[name].shape for name in skipping},
    })


def need_layout(config: Config) -> data.StructLayout:
    """A live input's row of weights is needed: `index` of the input, or `end` of a table's. Its
    highest bit is 1 from the index on at which every row is beyond all memory."""
    return data.StructLayout({
        "index": config.offset_bits - ceil_log2(config.port.bytes), "end": 1})


class ParamPort(wiring.Signature):
    """Read port of requantisation parameters, seen from post-processing.

    Members: `en`, `bank`, `block` of the bank; `row`, `cols` times 64 bits, a cycle later and
    until the next read.
    """

    def __init__(self, config: Config):
        super().__init__({"en": Out(1), "bank": Out(1),
                          "block": Out(ceil_log2(config.live_blocks)),
                          "row": In(64 * config.array.cols)})


class LaneParams(wiring.Signature):
    """Requantisation parameters of one column at a time, seen from post-processing with one lane.

    Members: `bank`, `column`; `param`, 56 bits, in the same cycle.
    """

    def __init__(self, config: Config):
        super().__init__({"bank": Out(1), "column": Out(ceil_log2(config.array.cols)),
                          "param": In(56)})


class ActRead(wiring.Signature):
    """A client's read port of the activation memory, seen from the client.

    Members: `valid`, `addr` (words), `ready` (the read is taken when both are high),
    `data` (one word, exactly `LATENCY` or `STORE_LATENCY` of `ActMemory` cycles after the read was
    taken).
    """

    def __init__(self, config: Config):
        super().__init__({"valid": Out(1), "addr": Out(config.act_addr_bits), "ready": In(1),
                          "data": In(config.word_bits)})


class ActWrite(wiring.Signature):
    """A client's write port of the activation memory, seen from the client.

    Members: `valid`, `addr` (words), `data` (one word), `lanes` (a bit for each group
    of `post_lanes` bytes that is written), `ready`.
    """

    def __init__(self, config: Config):
        lanes = config.array.rows // config.array.post_lanes
        super().__init__({"valid": Out(1), "addr": Out(config.act_addr_bits),
                          "data": Out(config.word_bits),
                          "lanes": Out(lanes), "ready": In(1)})
