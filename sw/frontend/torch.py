"""Captures a PyTorch module with `torch.export`: as a graph of operators, then of layers.

`operators.py`, `larger.py`, `moving.py` and `quantised.py` have what is supported, by torch's
names. What is computed from stored numbers alone (masks of `torch.nn.utils.prune`, weight norm,
constants) is computed at once.
"""

import operator
import warnings
from functools import partial
from typing import Any

import torch
from torch import fx

from sw.fuse.fuse import fuse
from sw.graph.convolution import one_pixel
from sw.graph.floating import FloatGraph
from sw.graph.flow import expect
from sw.ir.errors import ImageShapeError, UnsupportedLayer
from sw.ir.graph import Graph, Node, Value
from sw.ir.held import Codes, Whole
from sw.ir.refusals import Refusals

from .call import BATCH, Call, kind_of
from .larger import LARGER
from .module import check_values, left_alone, one_image
from .moving import MOVING, SHARING
from .operators import INSTEAD, TABLE
from .quantised import QUANTISED, dequantise_stored

__all__ = ["UnsupportedLayer", "capture", "import_torch"]

_TABLES = TABLE | MOVING | LARGER
#: What torch does not check a batch of: of another than it was exported for, it writes anywhere.
_RECURRENT = {"lstm", "gru", "rnn_tanh", "rnn_relu"}


def capture(module: torch.nn.Module, in_shape: tuple[int, int, int],
            name: str | None = None) -> FloatGraph:
    """Capture a module in evaluation mode, as float32; the module is left as it was. Of one that
    PT2E has quantised its integers are captured with it, so that `quantise` needs no images.

    Parameters
    ----------
    module : torch.nn.Module
        Takes one tensor [N, C, H, W] (or [N, F], with `in_shape` (F, 1, 1), or [N, C, L], with
        (C, 1, L)).
    in_shape : (channels, rows, columns)
    name : str, optional

    Returns
    -------
    FloatGraph

    Raises
    ------
    FlowError
        If the module is none.
    UnsupportedLayer
        Naming the first layer and operator that cannot be run, and as `others` the rest.

    Warns
    -----
    CaptureNotice
        Of a softmax at the end, which is left to the host.
    """
    expect(module, torch.nn.Module, "capture")
    return fuse(import_torch(module, in_shape, name))


def import_torch(module: torch.nn.Module, in_shape: tuple[int, int, int],
                  name: str | None = None) -> Graph:
    """Return a module's operators, level IMPORTED; parameters and errors as of `capture`."""
    name = name or type(module).__name__
    shape = one_image(in_shape, name)
    check_values(module, name)
    with left_alone(module):
        return _Import(module, shape, name).run()


def _names(returned: Any) -> list[str]:
    """What a module's tensors are called: by keys of what it returns, or their places in it."""
    items = returned.items() if isinstance(returned, dict) else \
        enumerate(returned) if isinstance(returned, list | tuple) else None
    if items is None:
        return ["output"]
    found = []
    for key, inner in items:
        name = str(key) if isinstance(key, str) else f"output{key}"
        found += [name if inner == "output" else f"{name}.{inner}" for inner in _names(inner)]
    return found


