"""The one description of an accelerator: what a user chooses, and every width derived from it."""

import dataclasses
import hashlib
import json
import math
import reprlib
from dataclasses import dataclass, field
from functools import cached_property

__all__ = ["CORES", "PRESETS", "TABLE_ENTRIES", "ArrayConfig", "BufferConfig", "Config",
           "PortConfig", "ceil_log2"]

CONFIG_VERSION = 1
#: What an instance can be.
CORES = ("pipelined", "microcoded")
#: Entries of a channel's table: one for each int8.
TABLE_ENTRIES = 256
#: What the field `live_blocks` of COMPUTE holds.
_MOST_LIVE_BLOCKS = 255


def ceil_log2(n: int) -> int:
    """Bits needed to tell `n` values apart; 0 for one value."""
    return (n - 1).bit_length()


def next_pow2(n: int) -> int:
    """Smallest power of two that is at least `n`."""
    return 1 << ceil_log2(n)


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}; it must be an integer from {low} to {high}")


def _check_pow2(name: str, value: int, low: int, high: int) -> None:
    _check_range(name, value, low, high)
    if value & (value - 1):
        raise ValueError(f"{name} is {value}; it must be a power of two from {low} to {high}")


@dataclass(frozen=True, kw_only=True)
class ArrayConfig:
    """Shape of one instance's MAC array.

    Parameters
    ----------
    rows : int, 1 to 32
        Input channels multiplied per cycle.
    cols : int, 1 to 32
        Output channels accumulated per cycle.
    post_lanes : int
        Output channels requantised per cycle; divides both `rows` and `cols`.
        0 takes the largest such number, which is the fastest; 1 takes the least area.
    zero_skip : bool
        Fully connected layers fetch and multiply only the weights of inputs that are not zero;
        convolutions multiply no input block that is zero everywhere, after the first output block.
    tables : bool
        Outputs can go through a table of 256 entries for each channel: leaky ReLU, PReLU, sigmoid,
        hard swish, any function of one value.
    """

    rows: int = 8
    cols: int = 8
    post_lanes: int = 0
    zero_skip: bool = False
    tables: bool = False

    def __post_init__(self) -> None:
        _check_range("array.rows", self.rows, 1, 32)
        _check_range("array.cols", self.cols, 1, 32)
        common = math.gcd(self.rows, self.cols)
        if self.post_lanes == 0:
            object.__setattr__(self, "post_lanes", common)
        _check_range("array.post_lanes", self.post_lanes, 1, 32)
        if common % self.post_lanes:
            raise ValueError(
                f"array.post_lanes is {self.post_lanes}; it must divide both "
                f"array.rows ({self.rows}) and array.cols ({self.cols})"
            )
        for name in ("zero_skip", "tables"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"array.{name} is {getattr(self, name)!r}; it must be true or "
                                 "false")

    def __str__(self) -> str:
        """Rows x columns."""
        return f"{self.rows}x{self.cols}"

    @property
    def macs(self) -> int:
        """Multiply-accumulates per cycle."""
        return self.rows * self.cols

    @property
    def psum_bits(self) -> int:
        """Bits of one column's sum: `rows` products of 16 bits, 16 + ceil(log2(rows))."""
        return 16 + ceil_log2(self.rows)


@dataclass(frozen=True, kw_only=True)
class BufferConfig:
    """On-chip memories of one instance.

    Parameters
    ----------
    act_words : int, power of two, 64 to 1048576
        Activation memory in words of `rows` bytes, in two banks of half each.
    acc_depth : int, power of two, 16 to 1024
        Pixels that one accumulator bank holds; there are two banks of `cols` int32 each.
    weight_fifo_beats : int, power of two, 16 to 4096
        Weights fetched ahead, in beats of the memory port.
    queue_depth : int, 1 to 64
        Instructions waiting in front of each unit.
    log_entries : int, power of two, 4 to 1024
        Layers whose counters are kept for the host to read after a run.
    """

    act_words: int = 16384
    acc_depth: int = 512
    weight_fifo_beats: int = 128
    queue_depth: int = 8
    log_entries: int = 64

    def __post_init__(self) -> None:
        _check_pow2("buffers.act_words", self.act_words, 64, 1 << 20)
        _check_pow2("buffers.acc_depth", self.acc_depth, 16, 1024)
        _check_pow2("buffers.weight_fifo_beats", self.weight_fifo_beats, 16, 4096)
        _check_range("buffers.queue_depth", self.queue_depth, 1, 64)
        _check_pow2("buffers.log_entries", self.log_entries, 4, 1024)


