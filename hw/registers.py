"""The control register map (AXI4-Lite, 32-bit registers, byte addresses), once."""

from dataclasses import dataclass

from .config import Config, ceil_log2
from .isa import ISA_VERSION, WINDOW_ALIGNMENT

__all__ = [
    "CONTROL_ADDR_BITS",
    "COUNTERS",
    "FINAL_WORDS",
    "GLOBAL",
    "INSTANCE",
    "INSTANCE_BASE",
    "INSTANCE_STRIDE",
    "LOG_WORDS",
    "MAGIC",
    "MAP_VERSION",
    "REFUSED_WIDE",
    "address",
    "kept_bits",
    "reset_value",
]

MAGIC = 0x5041_5254  # "PART"

#: Of this map, and of what its registers do. Hardware that does not tell has 0, without STOP; 1
#: cuts programs and windows to the addresses' width, and its log has no LOG_LOST.
MAP_VERSION = 2

#: Per-instance registers start here, a stride apart.
INSTANCE_BASE = 0x2000
INSTANCE_STRIDE = 0x100
CONTROL_ADDR_BITS = 14  # 0x2000 + 32 * 0x100 = 0x4000


@dataclass(frozen=True)
class Register:
    """One 32-bit register: its offset, `rw`, `ro` or `wo`, and what it means."""

    offset: int
    access: str
    doc: str


GLOBAL: dict[str, Register] = {
    "ID": Register(0x00, "ro", "0x50415254, \"PART\""),
    "VERSIONS": Register(0x04, "ro", "of the instruction format in bits 15:0, of these registers "
                         "in bits 31:16"),
    "CONFIG_HASH": Register(0x08, "ro", "first 32 bits of the configuration's SHA-256"),
    "INSTANCES": Register(0x0C, "ro", "number of instances"),
    "START": Register(0x10, "wo", "one bit per instance: start it; ignored while any runs, "
                      "and in the cycle after"),
    "RUNNING": Register(0x14, "ro", "one bit per instance: started, not yet finished or stopped"),
    "DONE": Register(0x18, "ro", "one bit per instance: reached END since it was started"),
    "ERROR": Register(0x1C, "ro", "one bit per instance: stopped with an error"),
    "WATCHDOG": Register(0x20, "rw", "an instance in which nothing moves for so many cycles stops, "
                         "and so does one that waits for others if nothing moves in any of them; "
                         "at the latest after twice as many, from START or from when this is "
                         "written; 0 never does"),
    "CYCLES": Register(0x24, "ro", "cycles since START until the last instance ended"),
    "ACTIVE": Register(0x28, "rw", "one bit per instance: it takes part; the others are not "
                       "started, and their clock is off; all after reset, ignored while any runs"),
    "STOP": Register(0x2C, "wo", "one bit per instance: stop it, with `STOPPED`, as soon as the "
                     "memory has given what it owes; does nothing to one that does not run"),
    "WRAPPED": Register(0x30, "ro", "1, the last run has taken 2^32 cycles or more: `CYCLES` and "
                        "the counters of the instances have begun anew at 0"),
}