class _Import:
    """Walks the exported graph; `nodes` grows as operators come."""

    def __init__(self, module: torch.nn.Module, in_shape: tuple[int, int, int], name: str):
        tensors = [*module.parameters(), *module.buffers()]
        like = next((t for t in tensors if t.is_floating_point()), torch.empty(0))
        example = torch.zeros(BATCH, *in_shape, dtype=like.dtype, device=like.device)
        runs = False
        for node in module.graph.nodes if isinstance(module, fx.GraphModule) else ():
            if node.op == "call_function" and kind_of(node).split(".")[0] in _RECURRENT:
                raise UnsupportedLayer(f"layer {node.name}: operator {kind_of(node)} is not "
                                       "supported")
        try:
            if one_pixel(in_shape) and not self._takes(module, example):
                example = example.flatten(1)  # a network of vectors takes [N, F]
            elif in_shape[1] == 1 and not self._takes(module, example):
                example = example.flatten(2)  # and one of rows [N, C, L]
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore")
                module(example.clone())  # an eager error is plainer than one from the export
                runs = True
                self.program = torch.export.export(module, (example,), strict=False)
        except Exception as error:
            # what torch finds wrong with sizes is one of these
            mistaken = not runs and isinstance(error, RuntimeError | ValueError)
            if mistaken and self._takes(module, example[:1]):
                raise UnsupportedLayer(
                    f"network {name}: takes one image at a time, and it is captured for any number:"
                    " leave the batch open, as by x.flatten(1) for x.view(1, -1), or by "
                    "dynamic_shapes of torch.export") from error
            raise (ImageShapeError if mistaken else UnsupportedLayer)(
                f"network {name}: torch.export cannot capture it: "
                f"{(str(error) or type(error).__name__).splitlines()[0]}; it was given images of "
                f"{list(in_shape)} (in_shape, --input-shape)") from error
        self.name = name
        self.input = Value("", tuple(example.shape[1:]))
        self.nodes: list[Node] = []
        self.known: dict[fx.Node, Any] = {}

    @staticmethod
    def _takes(module: torch.nn.Module, example: torch.Tensor) -> bool:
        try:
            with torch.no_grad():
                module(example.clone())
        except Exception:
            return False
        return True

    def run(self) -> Graph:
        signature = self.program.graph_signature
        named = {**dict(self.program.named_parameters()), **dict(self.program.named_buffers()),
                 **self.program.constants}
        targets = {**signature.inputs_to_parameters, **signature.inputs_to_buffers,
                   **signature.inputs_to_lifted_tensor_constants}
        given: list[Any] = []
        refusals = Refusals()
        for node in self.program.graph.nodes:
            if node.op == "placeholder":
                if node.name in targets:
                    self.known[node] = named[targets[node.name]].detach()
                elif self.input.name:
                    raise UnsupportedLayer(f"network {self.name}: takes more than one input")
                else:
                    self.input = Value(node.name, self.input.shape)
                    self.known[node] = self.input
            elif node.op == "call_function":
                self.known[node] = refusals.tried(partial(self._call, node),
                                                  partial(self._stand_in, node))
            elif node.op == "output":
                given = [self.known.get(x) if isinstance(x, fx.Node) else x for x in node.args[0]]
        refusals.settle()
        names = _names(self.program.call_spec.out_spec.unflatten(list(range(len(given)))))
        for found, name in zip(given, names, strict=True):
            if not isinstance(found, Value):
                raise UnsupportedLayer(f"network {self.name}: its output {name} is no tensor that "
                                       "is computed from its input; return such alone")
        if not given:
            raise UnsupportedLayer(f"network {self.name}: returns nothing")
        first, *more = [found.name for found in given]
        graph = Graph(self.name, self.input, tuple(self.nodes), first, tuple(more), tuple(names))
        return graph.pruned(graph.nodes)

    @staticmethod
    def _stand_in(node: fx.Node) -> Any:
        """Values of the shapes that torch says a node's results have; None where it does not."""
        def value(found: Any, name: str) -> Value | None:
            several = isinstance(found, torch.Tensor) and found.ndim > 1
            return Value(name, tuple(int(n) for n in found.shape[1:])) if several else None

        found = node.meta.get("val")
        if isinstance(found, list | tuple):
            return [value(x, f"{node.name}/{k}") for k, x in enumerate(found)]
        return value(found, node.name)

    def _call(self, node: fx.Node) -> Any:
        call = Call(node, self.known, self.nodes)
        if node.target is operator.getitem:
            several, k = call.resolve(node.args)
            if several[k] is None and node.users:
                call.refuse("the places of the largest values are not known; only the values are")
            return several[k]
        name = call.kind.split(".")[0]
        if name.startswith("_assert"):
            return None
        if not self._values(call.resolve(list(node.args) + list(node.kwargs.values()))):
            return dequantise_stored(call) if name.startswith("dequantize_per_") else \
                self._constant(call)
        if name in QUANTISED:
            return QUANTISED[name](call)
        if name.endswith("_"):
            self._check_in_place(call)
            name = name.rstrip("_")
        if name not in _TABLES:
            instead = INSTEAD.get(name)
            call.refuse(f"operator {call.kind} is not supported"
                        + ("" if instead is None else f": {instead}"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            found = _TABLES[name](call)
        return found

    @staticmethod
    def _values(arguments: list[Any]) -> bool:
        """Whether any of them is computed from the network's input."""
        return any(_Import._values(x) if isinstance(x, list) else isinstance(x, Value | Codes)
                   for x in arguments)

    @staticmethod
    def _constant(call: Call) -> Any:
        """What comes of stored numbers alone."""
        node = call.node
        target: Any = node.target
        if torch.Tag.nondeterministic_seeded in getattr(target, "tags", ()):
            call.refuse(f"operator {call.kind} draws random numbers; only what is the same each "
                        "time runs")
        def real(x: Any) -> Any:
            return torch.from_numpy(x.real).float() if isinstance(x, Whole) else x

        with torch.no_grad():
            found = target(*map(real, call.resolve(list(node.args))),
                           **{k: real(call.resolve(v)) for k, v in node.kwargs.items()})
        return list(found) if isinstance(found, tuple | list) else found

    def _check_in_place(self, call: Call) -> None:
        """Refuse a change of a value that is read under another name, or was before."""
        order = {node: k for k, node in enumerate(self.program.graph.nodes)}
        reader, changed = call.node, call.node.args[0]
        while isinstance(changed, fx.Node):
            if changed.op == "placeholder":
                call.refuse(f"operator {call.kind} changes the network's input in place; take the "
                            "form that does not")
            others = [user for user in changed.users if user is not reader]
            if any(order[user] > order[call.node] or self._shares(user) for user in others):
                call.refuse(f"operator {call.kind} changes a value in place that is read "
                            "elsewhere; take the form that does not, inplace=False")
            reader = changed
            changed = changed.args[0] if self._shares(changed) else None

    @staticmethod
    def _shares(node: fx.Node) -> bool:
        """Whether a call's result may be memory of what it is given."""
        name = kind_of(node).split(".")[0]
        return node.target is operator.getitem or name in SHARING or name.endswith("_")
