"""Divides a run's cycles among its layers, by what the instances have noted at their ends."""

from collections.abc import Sequence

from hw import registers
from sw.compiler import Program

__all__ = ["Entry", "divide"]

#: LAYER, and the instance's TOTAL and COUNTERS as they were at the layer's end.
Entry = dict[str, int]


def divide(program: Program, logs: Sequence[Sequence[Entry] | None], cycles: int,
           counters: Sequence[dict[str, int]],
           ) -> tuple[tuple[int, ...], tuple[tuple[dict[str, int], ...], ...]]:
    """Return `RunResult.layer_cycles` and `RunResult.ledger`.

    The run is divided at the last instance's end of each layer, and each instance's causes at
    its own ends.

    Parameters
    ----------
    logs : of each instance, its entries in turn; None of one that did not run
    cycles, counters : of the whole run, as `RunResult`'s
    """
    count = len(program.layers)
    ends = dict.fromkeys(program.order, 0)
    ledger: list[list[dict[str, int]]] = [[{} for _ in logs] for _ in range(count)]
    for i, log in enumerate(logs):
        if log is None:
            continue
        before = dict.fromkeys(registers.COUNTERS, 0)
        seen = [0] * count
        for entry in log:
            layer = entry["LAYER"]
            run = layer, seen[layer]
            seen[layer] += 1
            ends[run] = max(ends[run], entry["TOTAL"])
            _book(ledger[layer][i], entry, before)
            before = entry
        _book(ledger[-1][i], counters[i], before)
    ends[program.order[-1]] = cycles
    spans, at = [0] * count, 0
    for (layer, _), end in ends.items():
        end = max(end, at)
        spans[layer] += end - at
        at = end
    return tuple(spans), tuple(tuple(row) for row in ledger)


def _book(causes: dict[str, int], now: dict[str, int], before: dict[str, int]) -> None:
    """Add what the counters have gained."""
    for cause in registers.COUNTERS:
        causes[cause] = causes.get(cause, 0) + now[cause] - before[cause]
