"""Calibration images, and what a float network makes of them, a few at a time."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from sw.graph.floating import FloatGraph, FloatLayer
from sw.graph.integer import INPUT
from sw.reference.floating import run_float_layer
from sw.reference.walk import walk

from .errors import QuantiseError

__all__ = ["Images", "Shown", "require_finite"]

_BATCH_BYTES = 256 << 20  # of maps at a time
Images = np.ndarray | torch.Tensor | Sequence[np.ndarray]


class Shown:
    """Images [N, C, H, W] as a network gets them, checked; `count` is N.

    They go through the network in batches of as many as a quarter of a gigabyte of maps allows.

    Raises
    ------
    QuantiseError
        Naming the layer, or what is wrong with the images.
    """

    def __init__(self, graph: FloatGraph, images: Images):
        self.graph, self._pixels = graph, _as_images(graph, images)
        self.count = len(self._pixels)
        require_finite(graph)

    def batches(self) -> Iterator[tuple[torch.Tensor, Iterator[tuple[tuple[torch.Tensor, ...],
                                                                     torch.Tensor]]]]:
        """Some of the images, and for each layer what it reads and gives of them."""
        batch = _batch(self.graph)
        for start in range(0, self.count, batch):
            x = _batch_of(self.graph, self._pixels[start:start + batch])
            yield x, self._through(x)

    def _through(self, x: torch.Tensor) -> Iterator[tuple[tuple[torch.Tensor, ...],
                                                          torch.Tensor]]:
        read: tuple[torch.Tensor, ...] = ()

        def run(layer: FloatLayer, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
            nonlocal read
            read = tuple(inputs)
            return _run(layer, inputs)

        for y in walk(self.graph, x, run):
            yield read, y

    def require_some(self, peaks: np.ndarray) -> None:
        """Raise QuantiseError if all images are zero, by their largest magnitudes."""
        if not peaks.any():
            raise QuantiseError(f"the {self.count} calibration images of {self.graph.name} are all "
                                "zero; give some of those that the network will run on")


def _run(layer: FloatLayer, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        y = run_float_layer(layer, inputs[0], others=inputs[1:])
    # a sum is a fraction of the work; where it overflows though no value does, these decide
    if not bool(y.sum().isfinite()) and not bool(torch.isfinite(y).all()):
        raise QuantiseError(f"layer {layer.name}: its output overflows on the calibration images")
    return y


def _as_images(graph: FloatGraph, images: Images) -> np.ndarray:
    """Images as one array of numbers [N, C, H, W], N above 0."""
    takes = f"{graph.name} takes [N, {', '.join(map(str, graph.layers[0].in_shape))}]"
    try:
        whole = isinstance(images, torch.Tensor | np.ndarray)
        pixels = np.asarray(_as_array(images) if whole else [_as_array(x) for x in images])
    except (TypeError, ValueError, RuntimeError) as error:
        raise QuantiseError(f"calibration images are no array of numbers ({error}); "
                            f"{takes}") from None
    if pixels.ndim != 4 or pixels.shape[1:] != tuple(graph.layers[0].in_shape):
        raise QuantiseError(f"calibration images are {list(pixels.shape)}; {takes}")
    if pixels.dtype.kind not in "fiub":
        raise QuantiseError(f"calibration images are {pixels.dtype}; they must be real numbers")
    if pixels.dtype == np.uint8:
        raise QuantiseError("calibration images are uint8 pixels; give real numbers as the network "
                            "gets them, such as images / 255")
    if not len(pixels):
        raise QuantiseError(f"there are no calibration images; {takes}, with N of 1 or more")
    return pixels


def _as_array(values: object) -> object:
    """A tensor as an array, whatever its device, gradient and precision; else what is given."""
    if not isinstance(values, torch.Tensor):
        return values
    values = values.detach().cpu()
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def _batch(graph: FloatGraph) -> int:
    """Images whose maps, those that are still to be read when any one layer is done, fit
    `_BATCH_BYTES`."""
    held: dict[str, int] = {INPUT: int(np.prod(graph.in_shape))}
    largest = 0
    for k, x in enumerate(graph.layers):
        own = sum(int(np.prod(shape)) for shape in (x.conv_shape, x.out_shape))
        largest = max(largest, sum(held.values()) + own)
        held[x.name] = int(np.prod(x.out_shape))
        held = {v: size for v, size in held.items() if graph.is_read_after(v, k)}
    return max(1, _BATCH_BYTES // (4 * largest))


def require_finite(graph: FloatGraph) -> None:
    for layer in graph.layers:
        for what, values in (("weights", layer.weight), ("biases", layer.bias),
                             *(("weights", term.weight) for term in layer.terms)):
            if not np.isfinite(values).all():
                raise QuantiseError(f"layer {layer.name}: its {what} hold NaN or infinity")


def _batch_of(graph: FloatGraph, pixels: np.ndarray) -> torch.Tensor:
    with np.errstate(over="ignore"):
        x = torch.from_numpy(np.array(pixels, np.float32))
    if not bool(torch.isfinite(x).all()):
        raise QuantiseError(f"calibration images of {graph.name} hold NaN or infinity")
    return x
