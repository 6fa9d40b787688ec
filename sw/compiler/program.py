"""A compiled network: memory image, programs, and where its tensors are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hw.config import Config, next_pow2
from hw.support.tabular import Tabular
from sw.graph.active import ActiveError, check_active
from sw.lowering.batch import Run, run_order
from sw.lowering.errors import DoesNotFit
from sw.lowering.layout import TensorPlace
from sw.lowering.taps import Taps

from .programfile import ProgramError, read_program, write_program
from .records import StoredRecords

__all__ = ["LayerInfo", "Program", "ProgramError", "require_log"]


def require_log(config: Config, entries: int, last: str) -> None:
    """Raise DoesNotFit if the log has no room for so many, the last of a layer of this name."""
    if entries > config.buffers.log_entries:
        raise DoesNotFit(
            last, f"entry {entries} of the log, which tells each layer's cycles",
            f"{config.buffers.log_entries}", f"raise buffers.log_entries (--log-entries "
            f"{next_pow2(entries)}), or take fewer layers")


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
    stacked : bool
        All images of a batch go through it together, so that its weights are read once.
    vectors : int
        Vectors of activations that the arrays take for an image or, stacked, for a batch, if no
        input is zero; 0 where live inputs are searched.
    row_bytes, param_bytes : int
        Where zero inputs are skipped: bytes of weights that all instances read if no input is
        zero, and of the parameters that they read besides; else 0.
    """

    name: str
    macs: int
    weight_bytes: int
    split: str
    instances: int
    stripes: int
    resident: bool
    tap_packed: bool
    stacked: bool
    vectors: int = 0
    row_bytes: int = 0
    param_bytes: int = 0


