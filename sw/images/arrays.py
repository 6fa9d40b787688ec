"""Images and labels as arrays: of an .npz file, or of what a callable gives."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .errors import ImageError
from .preparation import Preparation

__all__ = ["Arrays", "check_labels", "prepared", "read_npz", "split"]

_MOST_BYTES = 1 << 34
#: Images as they are stored, and labels if there are any.
Arrays = tuple[np.ndarray, np.ndarray | None]


def read_npz(path: Path) -> Arrays:
    """Read `images` and `labels` of an .npz file; nothing in it is unpickled.

    Raises
    ------
    OSError
        If it cannot be read.
    ImageError
    """
    path.open("rb").close()  # for an error with its name if it cannot be read
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(x.file_size for x in archive.infolist()) > _MOST_BYTES:
                raise ImageError(f"{path}: is of more than {_MOST_BYTES:,} bytes")
        with np.load(path, allow_pickle=False) as stored:
            if "images" not in stored:
                raise ImageError(f"{path}: has no array 'images'; it has "
                                 f"{', '.join(map(repr, stored)) or 'none'}")
            images = stored["images"]
            labels = stored.get("labels")
    except ImageError:
        raise
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError,
            MemoryError, SyntaxError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise ImageError(f"{path}: is no .npz file of arrays: {said[:200]}") from None
    return _checked(str(path), images, labels)


def split(place: str, given: Any) -> Arrays:
    """What a callable gives, images or (images, labels), as arrays; raises ImageError."""
    images, labels = given if isinstance(given, tuple | list) and len(given) == 2 \
        and np.ndim(_array(given[0])) > 1 else (given, None)
    try:
        return _checked(place, np.asarray(_array(images)),
                        None if labels is None else np.asarray(_array(labels)))
    except (TypeError, RuntimeError) as error:
        raise ImageError(f"{place}: gives no array of images: {error}") from None


def _array(values: Any) -> Any:
    """A tensor of torch as an array."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else values


def _checked(place: str, images: np.ndarray, labels: np.ndarray | None) -> Arrays:
    if images.dtype.kind not in "fiub" or images.ndim < 2 or not len(images):
        raise ImageError(f"{place}: images are {images.dtype}{list(images.shape)}; they must be "
                         "numbers [N, ...], N of 1 or more")
    if labels is None:
        return images, None
    if labels.ndim > 1:
        labels = labels.reshape(len(labels), -1)[:, 0] if labels.size == len(labels) else labels
    if labels.dtype.kind not in "iu" or labels.shape != (len(images),):
        raise ImageError(f"{place}: labels are {labels.dtype}{list(labels.shape)}; they must be "
                         f"whole numbers [{len(images)}], one for each image")
    return images, labels.astype(np.int64)


def check_labels(place: str, labels: np.ndarray, outputs: int) -> None:
    """Refuse labels that are no outputs of a network; raises ImageError."""
    if not 0 <= labels.min() <= labels.max() < outputs:
        raise ImageError(f"{place}: has labels from {labels.min()} to {labels.max()}; the network "
                         f"gives {outputs} outputs, from 0")


def prepared(place: str, images: np.ndarray, preparation: Preparation,
             shape: tuple[int, int, int]) -> np.ndarray:
    """Images as a network takes them, float32[N, C, H, W]: real numbers [N, C, H, W] as they are,
    bytes [N, H, W, C], [N, C, H, W] or [N, H, W] as pixels.

    Raises
    ------
    ImageError
    """
    if images.dtype != np.uint8:
        whole = images.reshape(len(images), *shape) if images[0].size == np.prod(shape) and \
            images.ndim < 4 else images
        if whole.shape[1:] != tuple(shape):
            raise ImageError(f"{place}: images are {list(images.shape[1:])}; the network takes "
                             f"{list(shape)}")
        if not np.isfinite(whole).all():
            raise ImageError(f"{place}: images hold NaN or infinity")
        return whole.astype(np.float32)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or (images.shape[3] not in (1, 3) and images.shape[1] not in (1, 3)):
        raise ImageError(f"{place}: bytes are {list(images.shape)}; pixels are [N, H, W], [N, H, W,"
                         " C] or [N, C, H, W], of 1 or 3 channels")
    if images.shape[3] not in (1, 3):
        images = images.transpose(0, 2, 3, 1)
    pictures = (Image.fromarray(np.ascontiguousarray(x[..., 0] if x.shape[2] == 1 else x))
                for x in images)
    try:
        return np.stack([preparation.of_image(x, shape) for x in pictures])
    except ImageError as error:
        raise ImageError(f"{place}: {error}") from None
