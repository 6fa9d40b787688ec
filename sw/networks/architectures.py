"""The networks: TinyVGG16 for Tiny ImageNet, and a slim one for digits."""

import itertools
import json
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from sw.data import DATA
from sw.graph.floating import FloatGraph, FloatLayer
from sw.reference.floating import run_float_layer

from .statistics import QUANTILES

__all__ = [
    "DIGITS_SHAPE",
    "PIXEL_DEVIATION",
    "PIXEL_MEAN",
    "TINYVGG16_SHAPE",
    "digits_partition",
    "natural_images",
    "slim_digits",
    "tinyvgg16",
    "trained_like",
]

#: Input of TinyVGG16: a 56x56 crop of a 64x64 image.
TINYVGG16_SHAPE = (3, 56, 56)
DIGITS_SHAPE = (1, 8, 8)
#: Of ImageNet's pixels by colour, from 0 to 1, as networks for it are normalised.
PIXEL_MEAN, PIXEL_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

STATISTICS = DATA / "tinyvgg16-statistics.json"

_TINYVGG16 = (("conv1_1", 64), ("conv1_2", 64), "pool", ("conv2_1", 128), ("conv2_2", 128), "pool",
              ("conv3_1", 256), ("conv3_2", 256), ("conv3_3", 256), "pool",
              ("conv4_1", 512), ("conv4_2", 512), ("conv4_3", 512))


def _convolutions(plan, channels: int, batch_norm: bool) -> OrderedDict:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for step in plan:
        if step == "pool":
            layers[f"pool{len(layers)}"] = nn.MaxPool2d(2)
            continue
        name, width = step
        layers[name] = nn.Conv2d(channels, width, 3, padding=1)
        if batch_norm:
            layers[f"bn_{name}"] = nn.BatchNorm2d(width)
        layers[f"relu_{name}"] = nn.ReLU()
        channels = width
    return layers


def _classifier(layers: OrderedDict, widths: list[int]) -> nn.Sequential:
    layers["flatten"] = nn.Flatten()
    for k, (inputs, outputs) in enumerate(itertools.pairwise(widths), 1):
        layers[f"fc{k}"] = nn.Linear(inputs, outputs)
        if k < len(widths) - 1:
            layers[f"relu_fc{k}"] = nn.ReLU()
            layers[f"drop{k}"] = nn.Dropout(0.5)
    return nn.Sequential(layers)


def tinyvgg16(*, width: float = 1.0, classes: int = 200, batch_norm: bool = False) -> nn.Module:
    """Return TinyVGG16: ten 3x3 convolutions to 512x7x7, then 4096, 2048 and the classes.

    The VGG-16 variant for Tiny ImageNet of github.com/pat-coady/tiny_imagenet. `width` scales
    every hidden layer, to multiples of 8.
    """
    def scaled(n: int) -> int:
        return max(8, round(n * width / 8) * 8)

    plan = [s if isinstance(s, str) else (s[0], scaled(s[1])) for s in _TINYVGG16]
    layers = _convolutions(plan, 3, batch_norm)
    return _classifier(layers, [scaled(512) * 49, scaled(4096), scaled(2048), classes])


def slim_digits() -> nn.Module:
    """Return a slim TinyVGG for 8x8 grey digits: four convolutions to 64x4x4, then 512, 256, 10."""
    plan = (("conv1_1", 32), ("conv1_2", 32), "pool", ("conv2_1", 64), ("conv2_2", 64))
    layers = _convolutions(plan, 1, batch_norm=True)
    return _classifier(layers, [64 * 4 * 4, 512, 256, 10])


def digits_partition(width: int) -> nn.Module:
    """Return one partition of a network for 8x8 grey digits that is trained incrementally.

    Four convolutions from `width` channels to twice as many, then 32 and 16 times as many; fully
    connected layers take most of the weights, as in TinyVGG16. The last layer has no bias, and no
    layer drop-out, as there is little to drop.
    """
    plan = (("conv1_1", width), ("conv1_2", width), "pool", ("conv2_1", 2 * width),
            ("conv2_2", 2 * width))
    net = _classifier(_convolutions(plan, 1, batch_norm=True),
                      [2 * width * 4 * 4, 32 * width, 16 * width, 10])
    net.drop1, net.drop2 = nn.Identity(), nn.Identity()
    net.fc3 = nn.Linear(16 * width, 10, bias=False)
    return net


