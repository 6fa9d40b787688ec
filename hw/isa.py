"""The instruction format, once: the gateware decodes it, the compiler encodes it, docs print it.

An instruction is 256 bits, little-endian, in external memory. A program is a run of
instructions that ends in `END`. Every instruction starts with the same header.

Addresses named `ext_*` are byte offsets from the instance's memory window; `act_*`, `in_*` and
`out_*` are word addresses in its activation memory. Counts hold the number itself. A field
marked non-zero that holds 0, or one that holds more than the configuration can use
(`used_bits`), stops the instance with `ErrorCode.BAD_FIELD`. Rows and columns of a plane that a
COMPUTE or a POST looks at, padding included, are positions from -2,048 to 2,047.
"""

from dataclasses import dataclass

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from hw.support.enums import Enum, IntEnum

from .config import Config, ceil_log2

__all__ = [
    "ALONE_LIVE",
    "FORMATS",
    "HEADER",
    "INSN_BYTES",
    "ISA_VERSION",
    "PROGRAM_ALIGNMENT",
    "READ_AHEAD_BYTES",
    "ROUTES",
    "UNITS",
    "UNIT_OF",
    "WINDOW_ALIGNMENT",
    "Cause",
    "ErrorCode",
    "Field",
    "Opcode",
    "Token",
    "decode",
    "encode",
    "field_bits",
    "field_error",
    "fields_of",
    "insn_layout",
    "tokens_of",
    "used_bits",
]

ISA_VERSION = 3
INSN_BYTES = 32
#: Bytes after a program's end that the memory window must also cover: programs are read ahead.
READ_AHEAD_BYTES = 512
#: A program starts at a multiple of this, and a memory window at one of that.
PROGRAM_ALIGNMENT, WINDOW_ALIGNMENT = 64, 4096


class Opcode(Enum, shape=4):
    """What an instruction does, and which unit does it."""

    #: Never a valid instruction, so that cleared memory stops a runaway program.
    ILLEGAL = 0
    #: The program is over once every unit is idle.
    END = 1
    #: Load unit: external memory to activation memory.
    LOAD = 2
    #: Store unit: activation memory to external memory.
    STORE = 3
    #: Weight unit: start streaming weights and parameters into the weight FIFO.
    WEIGHTS = 4
    #: Compute unit: convolve a stripe of pixels into the accumulators.
    COMPUTE = 5
    #: Post-processing unit: pool, requantise and write finished accumulators.
    POST = 6
    #: Load unit: wait until every instance in the mask has arrived here.
    BARRIER = 7
    #: What follows begins once all before it is done and every unit is idle: weights and parameters
    #: that were stored may then be streamed.
    FENCE = 8


#: Unit -> the opcode that names its instructions, in the order in which units are numbered.
UNITS = {"load": Opcode.LOAD, "store": Opcode.STORE, "weights": Opcode.WEIGHTS,
         "compute": Opcode.COMPUTE, "post": Opcode.POST}
#: Opcode -> the unit that does it; the load unit does a BARRIER, too.
UNIT_OF = {**{opcode: unit for unit, opcode in UNITS.items()}, Opcode.BARRIER: "load"}


class Token(IntEnum, shape=3):
    """Counting semaphores of an instance, each given by one unit and taken by another."""

    #: load -> compute: input is in activation memory.
    LOADED = 0
    #: compute -> load: input has been read and may be overwritten.
    INPUT_FREE = 1
    #: post -> compute: a layer's output is in activation memory, ready as the next input.
    RESIDENT = 2
    #: post -> store: output is in activation memory.
    OUTPUT_READY = 3
    #: store -> post: output has been stored and may be overwritten.
    OUTPUT_FREE = 4
    #: store -> load: output is visible in external memory.
    STORED = 5
    #: compute -> post: input has been read and post-processing may overwrite it.
    INPUT_DONE = 6
    #: post -> load: a region that post-processing used is free to load into.
    DRAINED = 7


