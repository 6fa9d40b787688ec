"""What a build is, for programs: configuration, ports, registers, formats; and its sizes."""

from dataclasses import dataclass

from hw import isa, registers
from hw.config import TABLE_ENTRIES, Config, next_pow2
from hw.gateware.micro.machine import FILE_SLOT
from hw.gateware.micro.program import microprogram
from hw.gateware.micro.writer import slots

__all__ = ["BLOCK_RAM", "manifest", "memories"]

MANIFEST_VERSION = 1

#: Name, and (width in bits, depth) shapes of the block RAM that sizes are told in.
BLOCK_RAM = "DP16KD (18 kbit, Lattice ECP5)"
_SHAPES = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))


@dataclass(frozen=True)
class Memory:
    """A memory of the design: `name`, `count` copies in an instance, `width` bits, `depth`;
    `block` if it is in block RAM however small it is."""

    name: str
    count: int
    width: int
    depth: int
    block: bool = False

    @property
    def bytes(self) -> int:
        return self.count * self.width * self.depth // 8

    @property
    def block_rams(self) -> int:
        """Blocks for all copies, each in the best single shape; small ones are left to LUTs."""
        if self.depth <= 32 and not self.block:
            return 0
        return self.count * min(-(-self.width // w) * -(-self.depth // d) for w, d in _SHAPES)


def memories(config: Config) -> list[Memory]:
    """The memories of one instance."""
    buffers = config.buffers
    if config.core == "microcoded":
        return [
            Memory("activations", 1, config.word_bits, buffers.act_words),
            Memory("accumulators", 1, 32 * config.array.cols, 2 * buffers.acc_depth),
            Memory("register file", 1, 32, FILE_SLOT * slots(config)),
            Memory("microprogram", 1, 16, len(microprogram(config).words())),
            Memory("log", 1, 32, 16 * buffers.log_entries),
        ]
    return [
        Memory("activations", 2, config.word_bits, config.bank_words),
        Memory("accumulators", 2 * config.array.cols, 32, buffers.acc_depth),
        Memory("weight FIFO", 1, config.beat_bits, buffers.weight_fifo_beats),
        Memory("program FIFO", 1, config.beat_bits, isa.READ_AHEAD_BYTES // config.port.bytes),
        Memory("load FIFO", 1, config.beat_bits, config.load_fifo_beats),
        Memory("store FIFO", 1, config.beat_bits + config.port.bytes, 2 * config.port.burst_beats,
               block=True),
        Memory("log", 1, 32, 16 * buffers.log_entries),
        *([_tables(config)] if config.array.tables else []),
    ]


def _tables(config: Config) -> Memory:
    array, entries = config.array, max(1, config.chunk_bytes // config.table_pitch)
    tables = 2 * next_pow2(array.cols // array.post_lanes)
    return Memory("tables", array.post_lanes, 8 * entries, tables * TABLE_ENTRIES // entries)


def manifest(config: Config, files: dict[str, str], ports: dict[str, int]) -> dict:
    """Return the JSON value that goes with a build.

    Parameters
    ----------
    config : Config
    files : module -> file name
    ports : top-level port -> bits
    """
    per_instance = memories(config)
    return {
        "manifest": "partita.build", "version": MANIFEST_VERSION,
        "config": config.to_dict(), "config_digest": config.digest,
        "isa_version": isa.ISA_VERSION, "register_map_version": registers.MAP_VERSION,
        "insn_bytes": isa.INSN_BYTES,
        "top": "partita", "files": files, "ports": ports,
        "macs_per_cycle": config.instances * config.array.macs,
        "memory_ports": config.ports, "port_bytes": config.port.bytes,
        "memories": [{"name": x.name, "per_instance": x.count, "width_bits": x.width,
                      "depth": x.depth, "bytes": x.bytes, "block_rams": x.block_rams}
                     for x in per_instance],
        "memory_bytes": config.instances * sum(x.bytes for x in per_instance),
        "block_rams": config.instances * sum(x.block_rams for x in per_instance),
        "registers": {
            "global": {n: {"address": r.offset, "access": r.access, "doc": r.doc}
                       for n, r in registers.GLOBAL.items()},
            "instance_base": registers.INSTANCE_BASE,
            "instance_stride": registers.INSTANCE_STRIDE,
            "instance": {n: {"offset": r.offset, "access": r.access, "doc": r.doc}
                         for n, r in registers.INSTANCE.items()},
        },
        "memory_map": {
            "word_pitch_bytes": config.word_pitch_bytes, "chunk_bytes": config.chunk_bytes,
            "tile_chunks": config.tile_chunks, "param_chunks": config.param_chunks,
            "window_alignment_bytes": isa.WINDOW_ALIGNMENT,
            "program_alignment_bytes": isa.PROGRAM_ALIGNMENT,
        },
    }
