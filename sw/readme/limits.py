"""How near to the limit the measured runs of layers are."""

import math

from hw.config import Config
from hw.support.markdown import markdown_table
from sw.cycles.limits import Limit, Roof
from sw.data import stored

__all__ = ["limit_of", "limits_table"]


def limit_of(layers: list[dict], *, instances: int, memory: str = "shared",
             partitions: int = 8) -> Limit:
    """The bound of layers of TinyVGG16 that were measured in one run from its start, derived from
    their sizes; where zeros were skipped, of inputs that are not zero."""
    report = stored("measured-tinyvgg16.json")
    dense = {x["name"]: x for a in report["arms"] if a["name"] == "dense-1" for x in a["layers"]}
    macs = moved = 0.0
    for x in layers:
        share = 1 / partitions if x["pruned"] else 1.0
        needed = share * dense[x["name"]]["macs"]
        live = 1 - (x.get("skipped_macs") or 0) / needed
        macs += needed * live
        moved += share * dense[x["name"]]["weight_bytes"] * live
    config = Config.from_dict(report["config"]).replace(instances=instances, port__memory=memory)
    return Roof.of(config).limit(math.floor(macs), math.floor(moved))


def limits_table() -> str:
    """What share of the bound runs of layers reach, each from the start of a run."""
    arms = {a["name"]: a["layers"] for a in stored("measured-tinyvgg16.json")["arms"]}
    zeros = {a["name"]: a["layers"] for a in stored("zeros-tinyvgg16.json")["arms"]}
    others = {(r["prune"], r["partitions"], r["memory"]): r["layers"]
              for r in stored("scaling-tinyvgg16.json")}

    def row(label: str, layers: list[dict], instances: int, memory: str = "shared") -> tuple:
        limit = limit_of(layers, instances=instances, memory=memory)
        cycles = sum(x["cycles"] for x in layers)
        return (label, f"{cycles:,}", f"{limit.cycles:,}", f"{limit.cycles / cycles:.1%}",
                "arrays" if limit.bound == "compute" else "port")

    def convolutions(layers: list[dict]) -> list[dict]:
        return [x for x in layers if x["kind"] == "conv"]

    header = ("from START to the end of", "cycles", "limit", "limit / cycles", "set by the")
    return markdown_table(header, [
        row("the convolutions, dense, 1 instance", convolutions(arms["dense-1"]), 1),
        row("the convolutions, dense, 8 instances", convolutions(arms["dense-8"]), 8),
        row("the convolutions in groups, 8 instances, a port each",
            convolutions(others["all", 8, "private"]), 8, "private"),
        row("the fully connected layers alone, zeros skipped, dense, 1 instance",
            zeros["dense-1"], 1),
        row("the fully connected layers alone, zeros skipped, dense, 8 instances",
            zeros["dense-8"], 8),
        row("the network, dense, 1 instance", arms["dense-1"], 1),
        row("the network, dense, 8 instances", arms["dense-8"], 8),
        row("the network, pruned, 8 instances", arms["pruned-8"], 8),
        row("the network, pruned, 8 instances, a port each", others["fc", 8, "private"], 8,
            "private")])