@dataclass(frozen=True, kw_only=True)
class PortConfig:
    """The external memory ports.

    Parameters
    ----------
    memory : "shared" or "private"
        One AXI4 port for all instances, or one for each.
    bytes : int, power of two, 4 to 64
        Bytes per beat of one port.
    burst_beats : int, power of two, 2 to 64
        Longest AXI burst; a burst also never crosses a 4096-byte boundary.
    address_bits : int, 16 to 32
        External memory that can be addressed, 2^address_bits bytes.
    """

    memory: str = "shared"
    bytes: int = 16
    burst_beats: int = 16
    address_bits: int = 32

    def __post_init__(self) -> None:
        _check_range("port.address_bits", self.address_bits, 16, 32)
        if self.memory not in ("shared", "private"):
            raise ValueError(f"port.memory is {self.memory!r}; it must be 'shared' or 'private'")
        _check_pow2("port.bytes", self.bytes, 4, 64)
        _check_pow2("port.burst_beats", self.burst_beats, 2, 64)
        if self.bytes * self.burst_beats > 4096:
            raise ValueError(
                f"port.burst_beats is {self.burst_beats}; with port.bytes {self.bytes} "
                "a burst must not be longer than 4096 bytes"
            )


@dataclass(frozen=True, kw_only=True)
class Config:
    """One accelerator: N identical instances behind shared or private memory ports.

    Parameters
    ----------
    instances : int, 1 to 32
        Identical instances behind the memory ports.
    array, buffers, port : the nested groups
    core : "pipelined" or "microcoded"
        What an instance is; a microcoded one is for the smallest devices, by itself, and does one
        thing at a time.

    Raises
    ------
    ValueError
        Naming the field, its value and the rule it breaks.
    """

    instances: int = 8
    array: ArrayConfig = field(default_factory=ArrayConfig)
    buffers: BufferConfig = field(default_factory=BufferConfig)
    port: PortConfig = field(default_factory=PortConfig)
    core: str = "pipelined"

    def __post_init__(self) -> None:
        _check_range("instances", self.instances, 1, 32)
        if self.core not in CORES:
            raise ValueError(f"core is {self.core!r}; it must be "
                             + " or ".join(repr(c) for c in CORES))
        if self.core == "microcoded":
            self._check_microcoded()
        if self.buffers.weight_fifo_beats < 2 * self.port.burst_beats:
            raise ValueError(
                f"buffers.weight_fifo_beats is {self.buffers.weight_fifo_beats}; it must be at "
                f"least twice port.burst_beats ({self.port.burst_beats})"
            )
        if self.array.zero_skip and self.array.rows != self.array.cols:
            raise ValueError(f"array.zero_skip needs a square array, not {self.array}: make "
                             "array.rows and array.cols equal")
        if self.array.zero_skip and self.port.bytes % self.array.cols:
            raise ValueError(
                f"port.bytes is {self.port.bytes}; with array.zero_skip it must be a multiple of "
                f"array.cols ({self.array.cols})")
        if self.array.zero_skip and self.buffers.weight_fifo_beats < self.array.rows:
            raise ValueError(
                f"buffers.weight_fifo_beats is {self.buffers.weight_fifo_beats}; with "
                f"array.zero_skip it must be at least array.rows ({self.array.rows})")

    def _check_microcoded(self) -> None:
        """What the microcoded core asks of the rest."""
        array, buffers, port = self.array, self.buffers, self.port
        few = (1, 2, 4)
        broken = [(name, value, what) for name, value, goes, what in (
            ("instances", self.instances, self.instances == 1, "1"),
            ("port.bytes", port.bytes, port.bytes == 4, "4"),
            ("array.rows", array.rows, array.rows in few,
             "1 or 2 or 4" + ", as array.cols" * (array.cols not in few)),
            ("array.cols", array.cols, array.cols in few or array.rows not in few, "1 or 2 or 4"),
            ("array.zero_skip", array.zero_skip, not array.zero_skip, "False"),
            ("array.tables", array.tables, not array.tables, "False"),
            ("buffers.queue_depth", buffers.queue_depth, buffers.queue_depth <= 4, "at most 4"),
            ("buffers.log_entries", buffers.log_entries, buffers.log_entries <= 32, "at most 32"),
            ("port.address_bits", port.address_bits, port.address_bits <= 25, "at most 25"),
        ) if not goes]
        if broken:
            (name, value, what), *others = broken
            more = "".join(f", {n} ({v}) {w}" for n, v, w in others)
            raise ValueError(f"{name} is {value}; with core 'microcoded' it must be {what}{more}"
                             + "; as it is, the preset ice40up5k goes" * bool(others))
        if array.macs < port.bytes:
            raise ValueError(f"the array has {array.macs} MACs; with core 'microcoded' it must be "
                             f"{port.bytes} or more: raise array.rows or array.cols")

    # -- ports ---------------------------------------------------------------------------
    @property
    def ports(self) -> int:
        """Number of AXI4 memory ports."""
        return self.instances if self.port.memory == "private" else 1

    @property
    def beat_bits(self) -> int:
        return 8 * self.port.bytes

    @property
    def offset_bits(self) -> int:
        """Bits of a byte offset from a window's base: one more than addresses have, so that an
        access beyond all memory is seen."""
        return self.port.address_bits + 1

    @property
    def load_fifo_beats(self) -> int:
        """Beats of activations that the load unit can have asked for."""
        return max(64, 2 * self.port.burst_beats)

    @property
    def shape(self) -> str:
        """As people say it: instances x rows x columns."""
        return f"{self.instances} x {self.array}"

    # -- activation words ----------------------------------------------------------------
    @property
    def word_bits(self) -> int:
        """Bits of one activation word: `rows` channels of one pixel."""
        return 8 * self.array.rows

    @cached_property
    def word_pitch_bytes(self) -> int:
        """Bytes from one activation word to the next in external memory."""
        return next_pow2(self.array.rows)

    @property
    def bank_words(self) -> int:
        """Words in one of the two activation memory banks."""
        return self.buffers.act_words // 2

    @property
    def act_addr_bits(self) -> int:
        """Bits of activation address arithmetic, which is modulo four times `act_words`, so
        that an access beyond the memory is seen."""
        return ceil_log2(self.buffers.act_words) + 2

    # -- the weight stream ---------------------------------------------------------------
    @cached_property
    def chunk_bytes(self) -> int:
        """Unit of the weight stream, never wider than a beat."""
        return min(self.port.bytes, next_pow2(self.array.macs))

    @cached_property
    def tile_chunks(self) -> int:
        """Chunks of one `rows x cols` weight tile."""
        return -(-self.array.macs // self.chunk_bytes)

    @cached_property
    def param_chunks(self) -> int:
        """Chunks of one output block's requantisation parameters (8 bytes a channel)."""
        return -(-8 * self.array.cols // self.chunk_bytes)

    @property
    def table_pitch(self) -> int:
        """Bytes of the weight stream from a table's entries for all lanes to the next ones."""
        return next_pow2(self.array.post_lanes)

    @property
    def table_chunks(self) -> int:
        """Chunks of one output block's tables, one for each channel; 0 where there are none."""
        columns = self.array.cols // self.array.post_lanes
        return columns * TABLE_ENTRIES * self.table_pitch // self.chunk_bytes \
            if self.array.tables else 0

    @property
    def beat_chunks(self) -> int:
        """Chunks in one beat of the port."""
        return self.port.bytes // self.chunk_bytes

    # -- zero skipping -------------------------------------------------------------------
    @property
    def row_beats(self) -> int:
        """Beats of weights that a live input brings at most, a power of two: one burst, and no
        more than lets those of a group of `rows` inputs wait for its last. 1 where zeros are not
        skipped."""
        if not self.array.zero_skip:
            return 1
        most = min(8, self.port.burst_beats, self.buffers.weight_fifo_beats // self.array.rows)
        return 1 << (most.bit_length() - 1)

    @property
    def live_blocks(self) -> int:
        """Output blocks for which live inputs are fetched at a time, at most: no more than an
        instruction holds. 1 where zeros are not skipped."""
        if not self.array.zero_skip:
            return 1
        return min(self.row_beats * self.port.bytes // self.array.cols, self.buffers.acc_depth,
                   _MOST_LIVE_BLOCKS)

    @cached_property
    def unit_channels(self) -> int:
        """Smallest number of output channels that fills both whole words and whole columns."""
        return math.lcm(self.array.rows, self.array.cols)

    # -- identity ------------------------------------------------------------------------
    def to_dict(self) -> dict:
        """Nested plain values, with the format version. An option that is off and that not all
        versions have is left out: the same hardware has the same digest."""
        found = {"version": CONFIG_VERSION, **dataclasses.asdict(self)}
        if not self.array.tables:
            del found["array"]["tables"]
        return found

    @classmethod
    def from_dict(cls, data: dict) -> "Config":
        """Inverse of `to_dict`; raises ValueError on a foreign version or an unknown field."""
        groups = {"array": ArrayConfig, "buffers": BufferConfig, "port": PortConfig}
        for name, value in (("config", data), *((k, data.get(k, {})) for k in groups
                                                if isinstance(data, dict))):
            if not isinstance(value, dict):
                raise ValueError(f"{name} is {reprlib.repr(value)}; it must be an object of fields")
        data = dict(data)
        version = data.pop("version", CONFIG_VERSION)
        if version != CONFIG_VERSION:
            raise ValueError(f"config version is {reprlib.repr(version)}; this program reads "
                             f"{CONFIG_VERSION}")
        try:
            nested = {k: c(**data.pop(k)) for k, c in groups.items() if k in data}
            return cls(**nested, **data)
        except TypeError as error:
            raise ValueError(f"config has a field this program does not know: {error}") from None

    @property
    def digest(self) -> str:
        """SHA-256 of the configuration, hexadecimal; its first 32 bits are in a register."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def replace(self, **changes) -> "Config":
        """Copy with fields changed; nested ones as `array__rows=4`."""
        top: dict = {}
        nested: dict[str, dict] = {}
        for key, value in changes.items():
            group, _, name = key.partition("__")
            if name:
                nested.setdefault(group, {})[name] = value
            else:
                top[key] = value
        for group, fields in nested.items():
            top[group] = dataclasses.replace(top.get(group, getattr(self, group)), **fields)
        return dataclasses.replace(self, **top)


def _array(rows: int, cols: int, post_lanes: int = 0) -> ArrayConfig:
    return ArrayConfig(rows=rows, cols=cols, post_lanes=post_lanes)


#: Named starting points; every field can still be overridden.
PRESETS: dict[str, Config] = {
    # What the published comparison is measured on.
    "default": Config(),
    # 8 instances of 4x4 on an ECP5-85k: one DSP block per MAC, and two for requantisation. The
    # five queues of three instructions fill the 16 words of its small memories.
    "ecp5-85k": Config(
        array=_array(4, 4, post_lanes=1),
        buffers=BufferConfig(act_words=4096, acc_depth=128, weight_fifo_beats=64,
                             queue_depth=3, log_entries=32),
        port=PortConfig(bytes=8, burst_beats=16, address_bits=25),
    ),
    # The iCEBreaker's: every multiplier of an iCE40UP5K is one of its MACs.
    "ice40up5k": Config(
        instances=1, core="microcoded", array=_array(4, 2, post_lanes=1),
        buffers=BufferConfig(act_words=512, acc_depth=64, weight_fifo_beats=16, queue_depth=1,
                             log_entries=8),
        port=PortConfig(bytes=4, burst_beats=8, address_bits=17),
    ),
    # Small enough for tests that simulate every cycle in Python; digits fits.
    "tiny": Config(
        instances=2,
        array=_array(4, 4),
        buffers=BufferConfig(act_words=4096, acc_depth=64, weight_fifo_beats=32,
                             queue_depth=4, log_entries=16),
        port=PortConfig(bytes=8, burst_beats=8, address_bits=25),
    ),
}