@dataclass(frozen=True, eq=False, repr=False)
class Program(Tabular):
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
        Where each layer's output is stored, or None if it is not.
    layers : tuple of LayerInfo
    taps : Taps or None
        How the host packs the input.
    in_shape : (channels, rows, columns) of the input before packing
    batch : int
        Images of a run.
    partitioned : tuple of int
        Layers whose channels belong to partitions that can be dropped, an equal share on each
        instance; empty if none can.
    overwritten : tuple of int
        Layers whose stored output others have taken the place of when a run ends.
    tensor_bytes : int
        Peak of what the input and outputs take of `window_bytes`; weights and programs are beside
        them.
    records : tuple of StoredRecords
        Layers whose outputs are others' requantisation parameters, and where these lie.
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
    batch: int
    partitioned: tuple[int, ...] = ()
    overwritten: tuple[int, ...] = ()
    tensor_bytes: int = 0
    records: tuple[StoredRecords, ...] = ()

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

    @property
    def order(self) -> tuple[Run, ...]:
        """Which layer runs when, and for which image."""
        return run_order([info.stacked for info in self.layers], self.batch)

    @property
    def fits_log(self) -> bool:
        """The log holds the counters of every layer, so that a run tells how long each took."""
        return len(self.order) <= self.config.buffers.log_entries

    def check_log(self) -> None:
        """For those who must know how long each layer takes.

        Raises
        ------
        DoesNotFit
            If not `fits_log`.
        """
        require_log(self.config, len(self.order), self.layers[-1].name)

    def pack_input(self, images: np.ndarray) -> np.ndarray:
        """Return the bytes of an input, to be written at `input.offset`.

        Parameters
        ----------
        images : int8[C, H, W], or int8[n, C, H, W] of a program for a batch
            Zeros take the places of images that the batch lacks.

        Returns
        -------
        uint8[bytes]

        Raises
        ------
        ValueError
            If type or shape is wrong, or there are more images than `batch`.
        """
        images = np.asarray(images)
        whole = np.zeros((self.batch, *self.in_shape), np.int8)
        whole[:self.images_in(images)] = images
        if self.taps is not None:
            whole = np.stack([self.taps.apply(image) for image in whole])
        batch, channels, height, width = whole.shape
        rows, pitch = self.config.array.rows, self.config.word_pitch_bytes
        blocks = -(-channels // rows)
        padded = np.zeros((batch, blocks * rows, height, width), np.int8)
        padded[:, :channels] = whole
        words = np.zeros((batch, blocks, height, width, pitch), np.int8)
        words[..., :rows] = padded.reshape(batch, blocks, rows, height, width
                                           ).transpose(0, 1, 3, 4, 2)
        if self.input.stacked:
            words = words.swapaxes(0, 1)
        return np.ascontiguousarray(words).reshape(-1).view(np.uint8)

    def images_in(self, images: np.ndarray) -> int:
        """How many images an input of `pack_input` holds.

        Raises
        ------
        ValueError
            As `pack_input`.
        """
        count = 1 if self.batch == 1 else len(images) if images.ndim else 0
        shape = tuple(self.in_shape) if self.batch == 1 else (count, *self.in_shape)
        if images.dtype != np.int8 or images.shape != shape or not 1 <= count <= self.batch:
            takes = "int8" + str([*([] if self.batch == 1 else [f"1 to {self.batch}"]),
                                  *self.in_shape]).replace("'", "")
            raise ValueError(f"input is {images.dtype}{list(images.shape)}; {self.name} takes "
                             f"{takes}")
        return count

    def output_bytes(self, layer: int) -> int:
        """Length of a layer's output in external memory."""
        place = self._place(layer)
        return -(-place.shape[0] // self.config.array.rows) * place.images * (
            place.shape[1] * place.shape[2] * self.config.word_pitch_bytes)

    def places(self, base: int) -> list[tuple[int, int] | None]:
        """First byte address of each layer's output and the one after its last, in a window at
        `base`; None of one that is not stored. A run writes nothing else."""
        records = {k: (base + x.first, base + x.past) for k, x in self._recorded.items()}
        return [records.get(k) if place is None else (
            base + place.offset, base + place.offset + self.output_bytes(k))
            for k, place in enumerate(self.outputs)]

    def stored(self, layer: int) -> tuple[int, int] | None:
        """Byte offset and length of what `unpack_output` takes when a run ends; None of what is not
        stored, or not there any more."""
        if (records := self._recorded.get(layer)) is not None:
            return records.first, records.past - records.first
        return (self._place(layer).offset, self.output_bytes(layer)) if self.stays(layer) else None

    def unpack_output(self, layer: int, data: np.ndarray | bytes) -> np.ndarray:
        """Return int8[C, H, W], or int8[batch, C, H, W] of a program for a batch, of the bytes at
        `stored(layer)`."""
        raw = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else np.asarray(data)
        if (records := self._recorded.get(layer)) is not None:
            return records.unpack(raw, self.config)
        place = self._place(layer)
        channels, height, width = place.shape
        rows, pitch, batch = self.config.array.rows, self.config.word_pitch_bytes, self.batch
        blocks = -(-channels // rows)
        outer = (blocks, batch) if place.stacked else (batch, blocks)
        words = raw.view(np.int8).reshape(*outer, height, width, pitch)[..., :rows]
        if place.stacked:
            words = words.swapaxes(0, 1)
        maps = words.transpose(0, 1, 4, 2, 3).reshape(batch, blocks * rows, height, width)
        maps = maps[:, :channels].copy()
        return maps[0] if batch == 1 else maps

    def stays(self, layer: int) -> bool:
        """Whether a layer's output is stored, and there when a run ends."""
        return self.outputs[layer] is not None and layer not in self.overwritten

    @property
    def _recorded(self) -> dict[int, StoredRecords]:
        return {records.layer: records for records in self.records}

    def _place(self, layer: int) -> TensorPlace:
        place = self.outputs[layer]
        if place is None:
            raise ValueError(f"layer {self.layers[layer].name}: its output is not stored; "
                             "compile with store_all=True")
        return place

    def table(self) -> list[dict[str, Any]]:
        """A row for each layer: how it is cut, and what it takes."""
        return [{"layer": x.name, "split": x.split, "instances": x.instances, "macs": x.macs,
                 "weight_bytes": x.weight_bytes, "stripes": x.stripes} for x in self.layers]

    # -- files ---------------------------------------------------------------------------
    def save(self, path: Path | str) -> None:
        """Write a file: see `sw.compiler.programfile`."""
        write_program(vars(self), Path(path))

    @classmethod
    def load(cls, path: Path | str) -> "Program":
        """Read a file that `save` wrote.

        Raises
        ------
        ProgramError
            If it is no program, of another version, or inconsistent.
        """
        return cls(**read_program(Path(path), LayerInfo))
