"""How a network's integers and onnxruntime's numbers differ, each layer by itself."""

import argparse
import json
import math
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from rich.table import Table
from rich.text import Text

from hw.support.arguments import given
from hw.support.console import console, print_next
from hw.support.files import check_outputs
from sw.fuse.fuse import trace
from sw.graph.floating import FloatGraph
from sw.graph.integer import INPUT, IntegerGraph, Layer
from sw.graph.joins import Join, corners
from sw.graph.quantisation import Quantisation
from sw.ir.graph import Graph
from sw.networks.naming import Kind, Origin
from sw.networks.seeded import within
from sw.onnx.capture import read_onnx
from sw.onnx.runtime import Runtime
from sw.quantise.equalise import channel_factors
from sw.quantise.post_training import quantise
from sw.quantise.scaled import Factors, Scaled
from sw.reference.floating import run_float_layer
from sw.reference.golden import joined, run_layer
from sw.terminal.console import deliver
from sw.terminal.options import as_typed
from sw.terminal.progress import StepProgress
from sw.terminal.reads import files_read

from .agreed import EQUAL, Agreement, Sums
from .choice import Choice
from .described import described

__all__ = ["compare_as_asked", "compared"]

_SCHEMA = "partita.agree"
#: How many images are drawn where there are none.
IMAGES = 4


class _Values:
    """What layers read for one image: onnxruntime's tensors as int8, and a layer's own output where
    the file has no tensor of it; channels are divided by `factors`, as the graph's are."""

    def __init__(self, graph: IntegerGraph, tensors: dict[str, str],
                 factors: Mapping[str, np.ndarray], found: dict[str, np.ndarray]):
        self.graph = graph
        self.exact = {value: found[name].reshape(graph.value_shape(value))
                      for value, name in tensors.items()}
        self.exact |= {value: self.exact[value] / by[:, None, None]
                       for value, by in factors.items() if value in self.exact}
        for join in graph.joins:
            if join.name in tensors:
                for part, array in _parts(graph, join, self.exact.pop(join.name)):
                    self.exact.setdefault(part, array)
        self.codes = {value: _codes(array, graph.held[value])
                      for value, array in self.exact.items()}

    def run(self, k: int, layer: Layer) -> np.ndarray:
        """What a layer gives."""
        inputs = [joined(self.graph, source, self.codes) for source in self.graph.inputs(k)]
        found = run_layer(layer, *inputs)
        self.codes.setdefault(layer.name, found)
        return found

    def run_exactly(self, k: int, network: FloatGraph) -> np.ndarray:
        """What it would give in real numbers, of the integers that it reads."""
        layer = network.layers[k]
        inputs = [torch.from_numpy(joined(network, source, {
            part: self._real(part) for part in network.parts(source)}))[None]
            for source in network.inputs(k)]
        y = run_float_layer(layer, inputs[0], torch.from_numpy(layer.weight).double(),
                            torch.from_numpy(layer.bias).double(), inputs[1:])
        return y[0].numpy()

    def _real(self, value: str) -> np.ndarray:
        held = self.graph.held[value]
        return (self.codes[value].astype(np.float64) - held.zero_point) * held.scale


