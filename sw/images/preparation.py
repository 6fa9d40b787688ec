"""From pixels to what a network takes: size, crop, order of channels, mean and deviation."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from .errors import ImageError

__all__ = ["Preparation"]

_Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Preparation:
    """How an image becomes an input: x = (pixel / 255 - mean) / deviation, by channel.

    Members
    -------
    size : pixels of the shorter side before the crop; None takes the least that covers the input
    crop : one of `sw.images.names.CROPS`: the centre, or the whole image whatever its proportions
    mean, deviation : of pixels from 0 to 1; one number, or one for each channel
    order : one of `sw.images.names.ORDERS`; None takes grey for an input of one channel, else rgb
    """

    size: int | None = None
    crop: str = "centre"
    mean: tuple[float, ...] = (0.0,)
    deviation: tuple[float, ...] = (1.0,)
    order: str | None = None

    def check(self, shape: _Shape) -> None:
        """Refuse what does not go with a network's input [C, H, W]; raises ImageError."""
        channels, rows, columns = shape
        for option, values in (("--mean", self.mean), ("--deviation", self.deviation)):
            if len(values) not in (1, channels):
                raise ImageError(f"{option} has {len(values)} numbers; the network takes "
                                 f"{channels} channels: give one number, or one for each")
        if self.order and (self.order == "grey") != (channels == 1):
            raise ImageError(f"--channels is {self.order}; the network takes {channels} channels")
        if self.size and self.crop == "none":
            raise ImageError(f"--size is {self.size}; with --crop none an image is scaled to the "
                             f"network's {rows}x{columns} alone")
        if self.size and self.size < max(rows, columns):
            raise ImageError(f"--size is {self.size}; the network takes {rows}x{columns} pixels of "
                             "it: give as much or more")

    def text(self, shape: _Shape) -> str:
        """What is done to each image, in words."""
        _, rows, columns = shape
        how = f"scaled to {rows}x{columns}" if self.crop == "none" else \
            f"shorter side {self.size or 'as small as covers it'}, centre {rows}x{columns}"
        mean, deviation = (",".join(f"{x:g}" for x in values)
                           for values in (self.mean, self.deviation))
        return f"{how}, {self.order_for(shape)}, (pixel / 255 - {mean}) / {deviation}"

    def order_for(self, shape: _Shape) -> str:
        return self.order or ("grey" if shape[0] == 1 else "rgb")

    def of_image(self, image: Image.Image, shape: _Shape) -> np.ndarray:
        """An image as float32[C, H, W]; raises ImageError for an input of neither 1 nor 3
        channels."""
        order = self.order_for(shape)
        if shape[0] not in (1, 3):
            raise ImageError(f"the network takes {shape[0]} channels; an image has 1 or 3: give "
                             "--data an .npz file or a callable")
        plain = _of_bytes(image).convert("L" if order == "grey" else "RGB")
        pixels = np.asarray(self._sized(plain, shape))
        planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        if order == "bgr":
            planes = planes[::-1]
        column = (-1, 1, 1)
        mean, deviation = (np.array(values, np.float32).reshape(column)
                           for values in (self.mean, self.deviation))
        return (planes.astype(np.float32) / 255 - mean) / deviation

    def _sized(self, image: Image.Image, shape: _Shape) -> Image.Image:
        _, rows, columns = shape
        if self.crop == "none":
            return image.resize((columns, rows), Image.Resampling.BILINEAR)
        scale = self.size / min(image.size) if self.size else \
            max(columns / image.width, rows / image.height)
        wide, high = (max(least, round(scale * n)) for least, n in
                      ((columns, image.width), (rows, image.height)))
        if (wide, high) != image.size:
            image = image.resize((wide, high), Image.Resampling.BILINEAR)
        left, top = (wide - columns) // 2, (high - rows) // 2
        return image.crop((left, top, left + columns, top + rows))


def _of_bytes(image: Image.Image) -> Image.Image:
    """An image whose pixels are from 0 to 255: of 16 bits their upper halves, which Pillow would
    clip instead; raises ImageError of others that it would clip, too."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):  # the first of a PGM of 16 bits, too
        raise ImageError(f"its pixels are {'real' if image.mode == 'F' else 'whole numbers'} "
                         "without an end: save it as PNG or TIFF of 8 or 16 bits, or give --data "
                         "an .npz file of inputs")
    return image
