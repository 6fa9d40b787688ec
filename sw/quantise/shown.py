"""Calibration images, and what a float network makes of them, a few at a time."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch

from sw.graph.floating import FloatGraph, FloatLayer
from sw.graph.integer import INPUT
from sw.reference.floating import run_float_layer
from sw.reference.walk import walk

from .errors import QuantiseError
from .scaled import Scaled

__all__ = ["Images", "Shown", "require_finite"]

_BATCH_BYTES = 256 << 20  # of maps at a time
_RUN_BYTES = 32 << 20  # of a layer's sums
Images = np.ndarray | torch.Tensor | Sequence[np.ndarray]
_Seen = tuple[Callable[[], tuple[torch.Tensor, ...]], torch.Tensor]


class Shown:
    """Images [N, C, H, W] as a network gets them, checked; `count` is N.

    They go through the network, with its channels divided if it is `Scaled`, in batches of as many
    as a quarter of a gigabyte of maps allows.

    Raises
    ------
    QuantiseError
        Naming the layer, or what is wrong with the images.
    """

    def __init__(self, network: FloatGraph | Scaled, images: Images):
        self.network = Scaled(network) if isinstance(network, FloatGraph) else network
        self.graph = self.network.graph
        self._pixels = _as_images(self.graph, images)
        self.count = len(self._pixels)
        require_finite(self.graph)

    def batches(self, most: int = 1) -> Iterator[tuple[torch.Tensor, Iterator[_Seen]]]:
        """Some of the images, and for each layer what it reads, when called, and gives of them;
        a `most`th as many at a time."""
        batch = max(1, _batch(self.graph) // most)
        for start in range(0, self.count, batch):
            x = _batch_of(self.graph, self._pixels[start:start + batch])
            yield x, self._through(x)

    def _through(self, x: torch.Tensor) -> Iterator[_Seen]:
        read: tuple[torch.Tensor, ...] = ()

        def run(layer: FloatLayer, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
            nonlocal read
            read = tuple(inputs)
            return _run(layer, inputs)

        def divided(k: int) -> tuple[torch.Tensor, ...]:
            return tuple(map(self.network.value, self.graph.inputs(k), read))

        for k, (layer, y) in enumerate(zip(self.graph.layers, walk(self.graph, x, run),
                                           strict=True)):
            yield partial(divided, k), self.network.value(layer.name, y)

    def require_some(self, peaks: np.ndarray) -> None:
        """Raise QuantiseError if all images are zero, by their largest magnitudes."""
        if not peaks.any():
            raise QuantiseError(f"the {self.count} calibration images of {self.graph.name} are all "
                                "zero; give some of those that the network will run on")


def _run(layer: FloatLayer, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
    """What a layer gives of a batch, of some images after another: libraries copy what they work
    on, maybe several times."""
    at_a_time = max(1, _RUN_BYTES // (4 * int(np.prod(layer.conv_shape))))
    y = torch.empty(len(inputs[0]), *layer.out_shape)
    with torch.no_grad():
        for some, *read in zip(*(x.split(at_a_time) for x in (y, *inputs)), strict=True):
            some.copy_(run_float_layer(layer, read[0], others=read[1:]))
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
