"""Integer networks in safetensors files: int8 weights and what requantises them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from hw.support.files import save_file
from hw.support.reading import Field, parse_json

from .integer import GraphError, IntegerGraph, Layer, Pool

__all__ = ["load_integer", "save_integer"]

ARTEFACT_VERSION = 1
_NAME = "partita.integer-network"
#: Tensors of a layer -> their type in a file.
_TENSORS = {"weight": "I8", "bias": "I32", "mult": "U16", "shift": "U8"}
_MOST_SIDE = 1 << 20
_LEAST_SCALE = 1e-30
_SCALARS = ("low", "high", "stride", "padding", "groups", "in_shape", "conv_shape", "out_shape",
            "pruned", "dense_macs", "epsilon")


def save_integer(graph: IntegerGraph, path: Path) -> None:
    """Write an integer network, whole or not at all."""
    tensors = {f"{x.name}.{t}": np.ascontiguousarray(getattr(x, t))
               for x in graph.layers for t in _TENSORS}
    layers = [{"name": x.name, **{s: getattr(x, s) for s in _SCALARS},
               "pool": None if x.pool is None else
               [x.pool.kernel, x.pool.stride, x.pool.padding, x.pool.out]} for x in graph.layers]
    description = json.dumps({
        "version": ARTEFACT_VERSION, "name": graph.name, "input_scale": graph.input_scale,
        "output_scale": graph.output_scale, "layers": layers})
    save_file(path, save(tensors, {_NAME: description}))


def load_integer(path: Path) -> IntegerGraph:
    """Read what `save_integer` wrote, and check it as any network.

    Raises
    ------
    GraphError
        If the file is no integer network, or one that breaks a rule.
    """
    path.open("rb").close()  # for an error with its name if it cannot be read
    try:
        with safe_open(path, "np") as file:
            description = (file.metadata() or {}).get(_NAME)
            if description is None:
                raise GraphError(f"{path}: not an integer network of this project")
            data = parse_json(description, path, "an integer network", GraphError)
            if data["version"].value != ARTEFACT_VERSION:
                raise GraphError(f"{path}: is of version {data['version'].value!r:.40}; this "
                                 f"program reads version {ARTEFACT_VERSION}")
            names = set(file.keys())
            graph = IntegerGraph(
                data["name"].text(),
                tuple(_layer(entry, file, names) for entry in data["layers"].items()),
                data["input_scale"].number(_LEAST_SCALE, 1 / _LEAST_SCALE),
                data["output_scale"].number(_LEAST_SCALE, 1 / _LEAST_SCALE))
    except (SafetensorError, OSError) as error:
        raise GraphError(f"{path}: not an integer network: {error}") from None
    try:
        graph.validate()
    except GraphError as error:
        raise GraphError(f"{path}: {error}") from None
    return graph


def _layer(entry: Field, file: safe_open, names: set[str]) -> Layer:
    name = entry["name"].text()
    tensors = {}
    for tensor, kind in _TENSORS.items():
        whole = f"{name}.{tensor}"
        if whole not in names:
            raise GraphError(f"{entry.file}: tensor {whole!r} is missing")
        if (found := file.get_slice(whole).get_dtype()) != kind:
            raise GraphError(f"{entry.file}: tensor {whole!r} is of type {found}; it must be of "
                             f"{kind}")
        tensors[tensor] = file.get_tensor(whole)
    shapes = {s: entry[s].integers(1, _MOST_SIDE, 3)
              for s in ("in_shape", "conv_shape", "out_shape")}
    shapes["padding"] = entry["padding"].integers(0, _MOST_SIDE, 2)
    numbers = {s: entry[s].integer(-128, 127) for s in ("low", "high")} | {
        s: entry[s].integer(1, _MOST_SIDE) for s in ("stride", "groups")}
    numbers["dense_macs"] = entry["dense_macs"].integer(0, 1 << 62)
    # Files before it have none.
    numbers["epsilon"] = entry["epsilon"].integer(0, 127) if entry.has("epsilon") else 0
    pool = None
    if entry["pool"].value is not None:
        pool = Pool(*(pair.pair(0, _MOST_SIDE) for pair in entry["pool"].items(4)))
    fields: dict[str, Any] = {**tensors, **shapes, **numbers}
    return Layer(name, **fields, pool=pool, pruned=entry["pruned"].flag())
