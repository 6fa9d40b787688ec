"""A bundle in a folder: a network compiled for a board, one input, and what runs it from C.

| file | holds |
| --- | --- |
| `bundle.json` | the manifest: what the rest is, with the SHA-256 of each file |
| `program.npz` | the program, as `sw.compiler` saves it |
| `network.safetensors` | the network in integers, against which each layer is checked |
| `image.bin` | weights and instructions as they lie in the memory window, from `image.offset` on |
| `input.bin`, `output.bin` | an input, int8 [C, H, W], and the golden model's output of it |
| `partita_*.h` | what C has to know of the registers, of the network, and of the serial link |
| `partita.h`, `partita.c` | the driver |
| `example_mmio.c`, `example_serial.c` | hosts for it |
"""

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from boards.catalogue import Board
from hw import registers
from hw.isa import ISA_VERSION, WINDOW_ALIGNMENT
from hw.support.folders import FolderKind
from hw.support.reading import FileFormatError, read_json, read_limited
from sw.compiler import Program
from sw.graph.artefact import load_integer, save_integer
from sw.reference.golden import run_golden

from .headers import link_header, network_header, registers_header
from .image import MemoryImage, memory_image
from .task import Task

__all__ = ["BUNDLE", "read_bundle", "write_bundle"]

BUNDLE = FolderKind("bundle.json", "partita.bundle", "bundle of a network")
BUNDLE_VERSION = 1
_PROGRAM, _NETWORK, _IMAGE, _INPUT, _OUTPUT = (
    "program.npz", "network.safetensors", "image.bin", "input.bin", "output.bin")
_SOURCES = ("partita.h", "partita.c", "example_mmio.c", "example_serial.c")
_LAYOUT = "int8 [channels][rows][columns], row by row"
_WORDS = ("blocks of word_channels channels; in each, rows of columns of words; a word is its "
          "channels' values, and zeros up to word_bytes")


def write_bundle(folder: Path, task: Task, board: Board) -> dict:
    """Write a bundle of a task, whose first image is its input, in place of an older one; what else
    is in the folder is refused.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    OSError, ForeignFilesError
    """
    program, graph, pixels = task.program, task.graph, task.images[0]
    image = memory_image(program)
    here = Path(__file__).parent / "c"
    texts = {
        "partita_registers.h": registers_header(),
        "partita_network.h": network_header(program, image, board,
                                            (graph.input_scale, graph.output_scale)),
        "partita_link.h": link_header(board, program.config)}
    output = run_golden(graph, pixels)[-1]
    assert output is not None
    files = {
        _PROGRAM: _saved(_PROGRAM, program.save),
        _NETWORK: _saved(_NETWORK, lambda path: save_integer(graph, path)),
        _IMAGE: image.data, _INPUT: pixels.tobytes(), _OUTPUT: output.tobytes(),
        **{name: text.encode() for name, text in texts.items()},
        **{name: (here / name).read_bytes() for name in _SOURCES}}
    return BUNDLE.write(folder, _manifest(task, image, board), files)


def _saved(name: str, save: Callable[[Path], None]) -> bytes:
    """What is saved under a name."""
    with tempfile.TemporaryDirectory(prefix="partita-") as folder:
        save(path := Path(folder, name))
        return path.read_bytes()


def _manifest(task: Task, image: MemoryImage, board: Board) -> dict:
    program, graph, config = task.program, task.graph, task.program.config
    return {
        "version": BUNDLE_VERSION, "board": board.name, "network": graph.name,
        "config": config.to_dict(), "config_digest": config.digest, "isa_version": ISA_VERSION,
        "register_map_version": registers.MAP_VERSION,
        "window": {"base": 0, "bytes": program.window_bytes, "alignment": WINDOW_ALIGNMENT},
        "image": {"file": _IMAGE, "offset": image.offset, "bytes": len(image.data),
                  "crc32": image.crc32},
        "programs": program.programs, "start_mask": program.start_mask,
        "layout": {"file": _LAYOUT, "memory": _WORDS, "word_channels": config.array.rows,
                   "word_bytes": config.word_pitch_bytes},
        "input": {"file": _INPUT, "shape": program.in_shape, "scale": graph.input_scale,
                  "address": program.input.offset, "memory_shape": program.input.shape,
                  "taps": asdict(program.taps) if program.taps else None},
        "output": {"file": _OUTPUT, "scale": graph.output_scale,
                   **_kept(program, len(program.layers) - 1)},
        "layers": [{"name": info.name, **_kept(program, k)}
                   for k, info in enumerate(program.layers)]}


def _kept(program: Program, layer: int) -> dict:
    """Where a layer's output is when a run has ended, if it is."""
    place = program.outputs[layer]
    if place is None or not program.stays(layer):
        return {"address": None}
    return {"address": place.offset, "shape": place.shape, "bytes": program.output_bytes(layer)}


def read_bundle(folder: Path, board: Board | None = None) -> Task:
    """Read a bundle's program, network and input, which must be as they were written, and for a
    `board` or one with its very configuration.

    Raises
    ------
    OSError, ProgramError, GraphError
    FileFormatError
        If it is no bundle, of other versions, or its files are not its own.
    ValueError
        If it is for another board.
    """
    manifest = read_json(folder / BUNDLE.manifest, "a bundle of a network")
    for key, due in (("manifest", BUNDLE.format), ("version", BUNDLE_VERSION),
                     ("isa_version", ISA_VERSION),
                     ("register_map_version", registers.MAP_VERSION)):
        if manifest[key].value != due:
            manifest[key].refuse(f"{due!r}; export it again")
    for name in (_PROGRAM, _NETWORK, _INPUT):
        with (folder / name).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != manifest["written"][name].value:
            raise FileFormatError(f"{folder / name}: is not as it was exported: export it again")
    program, graph = Program.load(folder / _PROGRAM), load_integer(folder / _NETWORK)
    if manifest["config_digest"].value != program.config.digest:
        manifest["config_digest"].refuse(f"{program.config.digest}, the program's")
    if board and board.name != (other := manifest["board"].text()) \
            and program.config != board.config:
        raise ValueError(f"{folder} is a bundle for {other}, {program.config.shape}, not for "
                         f"{board.name}, {board.config.shape}: run it there, or export another: "
                         f"python -m boards export {board.name} --out FOLDER")
    values = int(np.prod(graph.in_shape))
    image = np.frombuffer(read_limited(folder / _INPUT, values), np.int8)
    if graph.in_shape != program.in_shape or image.size != values \
            or [x.name for x in graph.layers] != [x.name for x in program.layers]:
        raise FileFormatError(f"{folder}: program, network and input are not of one network: "
                              "export it again")
    return Task(program, graph, (image.reshape(graph.in_shape),))
