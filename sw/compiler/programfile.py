"""Programs in files: an npz of a JSON header and the memory segments, uint8 arrays as they are.

Others' files are read without trust: sizes are checked against the file's before anything is
allocated, and every offset and shape against the memory window.
"""

import io
import json
import os
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from hw.isa import ISA_VERSION
from hw.support.files import save_file
from hw.support.reading import Field, parse_json, read_config
from sw.graph.records import RECORD
from sw.lowering.layout import TensorPlace
from sw.lowering.taps import Taps

from .records import StoredRecords

__all__ = ["ProgramError", "read_program", "write_program"]

PROGRAM_VERSION = 6
_WHAT = "a compiled network"
#: What numpy writes before the bytes of a uint8[n].
_ARRAY = re.compile(rb"\x93NUMPY\x01\x00..\{'descr': '\|u1', 'fortran_order': False, "
                    rb"'shape': \((\d{1,18}),\), \} *\n", re.DOTALL)
_MOST_SIDE, _MOST_KERNEL, _MOST_IMAGES, _MOST_INPUT = 1 << 16, 1 << 8, 1 << 16, 1 << 31
_MOST_COUNT = 1 << 62
#: Fields that JSON holds as they are.
_PLAIN = ("name", "window_bytes", "programs", "start_mask", "in_shape", "batch", "partitioned",
          "overwritten", "tensor_bytes")


class ProgramError(ValueError):
    """A file that is not a program that this version can load."""


def write_program(program: Mapping[str, Any], path: Path) -> None:
    """Write the fields of a program into a file."""
    config = program["config"]
    header = {
        "program_version": PROGRAM_VERSION, "isa_version": ISA_VERSION,
        "config_digest": config.digest, "config": config.to_dict(),
        "offsets": [offset for offset, _ in program["segments"]],
        "input": asdict(program["input"]),
        "outputs": [None if o is None else asdict(o) for o in program["outputs"]],
        "layers": [asdict(info) for info in program["layers"]],
        "taps": None if program["taps"] is None else asdict(program["taps"]),
        "records": [asdict(records) for records in program["records"]],
        **{name: program[name] for name in _PLAIN},
    }
    arrays = {f"segment_{k}": np.ascontiguousarray(data, np.uint8).reshape(-1)
              for k, (_, data) in enumerate(program["segments"])}
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, header=text, **arrays)
    save_file(path, packed.getvalue())


def read_program(path: Path, layer_info: type) -> dict[str, Any]:
    """Read the fields of a program from a file; those of its layers are of class `layer_info`.

    Raises
    ------
    ProgramError
        Naming the file, the field, its value and the rule.
    """
    with path.open("rb") as file:
        arrays = _read_arrays(file, path)
    if "header" not in arrays:
        raise ProgramError(f"{path}: not {_WHAT}: it has no header")
    header = parse_json(arrays["header"].tobytes(), path, _WHAT, ProgramError)
    for key, mine in (("program_version", PROGRAM_VERSION), ("isa_version", ISA_VERSION)):
        if header[key].value != mine:
            raise ProgramError(f"{path}: {key} is {header[key].value!r:.40}; this program reads "
                               f"{mine}")
    config = read_config(header["config"])
    if config.digest != header["config_digest"].value:
        raise ProgramError(f"{path}: the configuration does not match its digest")
    window = header["window_bytes"].integer(1, 1 << config.port.address_bits)
    batch = header["batch"].integer(1, _MOST_IMAGES)
    layers = [_layer(info, layer_info) for info in header["layers"].items()]
    outputs = header["outputs"].items(len(layers))

    def place(field: Field) -> TensorPlace:
        return _place(field, batch, window, config.array.rows, config.word_pitch_bytes)

    found = {
        "config": config, "name": header["name"].text(), "window_bytes": window, "batch": batch,
        "layers": tuple(layers), "segments": _segments(header["offsets"], arrays, window),
        "programs": tuple(_optional(p, lambda f: f.integer(0, window - 1))
                          for p in header["programs"].items(config.instances)),
        "start_mask": header["start_mask"].integer(0, (1 << config.instances) - 1),
        "input": place(header["input"]), "outputs": tuple(_optional(o, place) for o in outputs),
        "taps": _optional(header["taps"], _taps), "in_shape": _shape(header["in_shape"]),
        "partitioned": header["partitioned"].integers(0, len(layers) - 1),
        "overwritten": header["overwritten"].integers(0, len(layers) - 1),
        "tensor_bytes": header["tensor_bytes"].integer(0, window),
        "records": _records(header, outputs, window, RECORD * config.array.cols)}
    _check_input(header, found)
    return found


