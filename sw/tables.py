"""The README's tables, generated from the code and from the measurements in `sw/data`.

    python -m sw.tables            rewrite the tables between the README's markers
    python -m sw.tables --check    exit 1 if they are not current

Exit codes: 0 ok, 1 not current, 2 usage, 5 input or output failed, 130 interrupted.
"""

import ast
import dataclasses
import inspect
import json
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hw import isa, registers
from hw.config import ArrayConfig, BufferConfig, Config, PortConfig
from hw.support.arguments import Parser
from hw.support.errors import exit_code
from hw.support.files import save_file
from sw.cycles.limits import Limit, Roof
from sw.data import DATA
from sw.energy.model import columns as energy_columns
from sw.lowering.switches import Switches

__all__ = ["TABLES", "limit_of", "main", "render"]

README = Path(__file__).resolve().parent.parent / "README.md"


def _table(header: tuple[str, ...], rows: list[tuple]) -> str:
    def cell(value) -> str:
        return str(value).replace("|", "\\|")

    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(cell(v) for v in row) + " |" for row in rows]
    return "\n".join(lines)


def _parameter_docs(cls) -> dict[str, tuple[str, str]]:
    """Name -> (range, meaning) from the Parameters section of a class's docstring; of members
    that have one line each, that line in place of the range."""
    docs: dict[str, tuple[str, str]] = {}
    name = ""
    for line in inspect.cleandoc(cls.__doc__).splitlines():
        if match := re.match(r"^(\w+) : (.*)$", line):
            name = match[1]
            docs[name] = (match[2], "")
        elif name and line.startswith("    "):
            rule, text = docs[name]
            docs[name] = (rule, f"{text} {line.strip()}".strip())
        else:
            name = ""
    return docs


def config_table() -> str:
    """Every configuration field with its default, range and meaning."""
    rows: list[tuple] = []
    for group, cls in (("", Config), ("array.", ArrayConfig), ("buffers.", BufferConfig),
                       ("port.", PortConfig)):
        docs = _parameter_docs(cls)
        for f in dataclasses.fields(cls):
            if f.default is not dataclasses.MISSING:  # else it is a group
                rule, text = docs[f.name]
                rows.append((f"`{group}{f.name}`", f.default, rule, text))
    return _table(("field", "default", "range", "meaning"), rows)


def _member_docs(enum_class) -> dict[str, str]:
    """The `#:` comment of each member."""
    source = inspect.getsource(sys.modules[enum_class.__module__]).splitlines()
    tree = ast.parse("\n".join(source))
    body = next(n for n in tree.body
                if isinstance(n, ast.ClassDef) and n.name == enum_class.__name__)
    docs = {}
    for node in body.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            lines: list[str] = []
            at = node.lineno - 2
            while source[at].strip().startswith("#:"):
                lines.insert(0, source[at].strip()[2:].strip())
                at -= 1
            docs[node.targets[0].id] = " ".join(lines)
    return docs


def _enum_table(enum_class, name: str) -> str:
    docs = _member_docs(enum_class)
    return _table((name, "value", "meaning"),
                  [(f"`{m.name}`", m.value, docs[m.name]) for m in enum_class])


def instruction_table() -> str:
    """Every instruction's fields, with bit positions."""
    parts = [_enum_table(isa.Opcode, "opcode")]
    for title, fields, start in [("Header of every instruction", isa.HEADER, 0)] + [
            (f"`{op.name}`", spec, sum(f.bits for f in isa.HEADER))
            for op, spec in isa.FORMATS.items() if spec]:
        rows, position = [], start
        for f in fields:
            top = position + f.bits - 1
            bits = f"{top}:{position}" if f.bits > 1 else str(position)
            notes = ("non-zero" if f.nonzero else "") + ("signed" if f.signed else "")
            rows.append((f"`{f.name}`", bits, notes, f.doc))
            position += f.bits
        parts.append(f"{title}:\n\n" + _table(("field", "bits", "", "meaning"), rows))
    parts.append("Tokens:\n\n" + _enum_table(isa.Token, "token"))
    return "\n\n".join(parts)


def register_table() -> str:
    """The control registers."""
    rows = [(f"`{n}`", f"0x{r.offset:04x}", r.access, r.doc) for n, r in registers.GLOBAL.items()]
    rows += [(f"`{n}[i]`", f"0x{registers.address(n, 0):04x} + "
              f"0x{registers.INSTANCE_STRIDE:x} i", r.access, r.doc)
             for n, r in registers.INSTANCE.items()]
    return _table(("register", "address", "access", "meaning"), rows)


def error_table() -> str:
    """The error codes and the causes that cycles are counted under."""
    return (_enum_table(isa.ErrorCode, "error") + "\n\nCycle counters, one cause per cycle:\n\n"
            + _enum_table(isa.Cause, "cause"))


