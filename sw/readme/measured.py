"""Cycles and energy of TinyVGG16, as `sw.measure` has stored them."""

from collections.abc import Callable

from hw.config import Config
from hw.support.docstrings import parameter_docs
from hw.support.markdown import markdown_table
from sw.data import stored
from sw.energy.coefficients import GATINGS
from sw.energy.model import CATEGORIES, OUTSIDE, EnergyModel, ratio
from sw.experiment.bigarray import big_array
from sw.lowering.switches import Switches

from .limits import limit_of
from .pricing import activity, priced

__all__ = ["ablation_table", "energy_table", "headline_table", "scaling_table",
           "scenarios_table", "zeros_table"]


#: Arms -> in words; `big` is one array with the MACs of all instances.
_ARMS = {"dense-1": "dense on 1 instance", "dense-8": "dense on 8", "dense-big": "dense on {big}",
         "pruned-1": "pruned (P = 8) on 1", "pruned-8": "**pruned (P = 8) on 8**",
         "pruned-big": "pruned (P = 8) on {big}"}


def _groups(arms: dict[str, dict]) -> list[Callable[[dict], bool]]:
    """Whether a layer belongs to the pruned ones, the fully connected ones, the network."""
    pruned = {x["name"] for x in arms["pruned-8"]["layers"] if x["pruned"]}
    return [lambda x: x["name"] in pruned, lambda x: x["kind"] == "fc", lambda x: True]


def headline_table() -> str:
    """Cycles and energy of the demonstration's arms, from the last full run of `sw.compare`."""
    report = stored("measured-tinyvgg16.json")
    arms = {a["name"]: a for a in report["arms"]}
    pruned = [x["name"] for x in arms["pruned-8"]["layers"] if x["pruned"]]

    def total(arm: dict, only: Callable[[dict], bool]) -> int:
        return sum(x["cycles"] for x in arm["layers"] if only(x))

    groups = _groups(arms)
    base, side = arms["dense-1"], big_array(Config.from_dict(report["config"])).array
    rows: list[tuple] = []
    for name, label in _ARMS.items():
        arm, equal = arms[name], arms["dense-" + name.partition("-")[2]]
        ratios = [f"{total(base, g) / total(arm, g):.2f}x" for g in groups]
        rows.append((label.format(big=f"one array of {side}"),
                     f"{arm['cycles']:,}", *ratios,
                     f"{equal['cycles'] / arm['cycles']:.2f}x",
                     f"{priced(arm['layers']) / report['images'] / 1e6:,.0f}"))
    limit = limit_of(arms["pruned-8"]["layers"], instances=8).cycles
    rows += [
        ("published, pruned on 8", "", f"{report['published']['pruned_layers']}x", "", "", "", ""),
        ("limit of these MACs and this port", f"{limit:,}", "", "",
         f"{base['cycles'] / limit:.2f}x", "", "")]
    return markdown_table(("", "cycles", f"pruned layers ({', '.join(pruned)})",
                           "all fully connected", "whole network",
                           "against dense on the same hardware", "uJ per image"), rows)


#: Scenarios of energy: what is priced how. The first is the headline's.
_SCENARIOS = (EnergyModel(), EnergyModel(gating="memories"), EnergyModel(gating="none"),
              EnergyModel(background=False), EnergyModel(external="lpddr"),
              EnergyModel(external="ddr3"), EnergyModel(column="45nm"),
              EnergyModel(column="45nm", gating="none"), EnergyModel(column="fpga"),
              EnergyModel(column="fpga", gating="none"))


def _ratio_cells(report: dict, base: str, model: EnergyModel,
                 categories: tuple[str, ...] = CATEGORIES) -> list[str]:
    """Energy of an arm over that of pruned on eight, of each group of layers."""
    arms = {a["name"]: a for a in report["arms"]}
    found = (ratio(activity(arms[base], g), activity(arms["pruned-8"], g), model, categories)
             for g in _groups(arms))
    return [f"{c.value:.2f}x ({c.low:.2f} to {c.high:.2f})" for c in found]


