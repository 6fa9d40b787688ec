"""An ONNX file in onnxruntime, with what it computes on the way."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from hw.support.errors import ToolMissingError
from sw.ir.errors import UnsupportedLayer

__all__ = ["Runtime"]


#: Without it, and without optimisation, which heeds it, sums of two products of uint8 and int8
#: saturate at 16 bits on processors that lack VNNI.
_EXACT = "session.x64quantprecision"


class Runtime:
    """A file with each tensor that is wanted; products are summed exactly, on any processor.

    Parameters
    ----------
    path : Path
    tensors : names of those that are wanted

    Raises
    ------
    ToolMissingError
        Without the package `onnxruntime`.
    UnsupportedLayer
        If onnxruntime does not take the file.
    """

    def __init__(self, path: Path, tensors: Iterable[str]):
        try:
            import onnx
            import onnxruntime
        except ImportError:
            raise ToolMissingError("onnxruntime is missing: pip install 'partita[onnx]'") from None
        self._tensors = list(dict.fromkeys(tensors))
        model = onnx.load(path)
        known = {x.name for x in (*model.graph.output, *model.graph.input)}
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in self._tensors
                                  if name not in known)
        whole = model.SerializeToString()
        try:
            try:
                self._session = self._open(onnxruntime, whole, "1")
            except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
                # it has no kernel for weights that it has made uint8, beside int8
                self._session = self._open(onnxruntime, whole, "0")
        except Exception as error:  # of types of its own, whatever is wrong
            raise UnsupportedLayer(f"network {path.stem}: onnxruntime does not take {path}: "
                                   f"{str(error).splitlines()[0][:200]}") from None
        (self._input,) = self._session.get_inputs()[:1]

    @staticmethod
    def _open(onnxruntime: Any, model: bytes, exact: str) -> Any:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.log_severity_level = 4
        options.add_session_config_entry(_EXACT, exact)
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Return each tensor, without its batch, for one image as the file takes it."""
        kinds = {"tensor(float16)": np.float16, "tensor(double)": np.float64}
        batch = image[None].astype(kinds.get(self._input.type, np.float32))
        computed = [name for name in self._tensors if name != self._input.name]
        found = dict(zip(computed, self._session.run(computed, {self._input.name: batch}),
                         strict=True)) if computed else {}
        found[self._input.name] = batch
        return {name: np.asarray(array)[0] for name, array in found.items()}
