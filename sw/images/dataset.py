"""A data set that the user names: a folder, an .npz file, or a callable of Python."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sw.networks.callables import called, find_callable
from sw.networks.naming import is_callable

from .arrays import check_labels, prepared, read_npz, split
from .errors import ImageError
from .folder import decode, list_folder
from .preparation import Preparation

__all__ = ["SEEDED", "ImageSet", "load_images", "read_labels"]

_Shape = tuple[int, int, int]
_MOST_LABELS = 1 << 20
#: The place of images that nobody gave.
SEEDED = "seeded images"


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images float32[N, C, H, W] as a network takes them, drawn from the `total` of a `place`;
    `labels` int64[N] if it has them, and `names` of the outputs; whether they were `pixels`, which
    are prepared, and not real numbers, which are taken as they are."""

    images: np.ndarray
    labels: np.ndarray | None
    names: tuple[str, ...]
    total: int
    place: str
    pixels: bool = False

    def __len__(self) -> int:
        return len(self.images)

    @property
    def seeded(self) -> bool:
        """Whether they are noise, as nobody gave any."""
        return self.place == SEEDED

    @property
    def source(self) -> str:
        """In words."""
        return self.place if self.seeded else \
            f"{len(self):,} of {self.total:,} images of {self.place}"

    def part(self, first: int, last: int) -> "ImageSet":
        """Those from `first` up to `last`."""
        return ImageSet(self.images[first:last],
                        None if self.labels is None else self.labels[first:last], self.names,
                        self.total, self.place, self.pixels)


def read_labels(text: str) -> tuple[str, ...]:
    """Names of a network's outputs: of a file, a line each, or with commas between.

    Raises
    ------
    ImageError
    """
    path = Path(text)
    if "," not in text and path.is_file():
        if path.stat().st_size > _MOST_LABELS:
            raise ImageError(f"--labels {path}: is longer than {_MOST_LABELS:,} bytes")
        try:
            names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        except UnicodeDecodeError as error:
            raise ImageError(f"--labels {path}: is no text: {error}") from None
        names = [name for name in names if name]
    elif "," in text:
        names = [name.strip() for name in text.split(",")]
    else:
        raise ImageError(f"--labels is {text[:200]!r}; it must be a file with a name a line, or "
                         "names with commas between")
    if not all(names):
        raise ImageError(f"--labels is {text[:200]!r}; it has an empty name")
    return tuple(names)


def load_images(place: Path, shape: _Shape, preparation: Preparation, count: int | None, *,
                outputs: int, names: tuple[str, ...] | None = None, seed: int = 1) -> ImageSet:
    """Draw images from a data set.

    Parameters
    ----------
    place : a folder, an .npz file, or FILE.py:callable or package.module:callable, which gives
        images or (images, labels)
    shape : of the network's input
    preparation : of images that are pixels
    count : how many, None for all; fewer if there are not so many
    outputs : of the network: no label reaches it
    names : of the outputs, in order
    seed : of the drawing

    Raises
    ------
    OSError, CallableError, ImageError
    """
    text = str(place)
    preparation.check(shape)
    if names and len(names) != outputs:
        raise ImageError(f"--labels has {len(names)} names; the network gives {outputs} outputs")
    rng = np.random.default_rng(seed)
    if is_callable(text) or place.suffix.lower() == ".npz":
        whole, labels = split(text, called(text, find_callable(text))) if is_callable(text) \
            else read_npz(place)
        chosen = rng.permutation(len(whole))[:count]
        images = prepared(text, whole[chosen], preparation, shape)
        found, total = None if labels is None else labels[chosen], len(whole)
        pixels = whole.dtype == np.uint8
    elif place.is_dir():
        listed = list_folder(place, names)
        if listed.labels is not None and len(listed.names) < outputs:
            raise ImageError(f"{place}: has folders of {len(listed.names)} classes; the network "
                             f"gives {outputs} outputs: say which is which by --labels, a name for "
                             "each output, or leave the folders out")
        total, names, pixels = len(listed.files), listed.names, True
        chosen = rng.permutation(total)[:count]
        images = np.stack([decode(listed.files[k], preparation, shape) for k in chosen])
        found = None if listed.labels is None else np.array(listed.labels, np.int64)[chosen]
    else:
        place.open("rb").close()  # for an error with its name if it is not there
        raise ImageError(f"{place}: is no folder of images, no .npz file and no FILE.py:callable")
    if found is not None:
        check_labels(text, found, outputs)
    return ImageSet(images, found, names or (), total, text, pixels)