#: Token -> opcodes of the unit that gives it and of the one that takes it.
ROUTES = {
    Token.LOADED: (Opcode.LOAD, Opcode.COMPUTE),
    Token.INPUT_FREE: (Opcode.COMPUTE, Opcode.LOAD),
    Token.RESIDENT: (Opcode.POST, Opcode.COMPUTE),
    Token.OUTPUT_READY: (Opcode.POST, Opcode.STORE),
    Token.OUTPUT_FREE: (Opcode.STORE, Opcode.POST),
    Token.STORED: (Opcode.STORE, Opcode.LOAD),
    Token.INPUT_DONE: (Opcode.COMPUTE, Opcode.POST),
    Token.DRAINED: (Opcode.POST, Opcode.LOAD),
}


def tokens_of(opcode: Opcode, field: str) -> tuple[Token, ...]:
    """Tokens that an opcode may name in `signal` or `wait`, lowest first: those of its unit."""
    side, unit = ("signal", "wait").index(field), UNIT_OF.get(opcode)
    return tuple(t for t in Token if UNIT_OF[ROUTES[t][side]] == unit)


class ErrorCode(IntEnum, shape=4):
    """Why an instance stopped."""

    #: No error.
    NONE = 0
    #: The opcode is not one of `Opcode`.
    ILLEGAL_OPCODE = 1
    #: A non-zero field holds zero, a field more than this configuration can use, a token is
    #: another unit's, or an address is not a multiple of what it must be: of the weights, or of
    #: the program, which no instruction names. Or fields contradict each other: more pixels than
    #: accumulators, `tiles` that are not in_blocks * kernel_h * kernel_w, `live_blocks` of several
    #: pixels or output blocks or with tables, a pooling window with no accumulator in it.
    BAD_FIELD = 2
    #: A memory access would leave the instance's window, also where its address is beyond all
    #: that can be addressed.
    ADDRESS_WINDOW = 3
    #: An activation address is beyond the activation memory.
    ACT_RANGE = 4
    #: Every unit waits for a token or for weights that nothing can provide any more.
    TOKEN_UNDERFLOW = 5
    #: A token was signalled more than 255 times ahead of its consumer.
    TOKEN_OVERFLOW = 6
    #: Nothing moved for at least as many cycles as the watchdog register says, nor in others, where
    #: they or a port that it shares with them were waited for.
    WATCHDOG = 7
    #: The memory answered with an error response.
    BUS_ERROR = 8
    #: The host stopped it.
    STOPPED = 9
    #: The window does not lie in the memory that can be addressed: nothing was started.
    BAD_WINDOW = 10


class Cause(IntEnum, shape=3):
    """What one cycle of one instance went to. Each cycle counts once, so they sum to the total."""

    #: The array took a vector of activations.
    COMPUTE = 0
    #: The array had activations and waited for weights already granted by the memory port.
    WEIGHTS = 1
    #: The compute unit waited for activations (tokens, loads under way, bank conflicts).
    ACTS = 2
    #: A read request of the instance waited for the memory port, and the array waited for it.
    PORT = 3
    #: The instance waited for the others at a barrier.
    BARRIER = 4
    #: Only post-processing and stores were under way, or compute waited for an accumulator bank.
    DRAIN = 5
    #: Not running: finished or stopped while other instances still run.
    IDLE = 6


@dataclass(frozen=True)
class Field:
    """One field of an instruction.

    Parameters
    ----------
    name : str
    bits : int
    doc : str
    nonzero : bool
        Zero stops the instance with `BAD_FIELD`.
    signed : bool
        Two's complement.
    optional : bool
        0 where `encode` is not given it.
    """

    name: str
    bits: int
    doc: str
    nonzero: bool = False
    signed: bool = False
    optional: bool = False

    @property
    def bounds(self) -> tuple[int, int]:
        """Smallest and largest value that fits."""
        if self.signed:
            return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1
        return 0, (1 << self.bits) - 1


