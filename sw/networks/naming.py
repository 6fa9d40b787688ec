"""What names a network: one of those that come with it, a file of a graph, or a callable of Python.

Nothing is read here: that is `sw.networks.opening`.
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from hw.support.arguments import nearest

from .names import NETWORKS

__all__ = ["Kind", "Origin", "UnknownNetwork", "is_callable", "origin_of"]

_FORMS = "an ONNX file (.onnx), a file of torch.export (.pt2), FILE.py:callable or " \
    "package.module:callable"
_WITH_WEIGHTS = "give the module that it was made of, FILE.py:callable, with " \
    "--weights FILE.safetensors"
#: Ending of a file -> why it names no network, and what does.
_REFUSED = {
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle"),
                    "a pickle, which runs code when it is read; " + _WITH_WEIGHTS),
    ".safetensors": "weights alone; " + _WITH_WEIGHTS,
    ".py": "a file of Python that may hold many; name a callable of it, FILE.py:callable",
    **dict.fromkeys((".h5", ".keras", ".tflite", ".pb"),
                    "of another framework; export it to ONNX"),
}


class UnknownNetwork(ValueError):
    """A text that names no network; the message says what does, and goes on from what has the
    text: "--network is 'x.pt'; ..."."""


class Kind(Enum):
    """What a network is given as."""

    #: By a name of `NETWORKS`.
    OURS = "a network that comes with it"
    ONNX = "an ONNX file"
    EXPORTED = "a file of torch.export"
    #: Of a file or a module of Python.
    CALLABLE = "a callable of Python"


@dataclass(frozen=True)
class Origin:
    """Where a network comes from.

    Members: `text` that names it, `kind`, a file of `weights` that go into it, and `in_shape` of
    one image, both where they are given.
    """

    text: str
    kind: Kind
    weights: Path | None = None
    in_shape: tuple[int, int, int] | None = None

    @property
    def ours(self) -> bool:
        return self.kind is Kind.OURS

    @property
    def name(self) -> str:
        """Short, for reports."""
        if self.kind is Kind.CALLABLE:
            return self.text.rpartition(":")[2].rpartition(".")[2]
        return self.text if self.ours else Path(self.text).stem


def is_callable(text: str) -> bool:
    """Whether a text is FILE.py:callable or package.module:callable."""
    place, colon, name = text.rpartition(":")
    if not colon or not all(part.isidentifier() for part in name.split(".")):
        return False
    return place.endswith(".py") or all(part.isidentifier() for part in place.split("."))


def origin_of(text: str, *, weights: Path | None = None,
              in_shape: tuple[int, int, int] | None = None) -> Origin:
    """Tell what a text names.

    Raises
    ------
    UnknownNetwork
        If it names none.
    ValueError
        If it has weights already where some are given.
    """
    kinds = {".onnx": Kind.ONNX, ".pt2": Kind.EXPORTED}
    if text in NETWORKS:
        kind = Kind.OURS
    elif is_callable(text):
        kind = Kind.CALLABLE
    elif (suffix := Path(text).suffix.lower()) in kinds:
        kind = kinds[suffix]
    elif suffix in _REFUSED:
        raise UnknownNetwork(f"is {text[:200]!r}, {_REFUSED[suffix]}")
    else:
        raise UnknownNetwork(f"is {text[:60]!r}; it must be one of {', '.join(NETWORKS)}, {_FORMS}"
                             + nearest(text[:60], NETWORKS))
    if weights and kind in (Kind.ONNX, Kind.EXPORTED):
        raise ValueError(f"--weights goes with a torch module; {text[:200]!r} is {kind.value}, "
                         "which holds its own: leave --weights out")
    return Origin(text, kind, weights, in_shape)
