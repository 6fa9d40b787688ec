"""Functions of one number as tables: what they take as int8, and what each int8 becomes."""

from dataclasses import replace

import numpy as np
import torch

from sw.graph.function import Function
from sw.graph.integer import Layer
from sw.graph.quantisation import Quantisation
from sw.reference.functions import apply

__all__ = ["Taken", "with_table"]

_STEPS = 255
_SAMPLES = 8_000
#: Clipping points tried, as shares of the least and the largest value.
_SHARES = (*np.linspace(1.0, 0.2, 17), *np.geomspace(0.15, 0.005, 10))
_ROUNDS = 2


def with_table(layer: Layer, function: Function, before: Quantisation, to: Quantisation) -> Layer:
    """A layer whose clamped values, held as `before`, become a function's, held as `to`: the
    nearest, halves to the even, as onnxruntime rounds. What has no value is 0."""
    real = (np.arange(-128, 128) - before.zero_point) * np.float32(before.scale)
    x = torch.from_numpy(real.astype(np.float32))[None, None]
    if function.is_by_channel:
        x = x.expand(1, len(layer.weight), -1)
    steps = np.nan_to_num(apply(function, x)[0].numpy() / np.float32(to.scale), nan=0.0,
                          posinf=1e9, neginf=-1e9)
    whole = np.round(steps) + to.zero_point
    return replace(layer, table=np.clip(whole, to.low, to.high).astype(np.int8))


class Taken:
    """What a layer's function takes on images, thinned, by channel.

    Parameters
    ----------
    function : Function
    images : int
        How many there will be.
    shape : (channels, rows, columns) of one image's values
    """

    def __init__(self, function: Function, images: int, shape: tuple[int, int, int]):
        self._function, self._shape = function, shape
        size = int(np.prod(shape))
        count = min(images * size, _SAMPLES)
        self._chosen = np.sort(np.random.default_rng(0).choice(images * size, count, False))
        self._found: list[np.ndarray] = []
        self._size, self._done = size, 0
        self._low = self._high = 0.0

    def add(self, x: torch.Tensor) -> None:
        """Take in the next images' values [n, ...]."""
        first, past = np.searchsorted(self._chosen, [self._done, self._done + x.numel()])
        self._found.append(x.reshape(-1).numpy()[self._chosen[first:past] - self._done])
        self._done += x.numel()
        self._low, self._high = (min(self._low, float(x.min())), max(self._high, float(x.max())))

    def quantisation(self) -> Quantisation:
        """How it is best held: such that the function's values, not its own, lose least."""
        values = np.concatenate(self._found)[None].astype(np.float64)
        function = self._of_samples()
        exact = _of(function, values)
        ends = [self._low, self._high]
        if ends[0] == ends[1]:
            return Quantisation(1.0)
        best = _loss(function, values, exact, ends)
        for end in (0, 1) * _ROUNDS:
            whole = ends[end]
            for share in _SHARES:
                tried = list(ends)
                tried[end] = whole * float(share)
                if tried[0] < tried[1] and (
                        found := _loss(function, values, exact, tried)) < best:
                    best, ends = found, tried
        return _held(ends)

    def _of_samples(self) -> Function:
        """The function with a channel for each sample."""
        if not self._function.is_by_channel:
            return self._function
        pixels = self._shape[1] * self._shape[2]
        return self._function.chosen((self._chosen % self._size // pixels).tolist())


def _of(function: Function, values: np.ndarray) -> np.ndarray:
    return apply(function, torch.from_numpy(values)).numpy()


def _loss(function: Function, values: np.ndarray, exact: np.ndarray, ends: list[float]) -> float:
    """The mean square of what rounding values [1, n] does to a function."""
    held = _held(ends)
    whole = np.clip(np.floor(values / held.scale + 0.5) + held.zero_point, -128, 127)
    error = _of(function, (whole - held.zero_point) * held.scale) - exact
    return float(np.nanmean(np.square(error)))


def _held(ends: list[float]) -> Quantisation:
    """Numbers from one end to another, and 0, in 255 steps."""
    low, high = min(ends[0], 0.0), max(ends[1], 0.0)
    scale = (high - low) / _STEPS
    return Quantisation(scale, max(-128, min(127, round(-128 - low / scale))))