HEADER = (
    Field("opcode", 4, "which instruction"),
    Field("mark", 1, "on completion, log the counters as the end of `layer`"),
    Field("layer", 11, "layer number, for the log, bus tags and error reports"),
    Field("wait", 8, "tokens (one bit each) consumed before the instruction starts"),
    Field("signal", 8, "tokens (one bit each) given when the instruction is complete"),
)

_MASK = Field("mask", 32, "instances that take part in a multicast; 0 reads for this one alone. It "
              "goes when all of them that run have come to one that names the lowest of them")

_TRANSFER = (
    Field("ext_addr", 32, "byte offset of the first word of the first run"),
    Field("act_addr", 20, "activation address of the first word of the first run"),
    Field("run_words", 20, "consecutive words in a run", nonzero=True),
    Field("runs", 14, "number of runs", nonzero=True),
    Field("ext_stride", 32, "bytes from one run to the next in external memory"),
    Field("act_stride", 20, "words from one run to the next in activation memory"),
)

FORMATS: dict[Opcode, tuple[Field, ...]] = {
    Opcode.END: (),
    Opcode.LOAD: (*_TRANSFER, _MASK),
    Opcode.STORE: _TRANSFER,
    Opcode.WEIGHTS: (
        Field("ext_addr", 32, "byte offset of the stream; a multiple of the port's bytes"),
        Field("chunks", 32, "length in chunks", nonzero=True),
        _MASK,
        Field("row_beats", 8, "0 for a stream; else what is streamed is chosen by the inputs of "
              "the COMPUTE with `live_blocks`: of a table with so many beats for each input, at "
              "distances of the next power of two, the rows of live inputs. It gives no tokens "
              "and has no mark", optional=True),
    ),
    Opcode.COMPUTE: (
        Field("in_addr", 20, "activation address of row 0, column 0 of input block 0"),
        Field("in_plane", 20, "words from one input channel block to the next"),
        Field("in_w", 10, "columns of the input buffer", nonzero=True),
        Field("in_h", 10, "rows of the input buffer", nonzero=True),
        Field("pad_top", 8, "rows of padding above row 0 that output row 0 starts at; negative "
              "starts below row 0", signed=True),
        Field("pad_left", 8, "columns of padding left of column 0; negative starts right of it",
              signed=True),
        Field("pad_value", 8, "what padding reads as", signed=True, optional=True),
        Field("stride_h", 4, "rows between neighbouring outputs", nonzero=True),
        Field("stride_w", 4, "columns between neighbouring outputs", nonzero=True),
        Field("kernel_h", 8, "kernel rows", nonzero=True),
        Field("kernel_w", 8, "kernel columns", nonzero=True),
        Field("dilation_h", 7, "rows between neighbouring taps of the kernel", nonzero=True),
        Field("dilation_w", 7, "columns between neighbouring taps of the kernel", nonzero=True),
        Field("out_w", 10, "output columns before pooling", nonzero=True),
        Field("out_h", 10, "output rows of this stripe before pooling", nonzero=True),
        Field("in_blocks", 14, "input channel blocks of `rows` channels", nonzero=True),
        Field("out_blocks", 14, "output channel blocks of `cols` channels", nonzero=True),
        Field("tiles", 24, "tiles per output block: in_blocks * kernel_h * kernel_w",
              nonzero=True),
        Field("first", 1, "start from zero; else go on from the open accumulator bank"),
        Field("last", 1, "parameters precede the tiles and the bank is handed to POST at the end"),
        Field("live_blocks", 8, "0 for all inputs; else only live ones are multiplied, for so many "
              "output blocks at a time, block k in accumulator k; `out_blocks` is 1, there is one "
              "pixel, and parameters of all blocks precede the rows of weights from the `first` "
              "of a pass on", optional=True),
        Field("epsilon", 8, "inputs whose magnitude is at most this count as zero, with "
              "`live_blocks`", optional=True),
        Field("tables", 1, "with `last`: tables of an output block's channels precede its "
              "parameters, those of the first two blocks, one for each bank, which later ones find "
              "there; not with `live_blocks`; where the configuration has `array.tables`",
              optional=True),
        Field("every_table", 1, "with `tables`: those of all blocks", optional=True),
    ),
    Opcode.POST: (
        Field("out_addr", 20, "activation address of row 0, column 0 of output word block 0"),
        Field("out_plane", 20, "words from one output word block to the next"),
        Field("out_w", 10, "output columns after pooling", nonzero=True),
        Field("out_h", 10, "output rows after pooling", nonzero=True),
        Field("conv_w", 10, "columns in the accumulator bank", nonzero=True),
        Field("conv_h", 10, "rows in the accumulator bank", nonzero=True),
        Field("pool_h", 4, "rows of the pooling window; 1 for none", nonzero=True),
        Field("pool_w", 4, "columns of the pooling window; 1 for none", nonzero=True),
        Field("pool_stride_h", 4, "rows between windows; 1 for none", nonzero=True),
        Field("pool_stride_w", 4, "columns between windows; 1 for none", nonzero=True),
        Field("pool_top", 4, "rows of the first window above row 0"),
        Field("pool_left", 4, "columns of the first window left of column 0"),
        Field("out_blocks", 14, "accumulator banks to drain: output blocks of `cols` channels",
              nonzero=True),
        Field("low", 8, "smallest output; 0 is ReLU", signed=True),
        Field("high", 8, "largest output", signed=True),
        Field("offset", 8, "added after the shift, before the clamp to `low` and `high`",
              signed=True, optional=True),
        Field("per_pixel", 1, "each pixel has parameters of its own: it is an output block of a "
              "COMPUTE with `live_blocks`", optional=True),
        Field("tables", 1, "what is clamped is an index, as a signed number, of its channel's "
              "table, whose entry is the output; as of COMPUTE", optional=True),
    ),
    Opcode.BARRIER: (Field("mask", 32, "instances that meet", nonzero=True),),
    Opcode.FENCE: (),
}


