"""Small inputs of fully connected layers that count as zero where those are skipped."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hw.support.arguments import nearest
from sw.graph.floating import FloatLayer
from sw.graph.integer import IntegerGraph, Layer

from .arms import layer_kind
from .work import Workload

__all__ = ["epsilons", "taken_for_zero"]

#: A layer's name, or "" for all, and the magnitude up to which its inputs count as zero.
_Items = list[tuple[str, int]]


def epsilons(layers: Sequence[FloatLayer | Layer], items: _Items) -> dict[str, int]:
    """What each fully connected layer of these takes for zero; raises ValueError for a name that
    is none of theirs."""
    names = [x.name for x in layers if layer_kind(x) == "fc"]
    values = dict.fromkeys(names, 0)
    for name, number in items:
        if name and name not in names:
            raise ValueError(f"--epsilon names {name!r}; fully connected layers are "
                             + ", ".join(names) + nearest(name, names))
        values |= dict.fromkeys([name] if name else names, number)
    return values


def taken_for_zero(work: Workload, items: _Items) -> Workload:
    """A workload in which fully connected layers take small inputs for zero, and what it says of
    that: accuracies that have been measured are without."""
    changed: dict[str, Any] = {form: _with_epsilons(graph, items)
                               for form, graph in work.forms.items()}
    asked = ",".join(f"{name}={number}" if name else str(number) for name, number in items)
    accuracy = work.accuracy and {
        name if name.startswith("float") else f"{name}, without --epsilon": share
        for name, share in work.accuracy.items()}
    return replace(work, **changed, accuracy=accuracy, notes=(
        *work.notes, f"in RTL and in the golden model, --epsilon {asked}: inputs of fully "
        "connected layers of that magnitude and less count as zero"))


def _with_epsilons(graph: IntegerGraph, items: _Items) -> IntegerGraph:
    values = epsilons(graph.layers, items)
    return replace(graph, layers=tuple(replace(x, epsilon=values.get(x.name, 0))
                                       for x in graph.layers))
