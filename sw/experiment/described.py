"""How images are prepared where a model says it and options do not: by its metadata, or by the
range of numbers that a model which is quantised already takes."""

from dataclasses import replace
from pathlib import Path

from sw.graph.floating import FloatGraph
from sw.graph.quantisation import Quantisation
from sw.images.preparation import Preparation
from sw.networks.naming import Kind
from sw.onnx.properties import FORMATS, RANGES, image_properties

from .choice import Choice

__all__ = ["described"]

#: Ranges that a quantised model's may be taken to be, off by this share of their width.
_USUAL, _NEAR = ("NominalRange_0_255", "Normalized_0_1", "Normalized_1_1"), 0.1


def described(choice: Choice, graph: FloatGraph) -> tuple[Preparation, tuple[str, ...]]:
    """How a network's images are prepared, and what of it the model says, in words."""
    preparation, notes = choice.preparation, []
    said = image_properties(Path(choice.origin.text)) if choice.origin.kind is Kind.ONNX else {}
    order = FORMATS.get(text := said.get("Image.BitmapPixelFormat", ""))
    if order and "order" not in choice.asked:
        preparation = replace(preparation, order=order)
        notes.append(f"the model's Image.BitmapPixelFormat is {text}: --channels {order}")
    if choice.asked & {"mean", "deviation"}:
        return preparation, tuple(notes)
    text = said.get("Image.NominalPixelRange", "")
    if text in RANGES:
        mean, deviation = RANGES[text]
        notes.append(f"the model's Image.NominalPixelRange is {text}: --mean {mean:g} --deviation "
                     f"{deviation:g}")
        preparation = replace(preparation, mean=(mean,), deviation=(deviation,))
    elif graph.given is not None:
        preparation, note = _by_range(preparation, graph.given)
        notes.append(note)
    return preparation, tuple(notes)


def _by_range(preparation: Preparation, held: Quantisation) -> tuple[Preparation, str]:
    """The preparation whose numbers fill the range of a quantised input, and what that is. Where 0
    stands for 0, the range below it says nothing."""
    low, high = ((x - held.zero_point) * held.scale for x in (-128, 127))
    takes = f"the model's input is quantised for {low:.3g} to {high:.3g}"
    found = []
    for name in _USUAL:
        mean, deviation = RANGES[name]
        least, most = -mean / deviation, (1 - mean) / deviation
        off = abs(high - most) if held.zero_point == 0 else max(abs(low - least), abs(high - most))
        if off < _NEAR * (most - least):
            found.append((mean, deviation))
    if len(found) != 1:
        return preparation, (f"{takes}: where that is not how pixels were prepared above, say how "
                             "it was trained with --mean and --deviation")
    (mean, deviation), = found
    return (replace(preparation, mean=(mean,), deviation=(deviation,)),
            f"{takes}: --mean {mean:g} --deviation {deviation:g}")