_CHIP = tuple(c for c in CATEGORIES if c not in OUTSIDE)
_GROUPS = ("pruned layers", "all fully connected", "whole network")


def energy_table() -> str:
    """Energy in the headline's scenario: dense on one instance, and on eight, over pruned on
    eight, with intervals."""
    report, model = stored("measured-tinyvgg16.json"), _SCENARIOS[0]
    rows: list[tuple] = [
        (f"dense on {count} over pruned on 8, {label}",
         *_ratio_cells(report, base, model, kept))
        for count, base in (("1", "dense-1"), ("8", "dense-8"))
        for label, kept in (("with external memory", CATEGORIES), ("without it", _CHIP))]
    rows.append(("published", f"{report['published']['energy']}x", "", ""))
    return markdown_table(("energy", *_GROUPS), rows)


def scenarios_table() -> str:
    """Energy of dense on one instance over pruned on eight, in every scenario."""
    report = stored("measured-tinyvgg16.json")
    rows: list[tuple] = [
        (m.coefficients.label, GATINGS[m.gating],
         m.external + ("" if m.background else ", no standby power"),
         *_ratio_cells(report, "dense-1", m)) for m in _SCENARIOS]
    rows.append((_SCENARIOS[0].coefficients.label, GATINGS["registers"], "none",
                 *_ratio_cells(report, "dense-1", _SCENARIOS[0],
                               _CHIP)))
    return markdown_table(("technology", "clocks", "external memory", *_GROUPS), rows)


def scaling_table() -> str:
    """Other prunings, memories and numbers of instances, against dense on one instance."""
    base = next(a for a in stored("measured-tinyvgg16.json")["arms"] if a["name"] == "dense-1")
    dense = {x["name"]: x["cycles"] for x in base["layers"]}
    words = {"": "nothing", "fc": "fully connected", "all": "all but the first and last layer"}
    rows: list[tuple] = []
    found = stored("scaling-tinyvgg16.json")
    equal = {(r["partitions"], r["memory"]): r["cycles"] for r in found if not r["prune"]} | {
        (8, "shared"): next(a["cycles"] for a in stored("measured-tinyvgg16.json")["arms"]
                            if a["name"] == "dense-8")}
    for row in found:
        count = row["partitions"]
        limit = limit_of(row["layers"], instances=count, memory=row["memory"],
                         partitions=count).cycles
        pruned = [x for x in row["layers"] if x["pruned"]]
        gain = sum(dense[x["name"]] for x in pruned) / max(1, sum(x["cycles"] for x in pruned))
        rows.append((
            words[row["prune"]], count, row["memory"], f"{row['cycles']:,}",
            f"{base['cycles'] / row['cycles']:.1f}x",
            f"{equal[count, row['memory']] / row['cycles']:.2f}x", f"{base['cycles'] / limit:.1f}x",
            f"{limit / row['cycles']:.1%}", f"{gain:.1f}x" if pruned else ""))
    return markdown_table(("pruned", "P = N", "ports", "cycles", "network faster",
                           "against dense on the same hardware", "limit", "limit / cycles",
                           "pruned layers faster"), rows)


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
        energy = [priced(found) for found in (before, now)]
        rows.append((names[arm["name"]], f"{dead:.1%}", f"{total(now, 'skipped_bytes'):,}",
                     f"{was:,}", f"{cycles:,}", f"{was / cycles:.2f}x",
                     f"{(1 - cycles / was) / dead:.1%}", f"{energy[0] / energy[1]:.2f}x"))
    return markdown_table(("fc1, fc2, fc3", "skipped MACs", "skipped bytes", "cycles",
                           "skipping zeros", "faster", "gain, of what the zeros allow",
                           "less energy"), rows)
