"""Images in a folder, of a folder for each class, or without classes."""

import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from hw.support.arguments import nearest

from .errors import ImageError
from .preparation import Preparation

__all__ = ["Listing", "decode", "list_folder"]

_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Listing:
    """Files of images, each with its class's number, or None without classes; their `names`."""

    files: tuple[Path, ...]
    labels: tuple[int, ...] | None
    names: tuple[str, ...]


def list_folder(folder: Path, names: tuple[str, ...] | None) -> Listing:
    """Find a folder's images.

    Parameters
    ----------
    folder : of a folder for each class, or of images without classes
    names : of the network's outputs, in order; None takes the folders' in alphabetical order

    Raises
    ------
    ImageError
        If there are none, or a folder's name is not that of one output.
    """
    try:
        inside = sorted(x for x in folder.iterdir() if not x.name.startswith("."))
        classes = [x for x in inside if x.is_dir()]
        found = [_images(x) for x in classes]
        alone = _images(folder)
    except OSError as error:
        raise ImageError(f"{error.filename}: cannot be read: {error.strerror}") from None
    kept = [(x, files) for x, files in zip(classes, found, strict=True) if files]
    if not kept:
        if not alone:
            raise ImageError(f"{folder}: holds no image ({', '.join(_ENDINGS)}), nor a folder "
                             "with some for each class")
        return Listing(tuple(alone), None, names or ())
    known = list(names or (x.name for x, _ in kept))
    for x, _ in kept:
        if x.name not in known:
            raise ImageError(f"{x}: is no output of the network by --labels"
                             + nearest(x.name, known))
        if known.count(x.name) > 1:
            raise ImageError(f"{x}: is the name of {known.count(x.name)} outputs by --labels; give "
                             "images and labels as numbers in an .npz file")
    return Listing(tuple(file for _, files in kept for file in files),
                   tuple(known.index(x.name) for x, files in kept for _ in files), tuple(known))


def _images(folder: Path) -> list[Path]:
    return sorted(x for x in folder.iterdir()
                  if x.suffix.lower() in _ENDINGS and not x.name.startswith("."))


def decode(path: Path, preparation: Preparation, shape: tuple[int, int, int]) -> np.ndarray:
    """An image file as a network's input float32[C, H, W]; raises ImageError with its name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as image:
                return preparation.of_image(image, shape)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None
    except (OSError, ValueError, SyntaxError, struct.error, EOFError,
            Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        said = (str(error).splitlines() or [""])[0]
        raise ImageError(f"{path}: is no image that can be read: {said[:200]}") from None