def _measured(name: str) -> Any:
    return json.loads((DATA / name).read_text())


def limit_of(layers: list[dict], *, instances: int, memory: str = "shared",
             partitions: int = 8) -> Limit:
    """The bound of layers of TinyVGG16 that were measured in one run from its start, derived from
    their sizes; where zeros were skipped, of inputs that are not zero."""
    report = _measured("measured-tinyvgg16.json")
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


def headline_table() -> str:
    """Cycles and energy of the four arms, from the last full run of `sw.compare`."""
    report = _measured("measured-tinyvgg16.json")
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
    return _table(("", "cycles", "pruned layers (fc1, fc2)", "all fully connected",
                   "whole network", "uJ per image"), rows)


def scaling_table() -> str:
    """Other prunings, memories and numbers of instances, against dense on one instance."""
    base = next(a for a in _measured("measured-tinyvgg16.json")["arms"] if a["name"] == "dense-1")
    dense = {x["name"]: x["cycles"] for x in base["layers"]}
    words = {"fc": "fully connected", "all": "all but the first and last layer"}
    rows: list[tuple] = []
    for row in _measured("scaling-tinyvgg16.json"):
        count = row["partitions"]
        limit = limit_of(row["layers"], instances=count, memory=row["memory"],
                         partitions=count).cycles
        pruned = [x for x in row["layers"] if x["pruned"]]
        gain = sum(dense[x["name"]] for x in pruned) / sum(x["cycles"] for x in pruned)
        rows.append((
            words[row["prune"]], count, row["memory"], f"{row['cycles']:,}",
            f"{base['cycles'] / row['cycles']:.1f}x", f"{base['cycles'] / limit:.1f}x",
            f"{limit / row['cycles']:.1%}", f"{gain:.1f}x"))
    return _table(("pruned", "P = N", "ports", "cycles", "network faster", "limit",
                   "limit / cycles", "pruned layers faster"), rows)