INSTANCE: dict[str, Register] = {
    "PROGRAM": Register(0x00, "rw", "byte offset of the program from the window's base, a multiple "
                        "of 64; with another START leads to `BAD_FIELD`; one wider than addresses "
                        "is kept as all ones, which is another; ignored while any runs"),
    "WINDOW_BASE": Register(0x04, "rw", "first byte address of the memory window; bits 11:0 are "
                            "zero; where the window is not within 2^`address_bits` bytes, START "
                            "leads to `BAD_WINDOW`; one wider than addresses is kept as all ones, "
                            "which is not; ignored while any runs"),
    "WINDOW_BYTES": Register(0x08, "rw", "bytes in the memory window; otherwise as `WINDOW_BASE`"),
    "ERROR_CODE": Register(0x0C, "ro", "an `ErrorCode`"),
    "ERROR_LAYER": Register(0x10, "ro", "layer of the instruction at fault; of `STOPPED`, "
                            "`WATCHDOG` and `TOKEN_UNDERFLOW`, of one that waits or is under "
                            "way; 0 where it is the program that is read"),
    "ERROR_OPCODE": Register(0x14, "ro", "opcode of that instruction; END where it is the program"),
    "TOTAL": Register(0x20, "ro", "cycles since START until the last instance ended; this and "
                      "the counters below are of the last run that has ended, of an instance that "
                      "is not active the last in which it was"),
    "COMPUTE": Register(0x24, "ro", "cycles by cause: see `Cause.COMPUTE`"),
    "WEIGHTS": Register(0x28, "ro", "`Cause.WEIGHTS`"),
    "ACTS": Register(0x2C, "ro", "`Cause.ACTS`"),
    "PORT": Register(0x30, "ro", "`Cause.PORT`"),
    "BARRIER": Register(0x34, "ro", "`Cause.BARRIER`"),
    "DRAIN": Register(0x38, "ro", "`Cause.DRAIN`"),
    "IDLE": Register(0x3C, "ro", "`Cause.IDLE`"),
    "LOG_COUNT": Register(0x40, "ro", "marks logged since START, also those beyond the log; "
                          "modulo 4096; of a run that is over, this, `LOG_DATA` and `LOG_LOST` "
                          "are answered when all is logged"),
    "LOG_SELECT": Register(0x44, "rw", "which word of the log to read: entry * 16 + word"),
    "LOG_DATA": Register(0x48, "ro", "the selected word; valid two cycles after selecting it"),
    "LOG_LOST": Register(0x4C, "ro", "1: marks came faster than they can be logged, and some are "
                         "missing"),
}

#: Counter registers in the order of `Cause`, after TOTAL.
COUNTERS = ("COMPUTE", "WEIGHTS", "ACTS", "PORT", "BARRIER", "DRAIN", "IDLE")

#: Words of a log entry, at LOG_SELECT = entry * 16 + word.
LOG_WORDS = ("LAYER", "TOTAL", *COUNTERS)

#: Where in the log's spare words the counters of a whole run lie.
FINAL_WORDS = {"TOTAL": 16 + len(LOG_WORDS),
               **{name: len(LOG_WORDS) + k for k, name in enumerate(COUNTERS)}}
assert max(FINAL_WORDS[name] for name in COUNTERS) < 16


#: Registers that keep all ones of a value wider than they are: START refuses it.
REFUSED_WIDE = ("PROGRAM", "WINDOW_BASE", "WINDOW_BYTES")


def kept_bits(config: Config, name: str) -> range:
    """Positions of the bits that a register of `rw` keeps; the others read as zero."""
    address, beyond = config.port.address_bits, min(32, config.port.address_bits + 1)
    return {
        "WATCHDOG": range(32), "ACTIVE": range(config.instances), "PROGRAM": range(address),
        "WINDOW_BASE": range(ceil_log2(WINDOW_ALIGNMENT), beyond), "WINDOW_BYTES": range(beyond),
        "LOG_SELECT": range(ceil_log2(16 * config.buffers.log_entries)),
    }[name]


def reset_value(config: Config, name: str) -> int | None:
    """What a register reads after a reset; None of what is in the log, which is undefined until it
    is written."""
    known = {"ID": MAGIC, "VERSIONS": MAP_VERSION << 16 | ISA_VERSION,
             "CONFIG_HASH": int(config.digest[:8], 16), "INSTANCES": config.instances,
             "ACTIVE": (1 << config.instances) - 1, "LOG_DATA": None, **dict.fromkeys(FINAL_WORDS)}
    return known.get(name, 0)


def address(name: str, instance: int | None = None) -> int:
    """Byte address of a global register, or of one of an instance's."""
    if instance is None:
        return GLOBAL[name].offset
    return INSTANCE_BASE + instance * INSTANCE_STRIDE + INSTANCE[name].offset
