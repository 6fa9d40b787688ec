"""Tiny ImageNet from its published folder: found, checked, decoded once and kept."""

import hashlib
import json
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from hw.support.entries import cached_file
from hw.support.reading import read_limited

__all__ = ["DatasetError", "ImageData", "load_tiny_imagenet", "root_of"]

_SIZE = 64
_CHUNK = 2_000
_MOST_TEXT = 1 << 26


class DatasetError(ValueError):
    """A folder that is not the data set, or a file in it that cannot be read; it is named."""


@dataclass(frozen=True, eq=False)
class ImageData:
    """A labelled data set.

    Members: `train_images` and `held_images` uint8[N, C, H, W], `train_labels` and `held_labels`
    int64[N], `classes` names, `source` what it is, for a report.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    held_images: np.ndarray
    held_labels: np.ndarray
    classes: tuple[str, ...]
    source: str

    @property
    def fingerprint(self) -> str:
        """Hash of the labels and of every 97th image; tells data sets apart in a recipe."""
        digest = hashlib.sha256()
        for array in (self.train_labels, self.held_labels, self.train_images[::97],
                      self.held_images[::97]):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]


def root_of(folder: Path) -> Path:
    """Where the data set is in a folder; raises DatasetError if nowhere."""
    for candidate in (folder, folder / "tiny-imagenet-200"):
        if (candidate / "wnids.txt").is_file():
            return candidate
    what = "has no wnids.txt" if folder.is_dir() else "is not a folder"
    raise DatasetError(f"{folder}: {what}; give the unpacked Tiny ImageNet folder, which holds "
                       "wnids.txt, train/ and val/")


def _text(path: Path) -> str:
    try:
        return read_limited(path, _MOST_TEXT, DatasetError).decode()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: is no text: {error}") from None


def _is_name(text: str) -> bool:
    """It names something in a folder, and nothing outside of it."""
    return text.isprintable() and "/" not in text and text not in ("", ".", "..") \
        and len(text.encode()) < 256


def _training_files(root: Path, classes: list[str], per_class: int | None) -> list[Path]:
    files = []
    for name in classes:
        folder = root / "train" / name / "images"
        found = sorted(folder.glob("*.JPEG"))
        if not found:
            raise DatasetError(f"{folder}: no .JPEG files; a class of wnids.txt is missing, so "
                               "perhaps not all archives were unpacked")
        if per_class is not None and len(found) < per_class:
            raise DatasetError(f"{folder}: {len(found)} images; {per_class} per class were asked")
        files += found[:per_class]
    return files


def _held_out_files(root: Path, classes: list[str]) -> tuple[list[Path], list[int]]:
    table = root / "val" / "val_annotations.txt"
    lines = _text(table).splitlines()
    index = {name: k for k, name in enumerate(classes)}
    files, labels = [], []
    for number, line in enumerate(lines, 1):
        fields = line.split("\t")
        if len(fields) < 2:
            raise DatasetError(f"{table}: line {number} is {line!r}; it needs a file and a class, "
                               "with a tab between")
        if fields[1] in index:
            if not _is_name(fields[0]):
                raise DatasetError(f"{table}: line {number} names {fields[0]!r:.80}, which is no "
                                   "file of the folder images")
            files.append(root / "val" / "images" / fields[0])
            labels.append(index[fields[1]])
    if not files:
        raise DatasetError(f"{table}: no image of the classes of wnids.txt")
    return files, labels


def _decode(path: Path) -> np.ndarray:
    try:
        with Image.open(path, formats=("JPEG",)) as image:
            if image.size != (_SIZE, _SIZE):  # told by the header, before pixels are made
                raise DatasetError(f"{path}: is {image.width}x{image.height} pixels; Tiny "
                                   f"ImageNet's are {_SIZE}x{_SIZE}")
            pixels = np.asarray(image.convert("RGB"))
    except DatasetError:
        raise
    except (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError,
            Image.DecompressionBombWarning) as error:
        raise DatasetError(f"{path}: cannot be decoded: {error}") from None
    return pixels.transpose(2, 0, 1)


def _decode_all(files: list[Path], cache: Path, name: str, say: Callable[[str], None], what: str
                ) -> np.ndarray:
    """Decode into a cache's .npy file, or take the one that is there; returns it memory-mapped."""
    def make(folder: Path) -> Path:
        pixels = np.lib.format.open_memmap(folder / "pixels.npy", "w+", np.uint8,
                                           (len(files), 3, _SIZE, _SIZE))
        with ThreadPoolExecutor() as pool:
            for start in range(0, len(files), _CHUNK):
                for k, image in enumerate(pool.map(_decode, files[start:start + _CHUNK]), start):
                    pixels[k] = image
                say(f"decoding {what} images: {min(start + _CHUNK, len(files)):,} of "
                    f"{len(files):,}")
        pixels.flush()
        return folder / "pixels.npy"

    return np.load(cached_file(name, make, cache=cache, say=say), mmap_mode="r",
                   allow_pickle=False)


def load_tiny_imagenet(folder: Path, *, classes: int | None = None, per_class: int | None = None,
                       cache: Path, say: Callable[[str], None] = lambda text: None) -> ImageData:
    """Read Tiny ImageNet's published folder layout.

    Parameters
    ----------
    folder : the folder with wnids.txt, or the one that holds tiny-imagenet-200
    classes : the first so many of wnids.txt, all by default
    per_class : training images of each, all by default
    cache : where decoded pixels are kept, by names, sizes and times of the files

    Raises
    ------
    DatasetError
        Naming the file.
    """
    root = root_of(Path(folder))
    names = _text(root / "wnids.txt").split()
    for name in names:
        if not _is_name(name):
            raise DatasetError(f"{root / 'wnids.txt'}: {name!r:.80} is no name of a class")
    for what, value, limit in (("classes", classes, len(names)), ("per-class", per_class, None)):
        if value is not None and (value < 1 or (limit is not None and value > limit)):
            raise DatasetError(f"{what} is {value}; it must be from 1 to {limit or 'all images'}")
    names = names[:classes]
    training = _training_files(root, names, per_class)
    held, held_labels = _held_out_files(root, names)
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    arrays = []
    for what, files in (("training", training), ("held-out", held)):
        try:
            facts = [(str(f.relative_to(root)), f.stat().st_size, f.stat().st_mtime_ns)
                     for f in files]
        except OSError as error:
            raise DatasetError(f"{error.filename}: cannot be read: {error.strerror}") from None
        key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
        arrays.append(_decode_all(files, cache, f"pixels-{key}", say, what))
    index = {name: k for k, name in enumerate(names)}
    labels = np.array([index[f.parent.parent.name] for f in training], np.int64)
    return ImageData(arrays[0], labels, arrays[1], np.array(held_labels, np.int64), tuple(names),
                     f"Tiny ImageNet, {len(names)} classes, {len(training):,} training and "
                     f"{len(held):,} held-out images")
