"""A file of `torch.export.save`, read without running anything that it holds.

`torch.export.load` unpickles example inputs, objects and, where a file says so, weights; it hands
texts of symbolic sizes to an interpreter of expressions, and looks operators up by any path below
`torch`. So a copy in memory is loaded in place of the file, of which only plain parts are taken:
the graph, with operators of ATen alone and each symbolic size as the number that it had at export,
and weights and constants that are stored as plain bytes.
"""

import io
import json
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from hw.support.reading import Field, parse_json

__all__ = ["ExportedError", "read_exported"]

#: Parts that are copied as they are, below the archive's own folder.
_PLAIN = re.compile(r"data/(weights/weight|constants/tensor)_\d+|archive_(format|version)"
                    r"|\.data/(version|serialization_id)|byteorder")
_GRAPH = "models/model.json"
_PAYLOADS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
#: Pickled: what the export was given as an example.
_EXAMPLE = "data/sample_inputs/model.pt"
#: Operators that a graph may name.
_TARGET = re.compile(r"torch\.ops\.aten\.\w+\.\w+|_operator\.(getitem|add|sub|mul|floordiv|neg|eq"
                     r"|ne|ge|gt|le|lt)|torch\.sym_(int|float|not|max|min)")
_MOST_BYTES = 1 << 33
_MOST_GRAPH = 1 << 27
_REMEDY = "write it with torch.export.save of this version of torch, or give FILE.py:callable"


class ExportedError(ValueError):
    """A file that is no exported program, or one that cannot be read without running it."""


def read_exported(path: Path) -> tuple[torch.nn.Module, tuple[int, int, int]]:
    """Return the module that a file holds, and the shape of one image of its input.

    Raises
    ------
    OSError
        If it cannot be read.
    ExportedError
    """
    path.open("rb").close()  # for an error with its name if it cannot be read
    copy = _plain_copy(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.load(copy)
            module: Any = program.module(check_guards=False)
    except Exception as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise ExportedError(f"{path}: torch cannot read it: {said[:300]}; {_REMEDY}") from error
    module._forward_pre_hooks.clear()  # they hold the batch of the export
    given = set(program.graph_signature.user_inputs)
    images = [node.meta["val"] for node in program.graph.nodes
              if node.op == "placeholder" and node.name in given]
    if len(images) != 1 or not isinstance(images[0], torch.Tensor) or images[0].ndim < 2:
        raise ExportedError(f"{path}: takes {len(images)} inputs; it must take one batch of images")
    shape = [int(n) for n in images[0].shape[1:]]
    if len(shape) > 3:
        raise ExportedError(f"{path}: takes {list(images[0].shape)}; it must be [N, C, H, W]")
    rows, columns = (shape[1:] if len(shape) == 3 else (1, shape[1]) if len(shape) == 2 else (1, 1))
    return module, (shape[0], rows, columns)


def _plain_copy(path: Path) -> io.BytesIO:
    """A file with its plain parts alone."""
    copy = io.BytesIO()
    try:
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(copy, "w") as plain:
            if sum(x.file_size for x in archive.infolist()) > _MOST_BYTES:
                raise ExportedError(f"{path}: is of more than {_MOST_BYTES:,} bytes")
            parts = {x.filename.partition("/")[2]: x for x in archive.infolist()}
            if _GRAPH not in parts:
                raise ExportedError(f"{path}: is no program of torch.export; {_REMEDY}")
            for name, entry in parts.items():
                plain.writestr(entry.filename, _part(path, archive, name, entry))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ExportedError(f"{path}: is no program of torch.export: {error}; {_REMEDY}") from None
    copy.seek(0)
    return copy


def _part(path: Path, archive: zipfile.ZipFile, name: str, entry: zipfile.ZipInfo) -> bytes:
    if name == _EXAMPLE:
        return b""
    if name == _GRAPH:
        if entry.file_size > _MOST_GRAPH:
            raise ExportedError(f"{path}: its graph is of more than {_MOST_GRAPH:,} bytes")
        return _plain_graph(parse_json(archive.read(entry), path, "a graph", ExportedError))
    if name in _PAYLOADS:
        data = archive.read(entry)
        for key, payload in parse_json(data, path, "a table", ExportedError)[
                "config"].entries().items():
            if payload["use_pickle"].flag():
                raise ExportedError(f"{path}: {key} is stored as a pickle, which runs code when it "
                                    "is read; " + _REMEDY)
            _plain_path(payload["path_name"])
        return data
    if not _PLAIN.fullmatch(name):
        raise ExportedError(f"{path}: holds {name[:200]!r}, which may run code when it is read; "
                            + _REMEDY)
    return archive.read(entry)


def _plain_path(field: Field) -> None:
    if not re.fullmatch(r"(weight|tensor)_\d+", field.text()):
        field.refuse("the name of a tensor's part")


def _plain_graph(graph: Field) -> bytes:
    """A graph of ATen's operators, with numbers in place of symbolic sizes."""
    for node in graph["graph_module"]["graph"]["nodes"].items():
        target = node["target"].text()
        if not _TARGET.fullmatch(target):
            raise ExportedError(f"{graph.file}: node {node['name'].text()!r} calls "
                                f"{target[:100]!r}; only operators of ATen are read")
        stack = node["metadata"].value
        kept = stack.get("nn_module_stack") if isinstance(stack, dict) else None
        node.value["metadata"] = {} if kept is None else {"nn_module_stack": kept}
    value = _numbers(graph, graph.value)
    value["range_constraints"] = {}
    value["guards_code"] = []
    return json.dumps(value).encode()


def _numbers(graph: Field, value: Any) -> Any:
    """A value in which each expression is the number that it had."""
    if isinstance(value, list):
        return [_numbers(graph, x) for x in value]
    if not isinstance(value, dict):
        return value
    if "as_expr" in value:
        expression = Field(value, graph.file, "a size", ExportedError)
        hint = expression["as_expr"]["hint"]
        if hint.has("as_int"):
            return {"as_int": hint["as_int"].integer(-1 << 40, 1 << 40)}
        hint.refuse("a number: export it with an example")
    if "expr_str" in value:
        raise ExportedError(f"{graph.file}: has an expression where a number is meant; {_REMEDY}")
    return {key: _numbers(graph, x) for key, x in value.items()}
