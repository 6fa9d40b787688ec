"""Integer networks in safetensors files: int8 weights and what requantises them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from hw.support.files import save_file
from hw.support.reading import Field, parse_json

from .integer import GraphError, IntegerGraph, Join, Layer, Output, Pool, Term

__all__ = ["load_integer", "save_integer"]

#: Version 2 has edges: sources, terms and joins; files of version 1, chains, are read, too.
#: Version 3 has strides by axis, dilation, pad values and offsets, version 4 tables and joins that
#: interleave; version 5 factors, joins of tiles, padding below 0 and several outputs.
ARTEFACT_VERSION, _OLDEST = 5, 1
_NAME = "partita.integer-network"
#: Tensors of a layer -> their type in a file.
_TENSORS = {"weight": "I8", "bias": "I32", "mult": "U16", "shift": "U8"}
_MOST_SIDE = 1 << 20
_LEAST_SCALE = 1e-30
_SCALARS = ("low", "high", "stride", "padding", "groups", "in_shape", "conv_shape", "out_shape",
            "pruned", "dense_macs", "epsilon", "dilation", "pad_value", "offset")
_TERM = ("source", "stride", "padding", "groups", "in_shape", "dilation", "pad_value")


def save_integer(graph: IntegerGraph, path: Path | str) -> None:
    """Write an integer network, whole or not at all."""
    tensors = {f"{x.name}.{t}": np.ascontiguousarray(getattr(x, t))
               for x in graph.layers for t in _TENSORS}
    tensors |= {f"{x.name}.term{n}": np.ascontiguousarray(term.weight)
                for x in graph.layers for n, term in enumerate(x.terms)}
    tensors |= {f"{x.name}.table": np.ascontiguousarray(x.table)
                for x in graph.layers if x.table is not None}
    layers = [{"name": x.name, **{s: getattr(x, s) for s in _SCALARS},
               "pool": None if x.pool is None else
               [x.pool.kernel, x.pool.stride, x.pool.padding, x.pool.out], "source": x.source,
               "factors": x.factors,
               "terms": [{s: getattr(term, s) for s in _TERM} for term in x.terms]}
              for x in graph.layers]
    description = json.dumps({
        "version": ARTEFACT_VERSION, "name": graph.name, "input_scale": graph.input_scale,
        "output_scale": graph.output_scale, "input_zero": graph.input_zero,
        "output_zero": graph.output_zero, "layers": layers,
        "joins": [{"name": x.name, "sources": x.sources, "by": x.by, "tiled": x.tiled}
                  for x in graph.joins],
        "outputs": [{"name": x.name, "layer": x.layer, "scale": x.scale,
                     "zero_point": x.zero_point} for x in graph.outputs]})
    save_file(Path(path), save(tensors, {_NAME: description}))


def load_integer(path: Path | str) -> IntegerGraph:
    """Read what `save_integer` wrote, and check it as any network.

    Raises
    ------
    GraphError
        If the file is no integer network, or one that breaks a rule.
    """
    Path(path).open("rb").close()  # for an error with its name if it cannot be read
    try:
        with safe_open(path, "np") as file:
            description = (file.metadata() or {}).get(_NAME)
            if description is None:
                raise GraphError(f"{path}: not an integer network of this project")
            data = parse_json(description, path, "an integer network", GraphError)
            if data["version"].value not in range(_OLDEST, ARTEFACT_VERSION + 1):
                raise GraphError(f"{path}: is of version {data['version'].value!r:.40}; this "
                                 f"program reads versions {_OLDEST} to {ARTEFACT_VERSION}")
            names = set(file.keys())
            joins = data["joins"].items() if data.has("joins") else []
            graph = IntegerGraph(
                data["name"].text(),
                tuple(_layer(entry, file, names) for entry in data["layers"].items()),
                data["input_scale"].number(_LEAST_SCALE, 1 / _LEAST_SCALE),
                data["output_scale"].number(_LEAST_SCALE, 1 / _LEAST_SCALE),
                tuple(Join(x["name"].text(), tuple(y.text() for y in x["sources"].items()),
                           x["by"].pair(1, _MOST_SIDE) if x.has("by") else (1, 1),
                           x.has("tiled") and x["tiled"].flag())
                      for x in joins),
                _zero(data, "input_zero"), _zero(data, "output_zero"),
                outputs=tuple(map(_output, data["outputs"].items() if data.has("outputs") else ())))
    except (SafetensorError, OSError) as error:
        raise GraphError(f"{path}: not an integer network: {error}") from None
    try:
        graph.validate()
    except GraphError as error:
        raise GraphError(f"{path}: {error}") from None
    return graph


def _output(entry: Field) -> Output:
    return Output(entry["name"].text(), entry["layer"].text(),
                  entry["scale"].number(_LEAST_SCALE, 1 / _LEAST_SCALE), _zero(entry, "zero_point"))


def _zero(data: Field, which: str) -> int:
    """Files before them have none."""
    return data[which].integer(-128, 127) if data.has(which) else 0


def _layer(entry: Field, file: safe_open, names: set[str]) -> Layer:
    name = entry["name"].text()
    tensors = {tensor: _tensor(entry, file, names, f"{name}.{tensor}", kind)
               for tensor, kind in _TENSORS.items()}
    shapes = {s: _shape(entry[s]) for s in ("in_shape", "conv_shape", "out_shape")}
    numbers = {s: entry[s].integer(-128, 127) for s in ("low", "high")} | {
        "groups": entry["groups"].integer(1, _MOST_SIDE)}
    numbers["dense_macs"] = entry["dense_macs"].integer(0, 1 << 62)
    # Files before it have none.
    numbers["epsilon"] = entry["epsilon"].integer(0, 127) if entry.has("epsilon") else 0
    numbers["offset"] = entry["offset"].integer(-128, 127) if entry.has("offset") else 0
    pool = None
    if entry["pool"].value is not None:
        pool = Pool(*(pair.pair(0, _MOST_SIDE) for pair in entry["pool"].items(4)))
    source, terms = None, []
    if entry.has("source"):  # and terms, both from version 2 on
        source = None if entry["source"].value is None else entry["source"].text()
        terms = [Term(term["source"].text(),
                      _tensor(entry, file, names, f"{name}.term{n}", "I8"),
                      groups=term["groups"].integer(1, _MOST_SIDE),
                      in_shape=_shape(term["in_shape"]), conv_shape=shapes["conv_shape"],
                      **_steps(term)) for n, term in enumerate(entry["terms"].items())]
    fields: dict[str, Any] = {**tensors, **shapes, **numbers, **_steps(entry)}
    factors = entry["factors"] if entry.has("factors") else None
    table = f"{name}.table"
    return Layer(name, **fields, pool=pool, pruned=entry["pruned"].flag(), source=source,
                 terms=tuple(terms),
                 factors=None if factors is None or factors.value is None else factors.text(),
                 table=_tensor(entry, file, names, table, "I8") if table in names else None)


def _steps(entry: Field) -> dict[str, Any]:
    """How a convolution goes over its input. Before version 3 one stride is that of both axes."""
    stride = entry["stride"]
    found: dict[str, Any] = {"padding": entry["padding"].pair(-_MOST_SIDE, _MOST_SIDE)}
    if not entry.has("dilation"):
        return found | {"stride": (stride.integer(1, _MOST_SIDE),) * 2}
    return found | {"stride": stride.pair(1, _MOST_SIDE),
                    "dilation": entry["dilation"].pair(1, _MOST_SIDE),
                    "pad_value": entry["pad_value"].integer(-128, 127)}


def _shape(field: Field) -> tuple[int, int, int]:
    channels, rows, columns = field.integers(1, _MOST_SIDE, 3)
    return channels, rows, columns


def _tensor(entry: Field, file: safe_open, names: set[str], name: str, kind: str) -> Any:
    if name not in names:
        raise GraphError(f"{entry.file}: tensor {name!r} is missing")
    if (found := file.get_slice(name).get_dtype()) != kind:
        raise GraphError(f"{entry.file}: tensor {name!r} is of type {found}; it must be of {kind}")
    return file.get_tensor(name)
