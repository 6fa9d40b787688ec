"""A check as a person reads it: the answer first, the next command last."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hw.support.console import print_next, short

from .facts import Facts
from .nodes import NodeFacts

__all__ = ["print_facts", "verdict"]

_SHOWN_NODES, _SHOWN_NAMES = 12, 6
#: Characters of a layer's name in the table, and of what it is.
_MOST_NAME = 36


def verdict(facts: Facts) -> str:
    """The answer, in a line."""
    where = f"on {facts.target.title}"
    name = facts.network
    if facts.partitions > 1:
        name += f", pruned to {facts.partitions} partitions,"
    if not facts.runs:
        count = sum(len(x.nodes) for x in facts.obstacles)
        what = f"does not fit {facts.target.title}" if facts.lacks else f"does not run {where}"
        return f"{name} {what}: {count} node{'s' * (count != 1)} in the way"
    if facts.cycles is None or facts.ms is None:
        return f"{name} runs {where}; the microcoded core has no model of its cycles"
    speed = (f"{facts.cycles:,} cycles predicted, {facts.ms:,.2f} ms, {1000 / facts.ms:,.1f} "
             f"frames/s at {facts.target.clock_mhz:g} MHz")
    return f"{name} runs {where}: {speed}{_values(facts)}"


def _values(facts: Facts) -> str:
    values = facts.values
    if values is None:
        return ""
    if values.accuracy:
        real, ours = values.accuracy
        beside = "" if real is None else f", float {real:.1%}"
        return f"; int8 {ours:.1%} right{beside}, of {values.images} images"
    what = "seeded random images" if values.seeded else "images"
    agree = "" if values.agreement is None else f"int8 guesses as float on {values.agreement:.1%} "
    return f"; {agree}of {values.images} {what}, {values.snr_db:g} dB"


def print_facts(facts: Facts, following: str, out: Console) -> None:
    """Print a check."""
    out.print(verdict(facts), style="bold", highlight=False)
    if facts.obstacles:
        _print_obstacles(facts, out)
    if facts.nodes:
        out.print()
        out.print(_nodes(facts))
    if facts.memory:
        out.print(_memory(facts), highlight=False)
    if facts.nodes and facts.cycles is not None:
        what = facts.pruned or _cuts(facts) or "no layer can be cut"
        out.print(f"partitioning: {what}", highlight=False)
    if facts.fits:
        out.print()
        for fit in facts.fits:
            form = f" (pruned to {fit.pruned} partitions)" if fit.pruned > 1 else ""
            out.print(f"{fit.title}: {'fits' if fit.fits else fit.why}{form}", highlight=False)
    if facts.log_entries:
        out.print(f"each layer's cycles are told by runs with --log-entries {facts.log_entries}",
                  style="dim", highlight=False)
    for note in facts.notes:
        out.print(note, style="dim", highlight=False)
    for line in facts.advice:
        out.print(f"advice: {line}", highlight=False)
    print_next(out, following)


def _print_obstacles(facts: Facts, out: Console) -> None:
    for x in facts.obstacles:
        more = f" and {len(x.nodes) - _SHOWN_NAMES} more" if len(x.nodes) > _SHOWN_NAMES else ""
        out.print(f"  {x.operator}, {len(x.nodes)}: {x.why}", highlight=False)
        out.print(f"    {', '.join(x.nodes[:_SHOWN_NAMES])}{more}", style="dim", highlight=False)


def _nodes(facts: Facts) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, side in (("layer", "left"), ("what", "left"), ("cycles", "right"),
                       ("share", "right"), ("limit", "right"), ("bound by", "left"),
                       ("array", "right"), ("dB", "right")):
        table.add_column(name, justify="right" if side == "right" else "left",
                         no_wrap=name not in ("layer", "what"))
    order = sorted(facts.nodes, key=lambda x: -(x.cycles or x.limit))
    for x in order[:_SHOWN_NODES]:
        table.add_row(*_row(facts, x))
    if rest := order[_SHOWN_NODES:]:
        cycles = sum(x.cycles or 0 for x in rest)
        table.add_row(f"{len(rest)} others", "", f"{cycles:,}", _share(facts, cycles),
                      f"{sum(x.limit for x in rest):,}")
    return table


def _row(facts: Facts, x: NodeFacts) -> list[str | Text]:
    snr = facts.values.layers.get(x.name) if facts.values else None
    return [short(x.name, _MOST_NAME), short(x.what, _MOST_NAME),
            "-" if x.cycles is None else f"{x.cycles:,}", _share(facts, x.cycles),
            f"{x.limit:,}", x.bound, f"{x.fill:.0%}",
            "-" if snr is None else f"{snr:.1f}"]


def _share(facts: Facts, cycles: int | None) -> str:
    return "-" if not cycles or not facts.cycles else f"{cycles / facts.cycles:.1%}"


def _memory(facts: Facts) -> str:
    memory = facts.memory
    assert memory is not None
    there = "" if memory.there is None else f" of {memory.there:,}"
    return (f"memory: {memory.window:,} bytes outside{there} ({memory.weights:,} of weights, "
            f"{memory.tensors:,} of activations), {memory.chip:,} of activations on chip")


def _cuts(facts: Facts) -> str:
    return "; ".join(
        f"--prune {cut.prune}: {len(cut.layers)} layer{'s' * (len(cut.layers) != 1)} "
        f"({', '.join(cut.layers[:3])}{', ...' if len(cut.layers) > 3 else ''}) in "
        f"{', '.join(map(str, cut.possible))} parts, {cut.speedup:.2f}x "
        f"{'predicted' if cut.model else 'estimated'} in {cut.parts}"
        for cut in facts.cuts)
