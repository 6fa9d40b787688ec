"""Accuracies of trained networks, as `sw.train --ablation` has stored them."""

from hw.support.markdown import markdown_table
from sw.data import stored

__all__ = ["training_table"]


def training_table(name: str) -> str:
    """Accuracies of an ablation of `sw.train`, means over seeds."""
    results = stored(name)
    groups: dict[tuple, list[dict]] = {}
    for row in results["rows"]:
        groups.setdefault((row["partitions"], row["prune"], row["partitioner"]), []).append(row)
    dense = results["rows"][0]["top1"]
    rows: list[tuple] = []
    for (partitions, prune, partitioner), members in groups.items():
        def mean(field: str, members: list[dict] = members) -> float:
            return 100 * sum(m[field] for m in members) / len(members)

        kept = [v for m in members for v in m["kept_weight"].values()]
        rows.append((
            partitions if prune else "dense", prune, partitioner, len(members),
            f"{100 * sum(kept) / len(kept):.0f}%" if kept else "",
            f"{members[0]['parameters']:,}", f"{mean('top1'):.1f}", f"{mean('top5'):.1f}",
            f"{mean('top1') - 100 * dense:+.1f}" if prune else "", f"{mean('int8_top1'):.1f}",
            f"{mean('int8_top5'):.1f}"))
    return f"{results['network']}, {results['data']}:\n\n" + markdown_table(
        ("P", "pruned", "partitioner", "seeds", "weight kept", "weights", "top-1 %", "top-5 %",
         "to dense", "int8 top-1 %", "int8 top-5 %"), rows)
