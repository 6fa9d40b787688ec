"""How images are prepared where a model says it and options do not: by its metadata, or by the
range of numbers that a model which is quantised already takes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sw.graph.floating import FloatGraph
from sw.graph.quantisation import Quantisation
from sw.images.preparation import Preparation
from sw.networks.naming import Kind
from sw.onnx.properties import FORMATS, RANGES, image_properties

from .choice import Choice

__all__ = ["Described", "described"]

#: Ranges that a quantised model's may be taken to be, off by this share of their width.
_USUAL, _NEAR = ("NominalRange_0_255", "Normalized_0_1", "Normalized_1_1"), 0.1
_FORMAT, _RANGE, _GAMMA = ("Image.BitmapPixelFormat", "Image.NominalPixelRange",
                           "Image.ColorSpaceGamma")
#: Of a value that a message shows.
_SHOWN = 40


@dataclass(frozen=True)
class Described:
    """What is known of a network's images: their `preparation`; `notes`, what of it the model says,
    in words; `limits`, the least and the largest number that it takes, None where nobody says."""

    preparation: Preparation
    notes: tuple[str, ...]
    limits: tuple[float, float] | None


def described(choice: Choice, graph: FloatGraph) -> Described:
    """What options and a model say of its images; options are followed before the model."""
    said = image_properties(Path(choice.origin.text)) if choice.origin.kind is Kind.ONNX else {}
    preparation, notes = _with_order(choice, said, graph.in_shape[0])
    notes += [f"the model's {key} is {value[:_SHOWN]!r}, which changes nothing"
              for key, value in said.items()
              if key not in (_FORMAT, _RANGE) and (key, value) != (_GAMMA, "SRGB")]
    numbers, text = None, said.get(_RANGE)
    if text in RANGES:
        numbers, why = RANGES[text], f"the model's {_RANGE} is {text}"
    else:
        if text is not None:
            notes.append(f"the model's {_RANGE} is {text[:_SHOWN]!r}, which is not known, and "
                         "changes nothing: say --mean and --deviation")
        if graph.given is not None:
            numbers, why = _by_range(graph.given)
            if numbers is None and not choice.asked & {"mean", "deviation"}:
                notes.append(why)
    if numbers is not None:
        preparation, done = _with_numbers(choice, preparation, numbers)
        notes += [f"{why}: {done}"] if done else []
    asked = numbers is not None or choice.asked & {"mean", "deviation"}
    limits = graph.given.limits if graph.given is not None else \
        _limits(preparation) if asked else None
    return Described(preparation, tuple(notes), limits)


def _with_order(choice: Choice, said: Mapping[str, str], channels: int,
                ) -> tuple[Preparation, list[str]]:
    """With the order of channels that a model says, if it is one that the network can take."""
    text = said.get(_FORMAT)
    if text is None or "order" in choice.asked:
        return choice.preparation, []
    order = FORMATS.get(text)
    if order is None:
        return choice.preparation, [f"the model's {_FORMAT} is {text[:_SHOWN]!r}, which is not "
                                    "known, and changes nothing: say --channels"]
    if (order == "grey") != (channels == 1):
        return choice.preparation, [f"the model's {_FORMAT} is {text}, but it takes {channels} "
                                    "channels, so that changes nothing: say --channels"]
    return (replace(choice.preparation, order=order),
            [f"the model's {_FORMAT} is {text}: --channels {order}"])


def _with_numbers(choice: Choice, preparation: Preparation, numbers: tuple[float, float],
                  ) -> tuple[Preparation, str]:
    """With the mean and the deviation of which options do not say another, and these as one types
    them."""
    (mean, deviation), done = numbers, []
    if "mean" not in choice.asked:
        preparation = replace(preparation, mean=(mean,))
        done.append(f"--mean {mean:g}")
    if "deviation" not in choice.asked:
        preparation = replace(preparation, deviation=(deviation,))
        done.append(f"--deviation {deviation:g}")
    return preparation, " ".join(done)


def _limits(preparation: Preparation) -> tuple[float, float]:
    """What black and white become, of all channels."""
    count = max(len(preparation.mean), len(preparation.deviation))
    means, deviations = (values * (count if len(values) == 1 else 1)
                         for values in (preparation.mean, preparation.deviation))
    pairs = list(zip(means, deviations, strict=False))
    return min(-m / d for m, d in pairs), max((1 - m) / d for m, d in pairs)


def _by_range(held: Quantisation) -> tuple[tuple[float, float] | None, str]:
    """The mean and the deviation that fill the range of a quantised input, None where none does,
    and why. Where 0 stands for 0, the range below it says nothing."""
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
        return None, (f"{takes}: where that is not how pixels were prepared above, say how it was "
                      "trained with --mean and --deviation")
    return found[0], takes
