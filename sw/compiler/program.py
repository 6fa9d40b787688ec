"""A compiled network: memory image, programs, and where its tensors are."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from hw.config import Config
from hw.isa import ISA_VERSION

from ..scaling import ActiveError, check_active
from .layout import TensorPlace
from .taps import Taps

__all__ = ["PROGRAM_VERSION", "LayerInfo", "Program", "ProgramError"]

PROGRAM_VERSION = 2


class ProgramError(ValueError):
    """A file that is not a program that this version can load."""


@dataclass(frozen=True)
class LayerInfo:
    """What the compiler made of a layer.

    Members
    -------
    name : str
    macs, weight_bytes : int
        Real ones, without padding channels.
    split : str
        How it is cut over instances: "one", "channels", "groups", "rows" or a product.
    instances : int
        Instances that take part.
    stripes : int
        Runs through the weights, at most, because of the accumulators' depth.
    resident : bool
        The input stayed in activation memory.
    tap_packed : bool
        The host packs kernel taps into channels.
    """

    name: str
    macs: int
    weight_bytes: int
    split: str
    instances: int
    stripes: int
    resident: bool
    tap_packed: bool


@dataclass(frozen=True, eq=False)
class Program:
    """Everything a driver needs to run a network.

    Members
    -------
    config : Config
    name : str
    window_bytes : int
        Size of the memory window, a multiple of the port's beat.
    segments : tuple of (byte offset, uint8 array)
        What to write before the first run.
    programs : tuple of int or None
        Byte offset of each instance's program; None: it is not started.
    start_mask : int
    input : TensorPlace
        Where `pack_input`'s bytes go before each run.
    outputs : tuple of TensorPlace or None
        Each layer's output, or None if it is not stored.
    layers : tuple of LayerInfo
    taps : Taps or None
        How the host packs the input.
    in_shape : (channels, rows, columns) of the input before packing
    partitioned : tuple of int
        Layers whose channels belong to partitions that can be dropped, an equal share on each
        instance; empty if none can.
    """

    config: Config
    name: str
    window_bytes: int
    segments: tuple[tuple[int, np.ndarray], ...]
    programs: tuple[int | None, ...]
    start_mask: int
    input: TensorPlace
    outputs: tuple[TensorPlace | None, ...]
    layers: tuple[LayerInfo, ...]
    taps: Taps | None
    in_shape: tuple[int, int, int]
    partitioned: tuple[int, ...] = ()

    def active_mask(self, active: int) -> int:
        """Instances of the first `active` partitions, a bit each.

        Raises
        ------
        ActiveError
            If there are not so many, or if the program's instances need each other.
        """
        if not self.partitioned:
            raise ActiveError(f"{active} active partitions: {self.name} was not compiled for it; "
                              "compile with scalable=True")
        check_active(active, self.config.instances)
        return (1 << active) - 1

    def dropped_regions(self, active: int) -> list[tuple[int, int]]:
        """(byte offset, bytes) of what partitions from `active` on write; it must read as zeros
        while they are dropped."""
        regions = []
        for layer in self.partitioned:
            place = self.outputs[layer]
            if place is not None and active < self.config.instances:
                size = self.output_bytes(layer)
                kept = size // self.config.instances * active
                regions.append((place.offset + kept, size - kept))
        return regions

    def pack_input(self, image: np.ndarray) -> np.ndarray:
        """Return uint8[bytes] of an input int8[C, H, W], to be written at `input.offset`.

        Raises
        ------
        ValueError
            If type or shape is wrong.
        """
        image = np.asarray(image)
        if image.dtype != np.int8 or image.shape != tuple(self.in_shape):
            raise ValueError(f"input is {image.dtype}{list(image.shape)}; {self.name} takes "
                             f"int8{list(self.in_shape)}")
        if self.taps is not None:
            image = self.taps.apply(image)
        channels, height, width = image.shape
        rows, pitch = self.config.array.rows, self.config.word_pitch_bytes
        blocks = -(-channels // rows)
        whole = np.zeros((blocks * rows, height, width), np.int8)
        whole[:channels] = image
        words = np.zeros((blocks, height, width, pitch), np.int8)
        words[..., :rows] = whole.reshape(blocks, rows, height, width).transpose(0, 2, 3, 1)
        return words.reshape(-1).view(np.uint8)

    def output_bytes(self, layer: int) -> int:
        """Length of a layer's output in external memory."""
        place = self._place(layer)
        return -(-place.shape[0] // self.config.array.rows) * place.plane_stride

    def unpack_output(self, layer: int, data: np.ndarray | bytes) -> np.ndarray:
        """Return int8[C, H, W] of the `output_bytes(layer)` bytes at `outputs[layer].offset`."""
        channels, height, width = self._place(layer).shape
        rows, pitch = self.config.array.rows, self.config.word_pitch_bytes
        blocks = -(-channels // rows)
        raw = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else np.asarray(data)
        words = raw.view(np.int8).reshape(blocks, height, width, pitch)[..., :rows]
        return words.transpose(0, 3, 1, 2).reshape(blocks * rows, height, width)[:channels].copy()

    def _place(self, layer: int) -> TensorPlace:
        place = self.outputs[layer]
        if place is None:
            raise ValueError(f"layer {self.layers[layer].name}: its output is not stored; "
                             "compile with store_all=True")
        return place

    # -- files ---------------------------------------------------------------------------
    def save(self, path: Path | str) -> None:
        """Write an npz file: a JSON header and the memory segments."""
        header = {
            "program_version": PROGRAM_VERSION, "isa_version": ISA_VERSION,
            "config_digest": self.config.digest, "config": self.config.to_dict(),
            "name": self.name, "window_bytes": self.window_bytes,
            "offsets": [offset for offset, _ in self.segments],
            "programs": self.programs, "start_mask": self.start_mask,
            "input": asdict(self.input),
            "outputs": [None if o is None else asdict(o) for o in self.outputs],
            "layers": [asdict(info) for info in self.layers],
            "taps": None if self.taps is None else asdict(self.taps),
            "in_shape": self.in_shape, "partitioned": self.partitioned,
        }
        arrays = {f"segment_{k}": data for k, (_, data) in enumerate(self.segments)}
        text = np.frombuffer(json.dumps(header).encode(), np.uint8)
        with Path(path).open("wb") as file:
            np.savez(file, allow_pickle=False, header=text, **arrays)

    @classmethod
    def load(cls, path: Path | str) -> "Program":
        """Read a file that `save` wrote.

        Raises
        ------
        ProgramError
            If it is no program, of another version, or inconsistent.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                header = json.loads(file["header"].tobytes())
                for key, mine in (("program_version", PROGRAM_VERSION),
                                  ("isa_version", ISA_VERSION)):
                    if header[key] != mine:
                        raise ProgramError(f"{path}: {key} is {header[key]}; this program "
                                           f"reads {mine}")
                segments = tuple((offset, file[f"segment_{k}"])
                                 for k, offset in enumerate(header["offsets"]))
            config = Config.from_dict(header["config"])
            if config.digest != header["config_digest"]:
                raise ProgramError(f"{path}: the configuration does not match its digest")
            taps = header["taps"]
            return cls(
                config=config, name=header["name"], window_bytes=header["window_bytes"],
                segments=segments, programs=tuple(header["programs"]),
                start_mask=header["start_mask"], input=_tensor(header["input"]),
                outputs=tuple(None if o is None else _tensor(o) for o in header["outputs"]),
                layers=tuple(LayerInfo(**info) for info in header["layers"]),
                taps=None if taps is None else Taps(
                    tuple(taps["kernel"]), tuple(taps["padding"]), taps["stride"],
                    tuple(taps["out"])),
                in_shape=tuple(header["in_shape"]), partitioned=tuple(header["partitioned"]))
        except (KeyError, TypeError, OSError, EOFError, ValueError) as error:
            if isinstance(error, ProgramError | FileNotFoundError):
                raise
            raise ProgramError(f"{path}: not a compiled network: {error}") from None


def _tensor(data: dict) -> TensorPlace:
    return TensorPlace(data["offset"], data["plane_stride"], tuple(data["shape"]))
