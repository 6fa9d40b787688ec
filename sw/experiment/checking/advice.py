"""What would make a network faster, or its values better: three lines at most, each its gain."""

from collections.abc import Sequence

from hw.config import Config

from .cuts import Cut
from .nodes import NodeFacts
from .values import ValueFacts

__all__ = ["advice"]

_MOST_LINES = 3
#: Of all cycles, that a layer's fault must cost to be worth a line.
_WORTH = 0.05
#: dB below which eight bits lose what matters, as a rule.
_NOISY_DB = 20.0


def advice(nodes: Sequence[NodeFacts], cuts: Sequence[Cut], values: ValueFacts | None,
           config: Config, cycles: int | None) -> list[str]:
    """Lines of advice, what gains most first."""
    ranked: list[tuple[float, str]] = []
    if cycles:
        ranked += [(gain / cycles, line) for gain, line in
                   (*_mappings(nodes, config), *_cuts(cuts, cycles), *_waiting(nodes, config))
                   if gain >= _WORTH * cycles]
    lines = [line for _, line in sorted(ranked, key=lambda x: -x[0])]
    return [*_values(values), *lines][:_MOST_LINES]


def _mappings(nodes: Sequence[NodeFacts], config: Config) -> list[tuple[float, str]]:
    """Of layers that leave slots of their arrays empty: those that lose most."""
    lost = {x: (1 - x.fill) * x.cycles for x in nodes if x.bound == "mapping" and x.cycles}
    if not lost:
        return []
    worst, total = max(lost, key=lambda x: lost[x]), sum(lost.values())
    others = f", as do {len(lost) - 1} others" if len(lost) > 1 else ""
    why = "each of its channels has one input, and takes one of the rows" \
        if worst.what.startswith("depthwise") else \
        f"channels up to the next multiples of {config.array.rows} and {config.array.cols} are free"
    return [(total, f"{worst.name} ({worst.what}) fills {worst.fill:.0%} of arrays of "
             f"{config.array}{others}: {why}; full arrays would spare up to {total:,.0f} cycles")]


def _cuts(cuts: Sequence[Cut], cycles: int) -> list[tuple[float, str]]:
    best = max(cuts, key=lambda cut: cut.speedup, default=None)
    if best is None:
        return []
    layers = f"{len(best.layers)} layer{'s' * (len(best.layers) > 1)}"
    return [(cycles - best.cycles, f"pruned in {best.parts} parts (--prune {best.prune}: {layers}) "
             f"it is {best.speedup:.2f}x faster on the same machine "
             f"({'predicted' if best.model else 'estimated'}); its accuracy then needs "
             "fine-tuning")]


def _waiting(nodes: Sequence[NodeFacts], config: Config) -> list[tuple[float, str]]:
    lost = sum(x.cycles - x.limit for x in nodes if x.bound == "waiting" and x.cycles)
    if config.instances == 1:
        return []
    return [(lost, f"layers that are too small for {config.instances} instances wait for each "
             f"other: {lost:,} cycles; fewer instances, or a batch, lose less")]


def _values(values: ValueFacts | None) -> list[str]:
    if values is None or values.snr_db is None or values.snr_db >= _NOISY_DB:
        return []
    worst = min(values.layers, key=lambda name: values.layers[name])
    remedy = "calibrate on images of its kind (--calibration)" if values.seeded else \
        "train it further with values rounded so (quantisation-aware)"
    return [f"int8 loses much: {values.snr_db:g} dB at the output, least at {worst} "
            f"({values.layers[worst]:g} dB); {remedy}"]
