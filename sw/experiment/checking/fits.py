"""Which of the known machines a network fits."""

from collections.abc import Callable
from dataclasses import dataclass

from hw.config import Config
from sw.compiler import CompileError, OutOfReach
from sw.compiler.compile import lower
from sw.graph.integer import IntegerGraph

from .forms import pruned_parts
from .targets import Target, targets

__all__ = ["Fit", "fits_of"]


@dataclass(frozen=True)
class Fit:
    """Whether a network fits a machine, and `why` not; `pruned`, into how many partitions it is
    looked at there, 1 for as it is."""

    name: str
    title: str
    fits: bool
    why: str
    pruned: int = 1


def fits_of(form: Callable[[Target], IntegerGraph], target: Target, say: Callable[[str], None],
            ) -> list[Fit]:
    """Whether a network fits each known machine, in the `form` in which that runs it, but the one
    that it is checked for; with tables, if that has some."""
    found: list[Fit] = []
    seen: dict[tuple[int, Config, int], str | int] = {}
    for other in targets().values():
        if other.name == target.name:
            continue
        if target.config.array.tables:
            other = other.with_tables()
        graph, there = form(other), other.memory_bytes or 0
        weights = sum(layer.weight_bytes for layer in graph.layers)
        if weights > there:
            why = f"needs {weights:,} bytes for weights alone; there are {there:,}"
        elif other.lacks:
            why = f"needs {other.lacks}, before synthesis"
        else:
            say(f"looking whether it fits {other.title}")
            key = weights, other.config, there
            if key not in seen:
                seen[key] = _window(graph, other.config, there)
            needs = seen[key]
            why = needs if isinstance(needs, str) else \
                f"needs {needs:,} bytes; there are {there:,}" if needs > there else ""
        found.append(Fit(other.name, other.title, not why, why, pruned_parts(graph)))
    return found


def _window(graph: IntegerGraph, config: Config, there: int) -> int | str:
    """External memory that a network needs, or why it cannot run; what programs need besides is
    counted only where three quarters of what is `there` are taken without."""
    try:
        rough = lower(graph, config, planned=True).window_bytes
        far = rough < 3 * there // 4 or rough > there
        return rough if far else lower(graph, config, quick=True).window_bytes
    except OutOfReach as error:
        return error.bytes
    except CompileError as error:
        return str(error)
