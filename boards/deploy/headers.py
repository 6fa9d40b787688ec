"""C headers from the tables that gateware, compiler and link have: registers, a network, frames."""

import struct
from collections.abc import Iterable, Mapping
from enum import Enum

from boards.catalogue import Board
from boards.gateware.system import identity
from boards.protocol import (
    ANSWER,
    ANSWER_S,
    BUILD_BYTES,
    CRC_BYTES,
    CRC_POLYNOMIAL,
    ESCAPE,
    ESCAPE_XOR,
    FLAG,
    HEADER,
    IDENTITY_BYTES,
    MAX_DATA,
    MOST_WAIT_S,
    TRIES,
    Op,
    Status,
)
from hw import registers
from hw.config import Config
from hw.isa import ISA_VERSION, WINDOW_ALIGNMENT, Cause, ErrorCode, Opcode
from hw.support.docstrings import member_docs
from sw.compiler import Program
from sw.driver.driver import STOP_CYCLES, WATCHDOG_CYCLES
from sw.lowering.taps import Taps

from .image import MemoryImage

__all__ = ["NOWHERE", "c_string", "link_header", "network_header", "registers_header"]

#: Of what is kept nowhere, or starts nowhere; partita.h says so, too.
NOWHERE = "PARTITA_NOWHERE"
#: Characters of a name that a message may have, and of a literal that C99 has to take.
_NAME, _LITERAL = 60, 4000


def c_string(text: str, most: int = _LITERAL) -> str:
    """A text as a literal of C, whatever is in it."""
    kept = text if len(text) <= most else text[:most - 3] + "..."
    plain = "".join(chr(b) if 32 <= b < 127 and chr(b) not in "\\\"?" else f"\\{b:03o}"
                    for b in kept.encode("utf-8", "replace"))
    return f'"{plain}"'


def _hexadecimal(value: int) -> str:
    return f"0x{value:x}u"


def _number(value: int | None) -> str:
    return NOWHERE if value is None else f"{value}u"


def _header(name: str, what: str, lines: Iterable[str], include: str = "") -> str:
    guard = f"PARTITA_{name}_H"
    parts = [f"/* {what} Written by `python -m boards export`. */", f"#ifndef {guard}",
             f"#define {guard}", "", *([f'#include "{include}"', ""] if include else []), *lines,
             "", "#endif"]
    return "\n".join(parts) + "\n"


def _defined(values: Mapping[str, str], prefix: str = "PARTITA_") -> list[str]:
    return [f"#define {prefix}{name} {value}" for name, value in values.items()]


def _words(name: str, kind: type[Enum]) -> list[str]:
    """The members of an enumeration, which are numbered from 0 on, with the first sentence of what
    is said of each, as what begins an array of arrays of two strings."""
    docs, members = member_docs(kind), sorted(kind, key=lambda x: x.value)
    assert [x.value for x in members] == list(range(len(members)))
    rows = [f"{{{c_string(x.name)}, "
            f"{c_string(docs[x.name].replace('`', '').partition('. ')[0].rstrip('.'))}}}"
            for x in members]
    return [f"#define PARTITA_{name}_WORDS \\", ", \\\n".join(f"    {row}" for row in rows)]


def registers_header() -> str:
    """partita_registers.h: the register map, versions, causes and errors, as the hardware has
    them."""
    versions = registers.MAP_VERSION << 16 | ISA_VERSION
    lines = _defined({
        "MAGIC": _hexadecimal(registers.MAGIC), "ISA_VERSION": f"{ISA_VERSION}u",
        "MAP_VERSION": f"{registers.MAP_VERSION}u",
        "VERSIONS": f"{_hexadecimal(versions)} /* what the register reads */",
        "WINDOW_ALIGNMENT": f"{WINDOW_ALIGNMENT}u",
        "WATCHDOG_CYCLES": f"{WATCHDOG_CYCLES}u", "STOP_CYCLES": f"{STOP_CYCLES}u",
        "CRC_POLYNOMIAL": _hexadecimal(CRC_POLYNOMIAL)})
    lines += ["", "/* Byte addresses of registers of 32 bits: of all instances, and of one. */"]
    lines += [_register(f"PARTITA_REG_{name}", _hexadecimal(register.offset), register)
              for name, register in registers.GLOBAL.items()]
    lines.append(f"#define PARTITA_INSTANCE(i) ({_hexadecimal(registers.INSTANCE_BASE)} + "
                 f"{_hexadecimal(registers.INSTANCE_STRIDE)} * (uint32_t)(i))")
    lines += [_register(f"PARTITA_REG_{name}(i)",
                        f"(PARTITA_INSTANCE(i) + {_hexadecimal(register.offset)})", register)
              for name, register in registers.INSTANCE.items()]
    offsets = ", ".join(_hexadecimal(registers.INSTANCE[name].offset)
                        for name in registers.COUNTERS)
    lines += ["", "/* By number: causes of cycles and their registers, errors, opcodes. */",
              f"#define PARTITA_CAUSE_COUNT {len(registers.COUNTERS)}u",
              f"#define PARTITA_CAUSE_REGISTERS {offsets}"]
    for name, kind in (("CAUSE", Cause), ("ERROR", ErrorCode), ("OPCODE", Opcode)):
        lines += _words(name, kind)
    return _header("REGISTERS", "Registers of the accelerator, and what they mean.", lines)


def _register(name: str, value: str, register: registers.Register) -> str:
    return f"#define {name} {value} /* {register.access}: {register.doc.replace('*/', '* /')} */"


