"""Accuracies of trained networks, as `sw.train` has stored them."""

from hw.support.markdown import markdown_table
from sw.data import stored
from sw.training.shares import percent

__all__ = ["training_table"]


def training_table(*names: str) -> str:
    """Accuracies of runs of `sw.train`, means over seeds.

    All are compared with the first run's network that is not pruned, the one trained longer if
    there is one. A network of another width is told by its name; what a run after the first repeats
    is shown once.
    """
    runs = [stored(name) for name in names]
    groups: dict[tuple, list[dict]] = {}
    for run in runs:
        members: dict[tuple, list[dict]] = {}
        for row in run["rows"]:
            members.setdefault(_kind(row, run["network"], runs[0]["network"]), []).append(row)
        groups |= {kind: rows for kind, rows in members.items() if kind not in groups}
    dense = [row for row in runs[0]["rows"] if not row["prune"]][-1]
    order = sorted(groups, key=lambda kind: bool(kind[1]))  # networks that are not pruned first
    return f"{runs[0]['network']}, {runs[0]['data']}:\n\n" + markdown_table(
        ("P", "pruned", "partitioner", "seeds", "weight kept", "weights", "top-1 %", "top-5 %",
         "to dense", "int8 top-1 %", "int8 top-5 %"),
        [(*kind, *_cells(groups[kind], dense, runs[0]["held_out"])) for kind in order])


def _kind(row: dict, network: str, first: str) -> tuple[str, str, str]:
    """What seeds have in common: partitions or a name, what is pruned, and the partitioner."""
    if row["prune"]:
        return str(row["partitions"]), row["prune"], row["partitioner"]
    name = row["name"].replace("-", ", ")
    return (name if network == first else f"{name}, {network}", "", "")


def _cells(members: list[dict], dense: dict, held_out: int) -> tuple[str, ...]:
    """Of networks that differ in their seeds, means."""
    def mean(field: str) -> float:
        return sum(m[field] for m in members) / len(members)

    def share(field: str) -> str:
        return percent(mean(field), held_out)

    kept = [v for m in members for v in m["kept_weight"].values()]
    return (str(len(members)), f"{100 * sum(kept) / len(kept):.0f}%" if kept else "",
            f"{members[0]['parameters']:,}", share("top1"), share("top5"),
            "" if members[0] is dense else f"{100 * (mean('top1') - dense['top1']):+.1f}",
            share("int8_top1"), share("int8_top5"))