#: Fields of a COMPUTE that are 1 where `live_blocks` is not 0.
ALONE_LIVE = ("out_w", "out_h", "out_blocks")


def field_bits(config: Config, field: Field) -> int:
    """Bits of a field that a configuration can use; those above must be zero."""
    address = config.port.address_bits
    words = ceil_log2(config.buffers.act_words)
    pixels = ceil_log2(config.buffers.acc_depth) + 1
    limits = {
        "mask": config.instances,
        "ext_addr": address, "ext_stride": address, "chunks": address,
        "act_addr": words, "in_addr": words, "out_addr": words,
        "run_words": words + 1, "act_stride": words + 1, "runs": words + 1,
        "in_plane": words + 1, "out_plane": words + 1, "in_blocks": words + 1,
        "in_w": words + 1, "in_h": words + 1,
        "out_w": pixels, "out_h": pixels, "conv_w": pixels, "conv_h": pixels,
    }
    skips = config.array.zero_skip
    limits |= {"row_beats": ceil_log2(config.row_beats + 1) if skips else 0,
               "live_blocks": ceil_log2(config.live_blocks + 1) if skips else 0,
               "epsilon": 7 if skips else 0, "per_pixel": int(skips),
               "tables": int(config.array.tables), "every_table": int(config.array.tables)}
    return min(field.bits, limits.get(field.name, field.bits))


def fields_of(config: Config, opcode: Opcode) -> tuple[Field, ...]:
    """Fields of an opcode's format that a configuration looks at: the last ones, of an option that
    it does not have, are no part of its instructions."""
    return tuple(f for f in FORMATS[opcode]
                 if f.name not in ("tables", "every_table") or config.array.tables)


def used_bits(config: Config, opcode: Opcode, field: Field) -> tuple[int, ...]:
    """Positions in a field of the bits that may be other than zero, lowest first."""
    if field.name in ("wait", "signal"):
        return tuple(t.value for t in tokens_of(opcode, field.name))
    beat = ceil_log2(config.port.bytes) if (opcode, field.name) == (Opcode.WEIGHTS, "ext_addr") \
        else 0
    return tuple(range(beat, field_bits(config, field)))


