"""Integer networks in safetensors files: int8 weights and what requantises them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from hw.files import save_file

from .graph import GraphError, IntegerGraph, Layer, Pool

__all__ = ["ARTEFACT_VERSION", "load_integer", "save_integer"]

ARTEFACT_VERSION = 1
_NAME = "partita.integer-network"
_TENSORS = ("weight", "bias", "mult", "shift")
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
    try:
        with safe_open(path, "np") as file:
            description = (file.metadata() or {}).get(_NAME)
            if description is None:
                raise GraphError(f"{path}: not an integer network of this project")
            data = json.loads(description)
            if data["version"] != ARTEFACT_VERSION:
                raise GraphError(f"{path}: is of version {data['version']}; this program reads "
                                 f"version {ARTEFACT_VERSION}")
            layers = []
            for entry in data["layers"]:
                name = str(entry["name"])
                tensors = {t: file.get_tensor(f"{name}.{t}") for t in _TENSORS}
                pool = None
                if entry["pool"] is not None:
                    pool = Pool(*((int(a), int(b)) for a, b in entry["pool"]))
                shapes = {s: tuple(int(n) for n in entry[s])
                          for s in ("padding", "in_shape", "conv_shape", "out_shape")}
                numbers = {s: int(entry[s])
                           for s in ("low", "high", "stride", "groups", "dense_macs")}
                numbers["epsilon"] = int(entry.get("epsilon", 0))  # files before it have none
                fields: dict[str, Any] = {**tensors, **shapes, **numbers}
                layers.append(Layer(name, **fields, pool=pool, pruned=bool(entry["pruned"])))
            graph = IntegerGraph(str(data["name"]), tuple(layers), float(data["input_scale"]),
                                 float(data["output_scale"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, GraphError):
            raise
        raise GraphError(f"{path}: not an integer network: {error}") from None
    graph.validate()
    return graph
