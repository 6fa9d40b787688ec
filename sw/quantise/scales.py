"""Step sizes of int8 numbers: of activations as seen on images, of weights by channel."""

import numpy as np
import torch

from sw.graph.quantisation import Quantisation

__all__ = ["Observed", "round_weights", "weight_steps"]

_STEPS = 127
_USUAL = 0.9  # share of the images, whose peaks are not out of the ordinary
_UNEVEN = 3.0  # times the largest of these
_SAMPLES = 200_000
_CANDIDATES = np.linspace(0.3, 1.0, 15)[::-1]  # clipping points tried, as shares of the maximum
_FURTHER, _FEWEST = 0.9, 1e-6  # below these, geometrically
_BIAS_LIMIT = 1 << 30  # in steps of the accumulator; the other half is the products'
_DEAD_BIAS = 1 << 15  # the bias of a channel without weights, in steps of the accumulator
_INT32 = 1 << 31


class Observed:
    """One tensor's values on all images, thinned to what the search for its step needs.

    Members: `samples` float32[n], `owners` int32[n] (the image of each) and `peaks` float64[N],
    the largest magnitude of each image.

    Parameters
    ----------
    images : int
        How many there will be.
    size : int
        Values of one image.
    """

    def __init__(self, images: int, size: int):
        total = images * size
        self._size, self._done = size, 0
        self._all = total <= _SAMPLES
        self._chosen = np.arange(total) if self._all else \
            np.append(np.random.default_rng(0).choice(total, _SAMPLES), -1)  # the last: the peak
        self.samples = np.zeros(len(self._chosen), np.float32)
        self.owners = (self._chosen // size).astype(np.int32)
        self.peaks = np.zeros(images)
        self.low = 0.0

    def add(self, x: torch.Tensor) -> None:
        """Take in the next images' values [n, ...]."""
        flat = x.flatten(1)
        lowest = flat.amin(1)
        peaks = torch.maximum(flat.amax(1), -lowest).numpy()
        self.peaks[self._done:self._done + len(flat)] = peaks
        at = self._chosen - self._done * self._size
        here = (at >= 0) & (at < flat.numel())
        self.samples[here] = flat.reshape(-1).numpy()[at[here]]
        self.low = min(self.low, float(lowest.min()))
        if not self._all and peaks.max() > abs(self.samples[-1]):
            which = int(peaks.argmax())
            self.samples[-1] = peaks.max() if float(flat[which].max()) == peaks[which] else \
                -peaks.max()
            self.owners[-1] = self._done + which
        self._done += len(flat)

    def scale(self) -> float:
        """The step size that `best_scale` chooses."""
        return best_scale(self.samples, self.owners, self.peaks)

    def quantisation(self) -> Quantisation:
        """How it is best held, with a zero point: of what is never below 0 all 255 steps are above
        it, else they are shared out as the values are."""
        if self.low >= 0:
            return Quantisation(best_scale(self.samples, self.owners, self.peaks, 255), -128)
        middle = (float(self.samples.max()) + float(self.samples.min())) / 2
        moved = self.samples - np.float32(middle)
        peaks = np.maximum(self.peaks - abs(middle), 0)
        scale = best_scale(moved, self.owners, peaks) * _STEPS / (_STEPS + 0.5)
        zero = round(-middle / scale - 0.5)
        if zero <= -128 or zero >= 127:
            return Quantisation(best_scale(self.samples, self.owners, self.peaks), 0)
        return Quantisation(scale, zero)


def best_scale(values: np.ndarray, owners: np.ndarray, peaks: np.ndarray,
               steps: int = _STEPS) -> float:
    """Return the step size whose int8 rounding and clipping of the values loses least.

    What is lost is the mean square error. Where few images, less than a tenth, have a peak of more
    than three times that of the others, it would be theirs alone, so there it is the root mean
    square error of an image relative to the image, in the mean of all: one image that is far too
    bright is clipped rather than all others rounded away.

    Parameters
    ----------
    values : float[n]
    owners : int[n]
        The image that each value is of.
    peaks : float[N]
        The largest magnitude of each image.
    steps : int
        From 0 to the largest.
    """
    flat = np.abs(values.astype(np.float64))
    peak = float(flat.max(initial=0))
    if peak == 0:
        return 1.0 / steps
    flat /= peak
    usual = np.quantile(peaks[peaks > 0], _USUAL, method="higher")
    uneven = peaks.max() > _UNEVEN * usual
    own = np.bincount(owners, flat ** 2, len(peaks))  # of each image, as its error below

    def loss(error: np.ndarray) -> float:
        if not uneven:
            return float(np.mean(error ** 2))
        of_image = np.bincount(owners, error ** 2, len(peaks))
        return float(np.mean(np.sqrt(of_image[own > 0] / own[own > 0])))

    best, share = np.inf, 1.0
    for candidate in _shares():
        if loss(np.maximum(flat - candidate, 0)) > best:
            break  # what is clipped alone loses more, and ever more with what follows
        step = candidate / steps
        found = loss(flat - np.minimum(np.round(flat / step), steps) * step)
        if found <= best:
            best, share = found, candidate
    return float(peak * share / steps)


def _shares():
    """Clipping points to try, as shares of the maximum, downwards."""
    yield from _CANDIDATES
    share = _CANDIDATES[-1] * _FURTHER
    while share > _FEWEST:
        yield share
        share *= _FURTHER


# -- weights -----------------------------------------------------------------------------------
def weight_steps(weight: torch.Tensor, bias: torch.Tensor, in_scale: float) -> torch.Tensor:
    """Return the step of each output channel's weights: the largest one is 127 steps.

    Steps are coarser where the bias, which has steps of in_scale * step, or the sum of all
    products would not fit the accumulator else. A channel without weights has the step that
    gives its bias 15 bits.

    Parameters
    ----------
    weight : float32[out, ...]
    bias : float32[out]
    in_scale : float
        Step size of the layer's input.

    Returns
    -------
    float64[out]
    """
    flat, held = weight.detach().flatten(1), bias.detach().double().abs() / in_scale
    pieces = flat.split(256)  # a layer may have 10^8 weights
    peak = torch.cat([torch.linalg.vector_norm(x, float("inf"), dim=1) for x in pieces]).double()
    steps = torch.where(peak > 0, torch.maximum(peak / _STEPS, held / _BIAS_LIMIT),
                        held / _DEAD_BIAS)
    steps = torch.where(steps > 0, steps, 1.0)
    total = torch.cat([torch.linalg.vector_norm(x, 1, dim=1, dtype=torch.float64)
                       for x in pieces])
    # rounding adds half a step to a weight at most
    doubtful = 128 * (total / steps + flat.shape[1] / 2) + held / steps + 1 >= _INT32
    for channel in doubtful.nonzero().flatten().tolist():
        steps[channel] = _fitting(flat[channel], float(held[channel]), steps[channel])
    return steps


def _fitting(weight: torch.Tensor, held: float, step: torch.Tensor) -> torch.Tensor:
    """Return the step, or a coarser one with which the int32 accumulator cannot overflow."""
    while True:
        whole = round_weights(weight[None], step[None])
        reach = 128 * float(whole.abs().sum(dtype=torch.float64)) + round(held / float(step))
        if reach < _INT32:
            return step
        step = step * max(reach / _INT32, 1.01)


def round_weights(weight: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Return weights [out, ...] in whole steps float64[out], halves to even, within int8."""
    column = steps.to(weight.dtype).reshape(-1, *[1] * (weight.ndim - 1))
    return torch.round(weight / column).clamp(-_STEPS, _STEPS)