def network_header(program: Program, image: MemoryImage, board: Board, scales: tuple[float, float],
                   ) -> str:
    """partita_network.h: where a network's image, input and outputs lie, their shapes and
    scales."""
    config, (last, place) = program.config, (len(program.layers) - 1, program.outputs[-1])
    assert place is not None
    lines = ["/* A tensor is int8 [channels][rows][columns]; its real values are those times its "
             "scale,", " * and an input's are floor(real / scale + 0.5), from -128 to 127. */"]
    for name, shape, scale in (("INPUT", program.in_shape, scales[0]),
                               ("OUTPUT", place.shape, scales[1])):
        channels, rows, columns = shape
        lines += _defined({f"{name}_CHANNELS": f"{channels}u", f"{name}_ROWS": f"{rows}u",
                           f"{name}_COLUMNS": f"{columns}u",
                           f"{name}_BYTES": f"{channels * rows * columns}u",
                           f"{name}_SCALE": repr(float(scale))})
    lines += _defined({
        "NETWORK_NAME": c_string(program.name), "BOARD_NAME": c_string(board.name),
        "CONFIG_DIGEST": c_string(config.digest),
        "CONFIG_HASH": _hexadecimal(int(config.digest[:8], 16)),
        "INSTANCES": f"{config.instances}u", "WINDOW_BASE": "0u",
        "WINDOW_BYTES": f"{program.window_bytes}u", "IMAGE_OFFSET": f"{image.offset}u",
        "IMAGE_BYTES": f"{len(image.data)}u", "IMAGE_CRC32": _hexadecimal(image.crc32),
        "LAYERS": f"{last + 1}u"})
    lines += ["", "static const uint32_t partita_programs[] = {"
              + ", ".join(_number(at) for at in program.programs) + "};",
              "static const struct partita_layer partita_layers[] = {",
              *(f"    {{{_layer(program, k)}}}," for k in range(last + 1)), "};",
              "static const struct partita_network partita_network = {",
              *(f"    .{name} = {value}," for name, value in _network(program).items()), "};"]
    return _header("NETWORK", "A compiled network.", lines, "partita.h")


def _layer(program: Program, layer: int) -> str:
    place, name = program.outputs[layer], c_string(program.layers[layer].name, _NAME)
    if place is None or not program.stays(layer):
        return f"{name}, {NOWHERE}, 0, 0, 0"
    return ", ".join([name, *(f"{x}u" for x in (place.offset, *place.shape))])


def _network(program: Program) -> dict[str, str]:
    """The members of a `struct partita_network`, in their order, which C++ insists on."""
    config, (_, rows, columns) = program.config, program.input.shape
    taps = program.taps or Taps((1, 1), (0, 0), (1, 1), (rows, columns))
    members: dict[str, int | str] = {
        "name": c_string(program.name, _NAME), "isa_version": ISA_VERSION,
        "map_version": registers.MAP_VERSION, "config_hash": "PARTITA_CONFIG_HASH",
        "instances": "PARTITA_INSTANCES", "address_bits": config.port.address_bits,
        "window_bytes": "PARTITA_WINDOW_BYTES", "image_offset": "PARTITA_IMAGE_OFFSET",
        "image_bytes": "PARTITA_IMAGE_BYTES", "image_crc32": "PARTITA_IMAGE_CRC32",
        "start_mask": program.start_mask, "programs": "partita_programs",
        "word_channels": config.array.rows, "word_bytes": config.word_pitch_bytes,
        "channels": "PARTITA_INPUT_CHANNELS", "rows": "PARTITA_INPUT_ROWS",
        "columns": "PARTITA_INPUT_COLUMNS",
        "kernel_rows": taps.kernel[0], "kernel_columns": taps.kernel[1],
        "top": taps.padding[0], "left": taps.padding[1], "stride_rows": taps.stride[0],
        "stride_columns": taps.stride[1],
        "dilation_rows": taps.dilation[0], "dilation_columns": taps.dilation[1],
        "input_offset": program.input.offset, "input_rows": rows, "input_columns": columns,
        "pad_value": str(taps.pad_value), "layer_count": "PARTITA_LAYERS",
        "layers": "partita_layers"}
    return {name: _number(x) if isinstance(x, int) else x for name, x in members.items()}


def link_header(board: Board, config: Config) -> str:
    """partita_link.h: the frames of a board's serial link, and what its board answers first."""
    starts = {name: struct.calcsize(HEADER.format[:k + 1]) for k, name in enumerate(
        ("AT_OP", "AT_SEQUENCE", "AT_LENGTH", "AT_ADDRESS", "HEADER_BYTES"))}
    assert starts["HEADER_BYTES"] == HEADER.size
    lines = _defined({
        "BAUD": f"{board.baud}", "FLAG": hex(FLAG), "ESCAPE": hex(ESCAPE),
        "ESCAPE_XOR": hex(ESCAPE_XOR), "ANSWER": hex(ANSWER),
        **{name: str(at) for name, at in starts.items()}, "CRC_BYTES": str(CRC_BYTES),
        "MAX_DATA": str(MAX_DATA), "TRIES": str(TRIES), "ANSWER_MS": f"{ANSWER_S * 1000:.0f}",
        "MOST_WAIT_MS": f"{MOST_WAIT_S * 1000:.0f}",
        "IDENTITY_BYTES": str(IDENTITY_BYTES), "IDENTITY": ", ".join(
            f"0x{byte:02x}" for byte in identity(config)[:-BUILD_BYTES])}, "LINK_")
    for prefix, kind in (("LINK_", Op), ("LINK_STATUS_", Status)):
        docs = member_docs(kind)
        lines += [f"#define {prefix}{x.name} {x.value}" + (f" /* {docs[x.name]} */"
                                                           if docs[x.name] else "") for x in kind]
    status = ", ".join(c_string(member_docs(Status)[x.name].replace("`", "")) for x in Status)
    return _header("LINK", "Frames of the serial link.",
                   [*lines, f"#define LINK_STATUS_WORDS {status}"])