def _read_arrays(file: BinaryIO, path: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz file; a member is never longer than the file."""
    arrays: dict[str, np.ndarray] = {}
    left = os.fstat(file.fileno()).st_size
    try:
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                left -= info.file_size
                if info.compress_type != zipfile.ZIP_STORED or left < 0 \
                        or info.compress_size != info.file_size:
                    raise ProgramError(f"{path}: {info.filename!r:.60} says that it has "
                                       f"{info.file_size} bytes; the file has fewer, or it is "
                                       "compressed")
                raw = archive.read(info)
                head = _ARRAY.match(raw)
                if head is None or int(head[1]) != len(raw) - head.end():
                    raise ProgramError(f"{path}: {info.filename!r:.60} is no array of bytes")
                arrays[info.filename.removesuffix(".npy")] = np.frombuffer(
                    raw, np.uint8, offset=head.end())
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, ValueError) as error:
        if isinstance(error, ProgramError):
            raise
        raise ProgramError(f"{path}: not {_WHAT}: {error}") from None
    return arrays


def _segments(offsets: Field, arrays: dict[str, np.ndarray], window: int
              ) -> tuple[tuple[int, np.ndarray], ...]:
    segments = []
    for k, field in enumerate(offsets.items()):
        if (data := arrays.get(f"segment_{k}")) is None:
            raise ProgramError(f"{field.file}: segment_{k} is missing")
        segments.append((field.integer(0, window - len(data)), data))
    return tuple(segments)


def _optional(field: Field, read: Callable[[Field], Any]) -> Any:
    return None if field.value is None else read(field)


def _layer(field: Field, kind: type) -> Any:
    readers: dict[Any, Callable[[Field], Any]] = {
        str: Field.text, bool: Field.flag, int: lambda f: f.integer(0, _MOST_COUNT)}
    return kind(**{f.name: readers[f.type](field[f.name]) for f in fields(kind)})


def _shape(field: Field) -> tuple[int, int, int]:
    channels, height, width = field.integers(1, _MOST_SIDE, 3)
    return channels, height, width


def _taps(field: Field) -> Taps:
    return Taps(field["kernel"].pair(1, _MOST_KERNEL), field["padding"].pair(0, _MOST_KERNEL),
                field["stride"].pair(1, _MOST_KERNEL), field["out"].pair(1, _MOST_SIDE),
                field["dilation"].pair(1, _MOST_KERNEL), field["pad_value"].integer(-128, 127))


def _place(field: Field, batch: int, window: int, rows: int, pitch: int) -> TensorPlace:
    """A tensor, all of whose images lie within the window."""
    place = TensorPlace(field["offset"].integer(0, window),
                        field["plane_stride"].integer(0, window), _shape(field["shape"]),
                        field["images"].integer(1, batch),
                        field["image_stride"].integer(0, window))
    channels, height, width = place.shape
    end = place.offset + -(-channels // rows) * height * width * pitch * place.images
    if end > window:
        field.refuse(f"a tensor within the window of {window} bytes; it ends at {end}")
    return place


def _records(header: Field, outputs: Sequence[Field], window: int, block: int,
             ) -> tuple[StoredRecords, ...]:
    """Records of layers that store nothing else, in blocks of so many bytes that lie where they are
    said to be in the window."""
    found: dict[int, StoredRecords] = {}
    for field in header["records"].items():
        layer = field["layer"].integer(0, len(outputs) - 1)
        first = field["first"].integer(0, window - block)
        past = field["past"].integer(first + block, window)
        channels = field["channels"].integer(1, _MOST_SIDE)
        if layer in found or outputs[layer].value is not None:
            field["layer"].refuse("a layer whose output is stored nowhere else")
        found[layer] = StoredRecords(layer, first, past, channels, field["blocks"].integers(
            first, past - block, -(-RECORD * channels // block)))
    return tuple(found.values())


def _check_input(header: Field, found: dict[str, Any]) -> None:
    """What the host packs is what the input's place holds."""
    channels, height, width = found["in_shape"]
    taps: Taps | None = found["taps"]
    if channels * height * width * found["batch"] > _MOST_INPUT:
        header["in_shape"].refuse(f"a shape whose batch has at most {_MOST_INPUT} values")
    packed = (channels, height, width)
    if taps is not None:
        for side, kernel, step, padding, stride, out in zip(
                (height, width), taps.kernel, taps.dilation, taps.padding, taps.stride, taps.out,
                strict=True):
            if (out - 1) * stride > side + 2 * padding + kernel * step:
                header["taps"]["out"].refuse(f"what an input of {found['in_shape']} gives")
        packed = (channels * taps.kernel[0] * taps.kernel[1], *taps.out)
    place: TensorPlace = found["input"]
    if (place.shape, place.images) != (packed, found["batch"]):
        header["input"]["shape"].refuse(f"{packed} of {found['batch']} images, as the input is "
                                        "packed")