def natural_images(count: int, shape: tuple[int, int, int], seed: int) -> np.ndarray:
    """Return smooth images float32[count, C, H, W] with the 1/f spectrum of photographs, about
    zero mean and unit variance, as normalised inputs have."""
    channels, rows, columns = shape
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.fftfreq(columns)[None, :])
    frequency[0, 0] = 1.0 / max(rows, columns)
    noise = np.fft.fft2(rng.standard_normal((count, channels, rows, columns)))
    # channels of a photograph are alike
    noise = 0.8 * noise[:, :1] + 0.6 * noise
    images = np.fft.ifft2(noise / frequency).real
    images -= images.mean(axis=(1, 2, 3), keepdims=True)
    return (images / images.std(axis=(1, 2, 3), keepdims=True)).astype(np.float32)


def trained_like(graph: FloatGraph, images: np.ndarray, seed: int,
                 say: Callable[[str], None] = lambda text: None) -> FloatGraph:
    """Return the graph with seeded weights that have the statistics of trained ones.

    What a trained TinyVGG16 of reduced width showed on Tiny ImageNet is in
    `sw/data/tinyvgg16-statistics.json` (written by `sw.train`): per layer the distribution of
    weights, the spread of channel norms, and the share of zeros after ReLU by channel. Weights
    are drawn from it, and biases set on the images so that as many outputs are zero.

    Parameters
    ----------
    graph : FloatGraph
        Layers by the names in the statistics.
    images : float32[N, C, H, W] that the biases are set on
    seed : int
    """
    rng = np.random.default_rng(seed)

    def weight(layer: FloatLayer, known: dict) -> np.ndarray:
        say(f"seeding weights: {layer.name}")
        return _drawn(layer.weight.shape, known, rng)

    return _with_zeros(graph, images, weight, rng)


def with_trained_zeros(graph: FloatGraph, images: np.ndarray, seed: int,
                       say: Callable[[str], None] = lambda text: None) -> FloatGraph:
    """Return a network of `trained_like` that has been pruned since, its biases set anew, so that
    as many outputs are zero as training leaves; parameters as there."""
    def weight(layer: FloatLayer, known: dict) -> np.ndarray:
        say(f"setting biases: {layer.name}")
        return layer.weight.copy()

    return _with_zeros(graph, images, weight, np.random.default_rng(seed))


def _with_zeros(graph: FloatGraph, images: np.ndarray,
                weight: Callable[[FloatLayer, dict], np.ndarray],
                rng: np.random.Generator) -> FloatGraph:
    """The network with weights of its layers' own, given what trained layers showed, and biases
    that leave as many zeros."""
    graph.require_chain("seeding weights")
    statistics = {x["name"]: x for x in json.loads(STATISTICS.read_text())["layers"]}
    x = torch.as_tensor(images)
    layers = []
    for layer in graph.layers:
        known = statistics[layer.name]
        layer, x = _settled(replace(layer, weight=weight(layer, known)), x, known, rng)
        layers.append(layer)
    return graph.with_layers(layers)


def _drawn(shape: tuple[int, ...], known: dict, rng: np.random.Generator) -> np.ndarray:
    """Weights float32[shape] of a layer's distribution and spread of channel norms."""
    out, fan_in = shape[0], math.prod(shape[1:])
    norms = np.interp(rng.random(out), QUANTILES, known["norm"]).astype(np.float32)
    weight = np.empty(shape, np.float32)
    for start in range(0, out, 256):
        piece = weight[start:start + 256]
        drawn = np.interp(rng.random(piece.size, np.float32), QUANTILES, known["weight"])
        piece[...] = drawn.reshape(piece.shape)
        piece *= (norms[start:start + 256] / np.sqrt(fan_in, dtype=np.float32)
                  )[:, None, None, None]
    return weight


def _settled(layer: FloatLayer, x: torch.Tensor, known: dict, rng: np.random.Generator,
             ) -> tuple[FloatLayer, torch.Tensor]:
    """A layer with biases that leave its share of zeros on inputs x, and what it gives, weights
    and biases scaled in place so that this has unit scale, as normalisation does."""
    out = layer.weight.shape[0]
    layer = replace(layer, bias=np.zeros(out, np.float32))
    with torch.no_grad():
        if known["zeros"] is not None:
            plain = replace(layer, low=None, high=None)  # pooled, as the zeros were counted
            before = run_float_layer(plain, x).numpy()
            share = np.clip(np.interp(rng.random(out), QUANTILES, known["zeros"]), 0, 1)
            if before.shape[2] > 1:
                bias = [-np.quantile(before[:, c], share[c]) for c in range(out)]
            else:  # a fully connected layer has few samples per channel
                bias = -np.quantile(before, share)
            layer = replace(layer, bias=np.asarray(bias, np.float32))
        x = run_float_layer(layer, x)
        scale = float(x.square().mean().sqrt()) or 1.0
        layer = replace(layer, bias=layer.bias / scale)
        layer.weight[...] /= scale
        return layer, x / scale