def _parts(graph: IntegerGraph, join: Join, whole: np.ndarray,
           ) -> Iterator[tuple[str, np.ndarray]]:
    """What of a join's value is of which part."""
    (rows, columns), first = join.by, 0
    for k, part in enumerate(join.sources):
        if join.tiled:
            _, high, wide = graph.value_shape(part)
            top, left = corners([graph.value_shape(x) for x in join.sources], join.by)[k]
            yield part, whole[:, top:top + high, left:left + wide]
            continue
        if join.by != (1, 1):
            yield part, whole[:, k // columns::rows, k % columns::columns]
            continue
        past = first + graph.value_shape(part)[0]
        yield part, whole[first:past]
        first = past


def _codes(array: np.ndarray, held: Quantisation) -> np.ndarray:
    """int8 of a tensor: of the same numbers, of uint8 128 more, or of real ones."""
    if array.dtype == np.uint8:
        return (array.astype(np.int16) - 128).astype(np.int8)
    if array.dtype == np.int8:
        return array
    whole = np.floor(array.astype(np.float64) / held.scale + 0.5) + held.zero_point
    return np.clip(whole, held.low, held.high).astype(np.int8)


def compared(path: Path, traced: tuple[FloatGraph, dict[str, str]], tensors: dict[str, str],
             images: np.ndarray, tell: Callable[[str], None] = lambda text: None,
             ) -> tuple[bool, list[Agreement]]:
    """Compare a file's layers, each fed with onnxruntime's inputs.

    Parameters
    ----------
    path : an ONNX file
    traced : its layers, and the tensors that they give, as `trace` tells
    tensors : what `read_onnx` gives of it
    images : float[N, ...] as it takes them
    tell : called with how far it is

    Returns
    -------
    Whether the file is quantised already, and its layers, worst first; those alone of which the
    file has a tensor.

    Raises
    ------
    ToolMissingError, UnsupportedLayer, QuantiseError
    """
    network, values = traced
    quantised, factors = network.given is not None, Factors().outputs
    shown = images.reshape(-1, *network.in_shape)
    if not quantised:
        like = channel_factors(network, shown)
        network, factors = Scaled(network, like).whole(), like.outputs
    graph = quantise(network, shown, equal=False)
    known = {INPUT, *graph.numbers, *(join.name for join in graph.joins)}
    wanted = {value: tensors[name] for value, name in values.items()
              if name in tensors and value in known}
    of = {part: wanted[x.name] for x in graph.joins if x.name in wanted for part in x.sources}
    of |= wanted
    runtime, sums = Runtime(path, wanted.values()), {name: Sums() for name in of}
    for number, image in enumerate(images, 1):
        tell(f"image {number} of {len(images)}")
        seen = _Values(graph, wanted, factors, runtime.run(image))
        for k, layer in enumerate(graph.layers):
            found = seen.run(k, layer)
            if layer.name in of:
                exact = seen.exact[layer.name]
                expected = exact if exact.dtype.kind == "f" else seen.codes[layer.name]
                sums[layer.name].add(found, expected, graph.held[layer.name],
                                     seen.run_exactly(k, network))
    results = [sums[x.name].result(x.name, of[x.name]) for x in graph.layers if x.name in of]
    return quantised, sorted(results, key=lambda x: (-x.largest, x.equal) if quantised
                             else (x.signal_db, 0))


# -- as a command ----------------------------------------------------------------------------------
def compare_as_asked(args: argparse.Namespace) -> int:
    """Do what `sw.agree`'s arguments ask for, and return the exit code; errors are raised."""
    check_outputs(files_read(args), save=(args.save, _SCHEMA))
    inputs = None if args.inputs is None else _load(args.inputs)
    with StepProgress(quiet=args.quiet) as progress:
        progress.say("reading the network")
        imported, tensors = read_onnx(args.network, args.input_shape)
        traced = trace(imported)
        images, source = _images(args, imported, traced[0], inputs)
        progress.say("comparing it with onnxruntime")
        quantised, layers = compared(args.network, traced, tensors, images, progress.update)
    agrees = all(x.is_rounding for x in layers)
    result = json.dumps({
        "schema": _SCHEMA, "version": 1, "model": str(args.network),
        "quantised": quantised, "rounding_alone": agrees, "images": len(images),
        "source": source, "layers": [asdict(x) | {"equal": x.equal, "signal_db":
                                x.signal_db if math.isfinite(x.signal_db) else None}
                   for x in layers]}, indent=2)
    following = shlex.join(["python", "-m", "sw.check", str(args.network),
                            *as_typed(args, ["--input-shape"])])
    deliver(result, lambda: _show(args.network, quantised, layers, source, following),
            {args.save: lambda: result}, as_json=args.json, quiet=args.quiet)
    return int(quantised and not agrees)


def _images(args: argparse.Namespace, network: Graph, layers: FloatGraph,
            inputs: np.ndarray | None) -> tuple[np.ndarray, str]:
    """Images float32[N, ...] as a network takes them: the first of --inputs, or random ones within
    the limits that the model says; and what they are, in words."""
    shape = network.input.shape
    if inputs is None:
        drawn = np.random.default_rng(args.seed).standard_normal((args.images or IMAGES, *shape))
        limits = described(Choice(Origin(str(args.network), Kind.ONNX)), layers).limits
        if limits is None:
            return drawn.astype(np.float32), (
                f"{len(drawn)} random images of mean 0 and deviation 1, as the model does not say "
                "what it takes: --inputs gives it real ones")
        low, high = limits
        return within(drawn, limits), (f"{len(drawn)} random images from {low:.3g} to {high:.3g}, "
                                       "as the model takes: --inputs gives it real ones")
    with given("--inputs", args.inputs):
        if inputs.shape[1:] != shape or not len(inputs):
            raise ValueError(f"images are {list(inputs.shape)}; {network.name} takes "
                             f"[N, {', '.join(map(str, shape))}]")
    if (args.images or 0) > len(inputs):
        raise ValueError(f"--images is {args.images}; {args.inputs} has {len(inputs)}")
    images = inputs[:args.images].astype(np.float32)
    return images, f"{len(images)} images of {args.inputs}"


def _load(path: Path) -> np.ndarray:
    try:
        images = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        with given("--inputs", path):
            raise ValueError(f"no array that numpy can read: {error}") from None
    if isinstance(images, np.lib.npyio.NpzFile):
        with images, given("--inputs", path):
            name = "images" if "images" in images else next(iter(images), "images")
            raise ValueError("it holds arrays by name, as --data takes them, and --inputs takes "
                             "one: numpy.save('images.npy', "
                             f"numpy.load({path.name!r})[{name!r}]) makes that, of images as the "
                             "model takes them")
    if not isinstance(images, np.ndarray) or images.dtype.kind not in "fiub":
        with given("--inputs", path):
            raise ValueError("it must be one array of real numbers")
    return images


def _show(model: Path, quantised: bool, layers: list[Agreement], source: str,
          following: str) -> None:
    out = console()
    worst = layers[0]
    if not quantised:
        said = (f"int8 keeps {worst.signal_db:.1f} dB of signal over noise in the worst layer, "
                f"{worst.name}")
    elif all(x.is_rounding for x in layers):
        others = min(1 - (x.differing - x.halfway) / x.values for x in layers)
        said = ("what differs from onnxruntime is rounding alone: by 1, and in each layer in less "
                f"than {100 * (1 - EQUAL):.2f}% of what is not halfway ({100 * others:.3f}% equal "
                "at the least)")
    else:
        bad = [x.name for x in layers if not x.is_rounding]
        said = (f"more than rounding differs from onnxruntime, in {len(bad)} of {len(layers)} "
                f"layers: {', '.join(bad[:5])}")
    out.print(Text(f"{model}: {said}"), soft_wrap=True)
    table = Table("layer", "tensor", "values", "equal", "halfway", "largest", "signal / noise")
    for x in layers:
        table.add_row(Text(x.name), Text(x.tensor), f"{x.values:,}", f"{100 * x.equal:.3f}%",
                      f"{100 * x.halfway / x.values:.3f}%", str(x.largest),
                      f"{x.signal_db:.1f} dB" if math.isfinite(x.signal_db) else "")
    out.print(table)
    out.print(Text(source, style="dim"), soft_wrap=True)
    print_next(out, following)
