"""Accuracies of trained networks, as `sw.train --ablation` has stored them."""

from hw.support.markdown import markdown_table
from sw.data import stored
from sw.training.shares import percent

__all__ = ["training_table"]


def training_table(name: str) -> str:
    """Accuracies of an ablation of `sw.train`, means over seeds."""
    results = stored(name)
    groups: dict[tuple, list[dict]] = {}
    for row in results["rows"]:
        kind = row["partitioner"] if row["prune"] else row["name"]
        groups.setdefault((row["partitions"], row["prune"], kind), []).append(row)
    dense = [row for row in results["rows"] if not row["prune"]][-1]["top1"]
    held_out = results["held_out"]
    rows: list[tuple] = []
    for (partitions, prune, partitioner), members in groups.items():
        def mean(field: str, members: list[dict] = members) -> float:
            return sum(m[field] for m in members) / len(members)

        kept = [v for m in members for v in m["kept_weight"].values()]
        rows.append((
            partitions if prune else partitioner.replace("-", ", "), prune,
            partitioner if prune else "", len(members),
            f"{100 * sum(kept) / len(kept):.0f}%" if kept else "",
            f"{members[0]['parameters']:,}", *(
                percent(mean(name), held_out) for name in ("top1", "top5")),
            f"{100 * (mean('top1') - dense):+.1f}" if prune else "",
            *(percent(mean(name), held_out) for name in ("int8_top1", "int8_top5"))))
    return f"{results['network']}, {results['data']}:\n\n" + markdown_table(
        ("P", "pruned", "partitioner", "seeds", "weight kept", "weights", "top-1 %", "top-5 %",
         "to dense", "int8 top-1 %", "int8 top-5 %"), rows)
