"""Cycles and energy of TinyVGG16, as `sw.measure` has stored them."""

from collections.abc import Callable

from hw.support.docstrings import parameter_docs
from hw.support.markdown import markdown_table
from sw.data import stored
from sw.lowering.switches import Switches

from .limits import limit_of

__all__ = ["ablation_table", "energy_table", "headline_table", "scaling_table", "zeros_table"]


def headline_table() -> str:
    """Cycles and energy of the four arms, from the last full run of `sw.compare`."""
    report = stored("measured-tinyvgg16.json")
    arms = {a["name"]: a for a in report["arms"]}
    pruned = [x["name"] for x in arms["pruned-8"]["layers"] if x["pruned"]]

    def total(arm: dict, field: str, only: Callable[[dict], bool]) -> int:
        return sum(x[field] for x in arm["layers"] if only(x))

    groups: tuple[Callable[[dict], bool], ...] = (
        lambda x: x["name"] in pruned, lambda x: x["kind"] == "fc", lambda x: True)
    names = {"dense-1": "dense on 1 instance", "dense-8": "dense on 8",
             "pruned-1": "pruned (P = 8) on 1", "pruned-8": "**pruned (P = 8) on 8**"}
    base = arms["dense-1"]
    rows: list[tuple] = []
    for name, label in names.items():
        arm = arms[name]
        ratios = [f"{total(base, 'cycles', g) / total(arm, 'cycles', g):.2f}x" for g in groups]
        rows.append((label, f"{arm['cycles']:,}", *ratios,
                     f"{arm['energy']['joules_per_image'] * 1e6:,.0f}"))
    rows.append(("published, pruned on 8", "", f"{report['published']['pruned_layers']}x", "", "",
                 ""))
    limit = limit_of(arms["pruned-8"]["layers"], instances=8).cycles
    rows.append(("limit of these MACs and this port", f"{limit:,}", "", "",
                 f"{base['cycles'] / limit:.2f}x", ""))
    return markdown_table(("", "cycles", "pruned layers (fc1, fc2)", "all fully connected",
                           "whole network", "uJ per image"), rows)


def energy_table() -> str:
    """Energy of dense on one instance over pruned on eight, with intervals."""
    report = stored("measured-tinyvgg16.json")
    rows: list[tuple] = []
    for key, label in (("total", "with external memory"),
                       ("without_external", "without external memory"),
                       ("core", "core: clock, logic, memories, fabric")):
        cells = (report["energy_ratio"][k][key] for k in ("pruned_layers", "fc", "network"))
        rows.append((label, *(f"{c['value']:.2f}x ({c['low']:.2f} to {c['high']:.2f})"
                              for c in cells)))
    rows.append(("published", f"{report['published']['energy']}x", "", ""))
    return markdown_table(("energy, dense on 1 over pruned on 8", "pruned layers",
                           "all fully connected", "whole network"), rows)


def scaling_table() -> str:
    """Other prunings, memories and numbers of instances, against dense on one instance."""
    base = next(a for a in stored("measured-tinyvgg16.json")["arms"] if a["name"] == "dense-1")
    dense = {x["name"]: x["cycles"] for x in base["layers"]}
    words = {"fc": "fully connected", "all": "all but the first and last layer"}
    rows: list[tuple] = []
    for row in stored("scaling-tinyvgg16.json"):
        count = row["partitions"]
        limit = limit_of(row["layers"], instances=count, memory=row["memory"],
                         partitions=count).cycles
        pruned = [x for x in row["layers"] if x["pruned"]]
        gain = sum(dense[x["name"]] for x in pruned) / sum(x["cycles"] for x in pruned)
        rows.append((
            words[row["prune"]], count, row["memory"], f"{row['cycles']:,}",
            f"{base['cycles'] / row['cycles']:.1f}x", f"{base['cycles'] / limit:.1f}x",
            f"{limit / row['cycles']:.1%}", f"{gain:.1f}x"))
    return markdown_table(("pruned", "P = N", "ports", "cycles", "network faster", "limit",
                           "limit / cycles", "pruned layers faster"), rows)


def ablation_table() -> str:
    """Cycles of TinyVGG16 with one of the compiler's optimisations left out."""
    cycles = stored("ablation-tinyvgg16.json")["cycles"]
    docs = parameter_docs(Switches)
    full, names = cycles[""], list(cycles[""])
    rows = [("nothing", "", *(f"{full[n]:,}" for n in names))]
    for switch, found in cycles.items():
        if switch:
            rows.append((switch.replace("_", " "), docs[switch][0],
                         *(f"{found[n] / full[n] - 1:+.2%}" for n in names)))
    return markdown_table(("left out", "what it does", *names), rows)


def zeros_table() -> str:
    """The fully connected layers with and without skipping zeros."""
    plain = {a["name"]: a for a in stored("measured-tinyvgg16.json")["arms"]}
    names = {"dense-1": "dense on 1 instance", "dense-8": "dense on 8",
             "pruned-1": "pruned (P = 8) on 1", "pruned-8": "pruned (P = 8) on 8"}
    rows: list[tuple] = []
    for arm in stored("zeros-tinyvgg16.json")["arms"]:
        layers = {x["name"]: x for x in arm["layers"]}
        before = [x for x in plain[arm["name"]]["layers"] if x["name"] in layers]

        def total(found: list[dict], field: str) -> int:
            return sum(x[field] for x in found)

        now = list(layers.values())
        cycles, was = total(now, "cycles"), total(before, "cycles")
        dead = total(now, "skipped_macs") / total(now, "macs")
        energy = [sum(sum(x["energy_pj"].values()) for x in found) for found in (before, now)]
        rows.append((names[arm["name"]], f"{dead:.1%}", f"{total(now, 'skipped_bytes'):,}",
                     f"{was:,}", f"{cycles:,}", f"{was / cycles:.2f}x",
                     f"{(1 - cycles / was) / dead:.1%}", f"{energy[0] / energy[1]:.2f}x"))
    return markdown_table(("fc1, fc2, fc3", "skipped MACs", "skipped bytes", "cycles",
                           "skipping zeros", "faster", "gain, of what the zeros allow",
                           "less energy"), rows)