def limits_table() -> str:
    """What share of the bound runs of layers reach, each from the start of a run."""
    arms = {a["name"]: a["layers"] for a in _measured("measured-tinyvgg16.json")["arms"]}
    zeros = {a["name"]: a["layers"] for a in _measured("zeros-tinyvgg16.json")["arms"]}
    others = {(r["prune"], r["partitions"], r["memory"]): r["layers"]
              for r in _measured("scaling-tinyvgg16.json")}

    def row(label: str, layers: list[dict], instances: int, memory: str = "shared") -> tuple:
        limit = limit_of(layers, instances=instances, memory=memory)
        cycles = sum(x["cycles"] for x in layers)
        return (label, f"{cycles:,}", f"{limit.cycles:,}", f"{limit.cycles / cycles:.1%}",
                "arrays" if limit.bound == "compute" else "port")

    def convolutions(layers: list[dict]) -> list[dict]:
        return [x for x in layers if x["kind"] == "conv"]

    return _table(("from START to the end of", "cycles", "limit", "limit / cycles", "set by the"), [
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


def ablation_table() -> str:
    """Cycles of TinyVGG16 with one of the compiler's optimisations left out."""
    cycles = _measured("ablation-tinyvgg16.json")["cycles"]
    docs = _parameter_docs(Switches)
    full, names = cycles[""], list(cycles[""])
    rows = [("nothing", "", *(f"{full[n]:,}" for n in names))]
    for switch, found in cycles.items():
        if switch:
            rows.append((switch.replace("_", " "), docs[switch][0],
                         *(f"{found[n] / full[n] - 1:+.2%}" for n in names)))
    return _table(("left out", "what it does", *names), rows)


def zeros_table() -> str:
    """The fully connected layers with and without skipping zeros."""
    plain = {a["name"]: a for a in _measured("measured-tinyvgg16.json")["arms"]}
    names = {"dense-1": "dense on 1 instance", "dense-8": "dense on 8",
             "pruned-1": "pruned (P = 8) on 1", "pruned-8": "pruned (P = 8) on 8"}
    rows: list[tuple] = []
    for arm in _measured("zeros-tinyvgg16.json")["arms"]:
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
    return _table(("fc1, fc2, fc3", "skipped MACs", "skipped bytes", "cycles", "skipping zeros",
                   "faster", "gain, of what the zeros allow", "less energy"), rows)


def energy_table() -> str:
    """Energy of dense on one instance over pruned on eight, with intervals."""
    report = _measured("measured-tinyvgg16.json")
    rows: list[tuple] = []
    for key, label in (("total", "with external memory"),
                       ("without_external", "without external memory"),
                       ("core", "core: clock, logic, memories, fabric")):
        cells = (report["energy_ratio"][k][key] for k in ("pruned_layers", "fc", "network"))
        rows.append((label, *(f"{c['value']:.2f}x ({c['low']:.2f} to {c['high']:.2f})"
                              for c in cells)))
    rows.append(("published", f"{report['published']['energy']}x", "", ""))
    return _table(("energy, dense on 1 over pruned on 8", "pruned layers", "all fully connected",
                   "whole network"), rows)


def training_table(name: str = "training-results.json") -> str:
    """Accuracies of an ablation of `sw.train`, means over seeds."""
    results = _measured(name)
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
    return f"{results['network']}, {results['data']}:\n\n" + _table(
        ("P", "pruned", "partitioner", "seeds", "weight kept", "weights", "top-1 %", "top-5 %",
         "to dense", "int8 top-1 %", "int8 top-5 %"), rows)


def calibration_table() -> str:
    """Errors of the energy model against gates that its fit did not see."""
    from .calibrate import Sample, validate
    samples = [Sample(**s) for s in _measured("calibration.json")]
    errors = validate(samples)
    clock = energy_columns()["sky130"].coefficients["clock"].value
    rows: list[tuple] = []
    for array in dict.fromkeys(s.array for s in samples):
        mine = [k for k, s in enumerate(samples) if s.array == array]
        cells: list[str] = []
        for kind in ("stimulus", "array"):
            sizes = [abs(errors[kind][k]) for k in mine]
            cells.append(f"{sum(sizes) / len(sizes):.1%} / {max(sizes):.1%}")
        shares = [samples[k].glitch_share for k in mine if samples[k].logic_pj]
        idle = next(samples[k] for k in mine if samples[k].stimulus == "idle")
        rows.append((array, len(mine), f"{samples[mine[0]].flip_flops:,}", *cells,
                     f"{sum(shares) / len(shares):.0%}", f"{idle.gates_pj / idle.cycles:.1f}",
                     f"{idle.flip_flops * clock:.0f}"))
    return _table(("array", "stimuli", "flip-flops", "stimulus left out, mean / largest",
                   "array left out, mean / largest", "glitches add to logic",
                   "idle, pJ per cycle", "without clock gates"), rows)


def coefficient_table() -> str:
    """The energy model's coefficients."""
    table = energy_columns()
    names = list(next(iter(table.values())).coefficients)
    rows = []
    for name in names:
        cells = [c.coefficients[name] for c in table.values()]
        rows.append((f"`{name}`", *(f"{c.value:g} (+-{c.error:.0%})" for c in cells),
                     cells[0].unit, cells[0].source))
    return _table(("coefficient", *table, "unit", "source of the first column"), rows)


def boards_table() -> str:
    """What `python -m boards table` has built."""
    path = README.parent / "boards" / "results.json"
    rows = []
    for row in json.loads(path.read_text()).values():
        if row["why"]:
            rows.append((row["board"], row["config"], *[""] * 5, row["why"]))
            continue
        rows.append((
            row["board"], row["config"], f"{row['luts']:,} of {row['luts_of']:,}",
            f"{row['dsps']} of {row['dsps_of']}", f"{row['block_rams']} of {row['block_rams_of']}",
            f"{row['fmax_mhz']} ({row['clock_mhz']:g} used)",
            f"{row['bytes']:,}", f"{row['seconds']}"))
    return _table(("board", "accelerator", "LUTs", "DSPs", "block RAMs", "MHz",
                   "bytes of bitstream", "seconds to build"), rows)


#: Marker name -> function that renders the table.
TABLES = {"headline": headline_table, "scaling": scaling_table, "limits": limits_table,
          "zeros": zeros_table, "ablation": ablation_table,
          "energy": energy_table, "training": training_table,
          "training-digits": lambda: training_table("training-digits.json"),
          "calibration": calibration_table, "coefficients": coefficient_table,
          "boards": boards_table,
          "config": config_table, "instructions": instruction_table,
          "registers": register_table, "errors": error_table}


def render(text: str) -> str:
    """Return `text` with what stands between each pair of markers replaced.

    Raises
    ------
    ValueError
        If a table's markers are missing.
    """
    for name, table in TABLES.items():
        before, after = f"<!-- table:{name} -->", f"<!-- /table:{name} -->"
        head, found, rest = text.partition(before)
        _, closed, tail = rest.partition(after)
        if not found or not closed:
            raise ValueError(f"README.md has no markers for table {name!r}")
        text = f"{head}{before}\n{table()}\n{after}{tail}"
    return text


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m sw.tables", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether they are current")
    return parser


def run(argv: list[str]) -> int:
    """Run the command and return its exit code; errors are raised."""
    args = parser().parse_args(argv)
    if not README.is_file():
        raise ValueError(f"{README} is not there: the tables are those of a checkout")
    old = README.read_text()
    new = render(old)
    if args.check:
        if new != old:
            print("README.md's tables are not current; run: python -m sw.tables", file=sys.stderr)
            return 1
        return 0
    save_file(README, new)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m sw.tables")


if __name__ == "__main__":
    sys.exit(main())