def field_error(config: Config, opcode: Opcode, values: dict[str, int]) -> str | None:
    """Name of a field that the hardware of a configuration refuses, or None."""
    for f in (*HEADER, *fields_of(config, opcode)):
        used = sum(1 << k for k in used_bits(config, opcode, f))
        value = values[f.name] & ((1 << f.bits) - 1)
        if (f.nonzero and value == 0) or value & ~used:
            return f.name
    if opcode is Opcode.COMPUTE and values["live_blocks"]:
        return next((name for name in ALONE_LIVE if values[name] != 1),
                    "tables" if config.array.tables and values["tables"] else None)
    return None


def insn_layout(opcode: Opcode, config: Config | None = None) -> data.StructLayout:
    """Layout of one instruction's header and fields, for the gateware.

    With a configuration, as the units get it: without the opcode and the tokens that have been
    waited for, of each field the bits that `used_bits` names, fields without any left out.
    """
    if config is not None:
        return data.StructLayout({
            f.name: (signed if f.signed else unsigned)(bits)
            for f in (*HEADER, *FORMATS[opcode])
            if f.name not in ("opcode", "wait") and (bits := len(used_bits(config, opcode, f)))
        })
    return data.StructLayout({
        f.name: Opcode if f.name == "opcode" else (signed if f.signed else unsigned)(f.bits)
        for f in (*HEADER, *FORMATS[opcode])
    })


def _token_bits(name: str, value) -> int:
    if isinstance(value, int):
        return value
    return sum(1 << Token(t).value for t in set(value))


def encode(opcode: Opcode, *, mark: int = 0, layer: int = 0, wait=(), signal=(),
           **fields: int) -> bytes:
    """Encode one instruction.

    Parameters
    ----------
    opcode : Opcode
    mark, layer : header fields
    wait, signal : iterable of Token, or int
        Tokens consumed before and given after.
    **fields : int
        Every field of the opcode's format, by name; those marked optional may be left out.

    Returns
    -------
    bytes of length `INSN_BYTES`

    Raises
    ------
    ValueError
        If a field is missing, unknown, or its value does not fit.
    """
    spec = FORMATS[opcode]
    unknown = set(fields) - {f.name for f in spec}
    if unknown:
        raise ValueError(f"{opcode.name} has no field {sorted(unknown)[0]!r}")
    values = {"opcode": opcode.value, "mark": mark, "layer": layer,
              "wait": _token_bits("wait", wait), "signal": _token_bits("signal", signal), **fields}
    word = position = 0
    for f in (*HEADER, *spec):
        if f.name not in values and not f.optional:
            raise ValueError(f"{opcode.name} needs field {f.name!r}")
        value = int(values.get(f.name, 0))
        low, high = f.bounds
        if f.nonzero:
            low = max(low, 1)
        if not low <= value <= high:
            raise ValueError(f"{opcode.name}.{f.name} is {value}; it must be from {low} to {high}")
        word |= (value & ((1 << f.bits) - 1)) << position
        position += f.bits
    return word.to_bytes(INSN_BYTES, "little")


def decode(insn: bytes) -> tuple[Opcode, dict[str, int]]:
    """Decode one instruction into its opcode and all of its fields, the header's included.

    Raises
    ------
    ValueError
        If the length or the opcode is wrong.
    """
    if len(insn) != INSN_BYTES:
        raise ValueError(f"an instruction has {INSN_BYTES} bytes, not {len(insn)}")
    word = int.from_bytes(insn, "little")
    number = word & 0xF
    try:
        opcode = Opcode(number)
        spec = FORMATS[opcode]
    except (ValueError, KeyError):
        raise ValueError(f"opcode {number} is not an instruction") from None
    values, position = {}, 0
    for f in (*HEADER, *spec):
        value = (word >> position) & ((1 << f.bits) - 1)
        if f.signed and value >> (f.bits - 1):
            value -= 1 << f.bits
        values[f.name] = value
        position += f.bits
    return opcode, values


assert all(sum(f.bits for f in (*HEADER, *spec)) <= 8 * INSN_BYTES for spec in FORMATS.values())
