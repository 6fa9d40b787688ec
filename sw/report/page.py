"""The report as one page of HTML: self-contained, readable offline, light and dark, printable."""

import html
import json
import math
from collections.abc import Iterable, Sequence

from hw.support.console import printable
from sw.energy.model import CATEGORIES

from .values import PUBLISHED_ENERGY, PUBLISHED_SPEEDUP, ArmReport, Report

__all__ = ["render", "scatter"]

#: Fill of each series, for light and dark backgrounds alike; told apart by lightness as well.
_FILLS = ("#2f6fde", "#e08a1e", "#2a9d6f", "#c2475f", "#7a5bd0", "#8a8f98", "#3fb4c8")
_CAUSES = ("COMPUTE", "WEIGHTS", "ACTS", "PORT", "BARRIER", "DRAIN", "IDLE")
_CAUSE_WORDS = {"COMPUTE": "computes", "WEIGHTS": "waits for weights",
                "ACTS": "waits for activations", "PORT": "waits for the port",
                "BARRIER": "waits at a barrier", "DRAIN": "drains results",
                "IDLE": "idle: others still run"}

_STYLE = """
:root { color-scheme: light dark; --ink: #1a1d21; --soft: #5b626c; --line: #d8dce2;
  --paper: #ffffff; --tint: #f4f6f9; --mark: #2f6fde; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #a0a7b1; --line: #3a4048;
  --paper: #16181c; --tint: #1f2329; --mark: #7aa7f5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 72rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
p, figcaption { color: var(--soft); max-width: 46rem; margin: .25rem 0 .75rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .75rem;
  margin: 1rem 0; }
.tile { background: var(--tint); border-radius: .5rem; padding: .75rem 1rem; }
.tile b { display: block; font-size: 1.7rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums;
  min-width: 100%; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
td.text { white-space: normal; }
thead th { color: var(--soft); font-weight: 600; }
tfoot td { font-weight: 600; }
figure { margin: 1rem 0; } svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg .soft { fill: var(--soft); }
svg .axis { stroke: var(--line); } svg .roof { stroke: var(--soft); fill: none; }
.key { display: flex; flex-wrap: wrap; gap: .3rem 1rem; font-size: .85rem; margin: .25rem 0; }
.key i { display: inline-block; width: .8em; height: .8em; border-radius: 2px;
  margin-right: .35em; }
code { background: var(--tint); padding: .1em .3em; border-radius: .25em; font-size: .9em;
  overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; font-size: .9rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.bad { color: #d03a3a; font-weight: 600; }
@media print { body { max-width: none; font-size: 11pt; } h2 { break-after: avoid; }
  figure, .tile, tr { break-inside: avoid; } }
"""


def _e(text: object) -> str:
    """Text for an element or an attribute in quotes: no markup, nothing that XML cannot hold."""
    return html.escape(printable(str(text)))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, text: Iterable[int] = (0,),
           foot: Sequence[str] | None = None) -> str:
    words = set(text)

    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(f'<{tag}{" class=text" if k in words else ""}>{v}</{tag}>'
                       for k, v in enumerate(values))

    body = "".join(f"<tr>{cells('td', r)}</tr>" for r in rows)
    last = f"<tfoot><tr>{cells('td', foot)}</tr></tfoot>" if foot else ""
    return (f'<div class=wide><table><thead><tr>{cells("th", heads)}</tr></thead>'
            f"<tbody>{body}</tbody>{last}</table></div>")


def _key(names: Sequence[str]) -> str:
    return '<div class=key>' + "".join(
        f'<span><i style="background:{_FILLS[k % len(_FILLS)]}"></i>{_e(n)}</span>'
        for k, n in enumerate(names)) + "</div>"


def _bars(rows: Sequence[tuple[str, Sequence[float]]], names: Sequence[str], unit: str,
          caption: str) -> str:
    """Stacked horizontal bars on one scale."""
    longest = max((sum(v) for _, v in rows), default=0) or 1
    left, width, high = 150, 720, 26
    parts = []
    for k, (label, values) in enumerate(rows):
        y, x = k * high, float(left)
        parts.append(f'<text x="{left - 8}" y="{y + 17}" text-anchor="end">{_e(label)}</text>')
        for n, value in enumerate(values):
            span = width * value / longest
            if span > 0.05:
                parts.append(f'<rect x="{x:.1f}" y="{y + 4}" width="{span:.1f}" height="{high - 8}"'
                             f' fill="{_FILLS[n % len(_FILLS)]}"><title>{_e(label)}, '
                             f"{_e(names[n])}: {value:,.1f} {_e(unit)}</title></rect>")
            x += span
        parts.append(f'<text class=soft x="{x + 6:.1f}" y="{y + 17}">{sum(values):,.1f}</text>')
    return (f'<figure>{_key(names)}<div class=wide><svg viewBox="0 0 {left + width + 90} '
            f'{len(rows) * high + 4}" role="img" aria-label="{_e(caption)}" '
            f'style="min-width:34rem">{"".join(parts)}</svg></div>'
            f"<figcaption>{_e(caption)}</figcaption></figure>")


def _tiles(report: Report) -> str:
    speed = report.speedup
    tiles = []
    for key, label in (("pruned_layers", "faster, pruned layers"),
                       ("fc", "faster, all fully connected"), ("network", "faster, network")):
        value = speed.get(key)
        if value is not None:
            extra = f"; published {PUBLISHED_SPEEDUP}x" if key == "pruned_layers" else ""
            tiles.append((f"{value:.2f}x", label + extra))
    ratios = report.energy_ratios() or {}
    for key, label in (("pruned_layers", "pruned layers"), ("network", "network")):
        for part, words in (("total", "with external memory"), ("core", "core alone")):
            found = ratios.get(key, {}).get(part)
            if found is not None:
                extra = f"; published {PUBLISHED_ENERGY}x" if key == "pruned_layers" else ""
                tiles.append((f"{found.value:.2f}x", f"less energy, {label}, {words}: "
                              f"{found.low:.2f} to {found.high:.2f}{extra}"))
    return '<div class=tiles>' + "".join(
        f"<div class=tile><b>{v}</b><span>{_e(t)}</span></div>" for v, t in tiles) + "</div>"


def _skipped(value: int | None) -> str:
    return "" if value is None else f"<br><small>{value:,} skipped</small>"


def _arm(arm: ArmReport) -> str:
    rows = []
    for x, y in zip(arm.layers, arm.so_far, strict=True):
        to_here = ("-", "-", "-") if y is None else (
            f"{y.cycles:,}", f"{y.limit.cycles:,}", f"{y.efficiency:.1%}")
        energy = "-" if x.energy_pj is None else f"{sum(x.energy_pj.values()) / 1e6:,.1f}"
        rows.append((
            _e(x.name) + (" *" if x.pruned else ""), f"{x.macs:,}{_skipped(x.skipped_macs)}",
            f"{x.cycles:,}", *to_here,
            f"{x.port_bytes:,}{_skipped(x.skipped_bytes)}",
            "-" if x.toggles is None else f"{x.toggles / 1e6:,.1f}", energy, _e(x.split),
            "yes" if x.bit_exact else '<span class=bad>NO</span>'))
    total = arm.total
    ports = "" if arm.instances == 1 else f", {_e(arm.memory)} port" + (
        "s" if arm.memory == "private" else "")
    return (f"<h3>{_e(arm.name)}: {arm.instances} instance{'s'[:arm.instances - 1]}{ports}</h3>"
            + _table(("layer", "MACs", "cycles", "to here", "limit", "limit / to here",
                      "port bytes", "toggles, M", "energy, uJ", "split", "exact"), rows,
                     text=(0, 9, 10),
                     foot=("total", f"{total('macs'):,}", f"{arm.cycles:,}",
                           "", "", "", f"{total('port_bytes'):,}", "", "", "", "")))


def _ledger(arm: ArmReport) -> str:
    """Who waits for what: per layer where it is known, and per instance."""
    names = [_CAUSE_WORDS[c] for c in _CAUSES]
    rows = [(f"instance {i}", [c.get(n, 0) / 1e3 for n in _CAUSES])
            for i, c in enumerate(arm.counters)]
    result = _bars(rows, names, "thousand cycles",
                   f"{arm.name}: each instance's cycles by cause, thousands; they sum to the run")
    if any(x.ledger for x in arm.layers):
        layers = [(x.name, [sum(i.get(n, 0) for i in x.ledger or ()) / arm.instances / 1e3
                            for n in _CAUSES]) for x in arm.layers]
        result += _bars(layers, names, "thousand cycles",
                        f"{arm.name}: the same layer by layer, mean over instances")
    return result


def _roofline(report: Report) -> str:
    """Each arm up to each layer: MACs per port byte and MACs per cycle, on logarithmic axes."""
    points = [(a, x, y) for a in report.arms for x, y in zip(a.layers, a.so_far, strict=True)
              if y is not None and y.macs and y.port_bytes and y.cycles]
    if not points:
        return ""
    xs = [y.macs / y.port_bytes for _, _, y in points]
    low, high = math.floor(math.log10(min(xs))), math.ceil(math.log10(max(xs)) + 0.01)
    peak = max(a.macs_per_cycle for a in report.arms)
    ys = [y.macs / y.cycles for _, _, y in points]
    bottom, top = math.floor(math.log10(min(ys))), math.log10(peak * 1.5)
    left, width, height = 60, 760, 320

    def px(v: float) -> float:
        return left + width * (math.log10(v) - low) / (high - low)

    def py(v: float) -> float:
        return 10 + height * (top - math.log10(v)) / (top - bottom)

    parts = []
    for k in range(low, high + 1):
        parts.append(f'<line class=axis x1="{px(10 ** k):.1f}" x2="{px(10 ** k):.1f}" y1="10" '
                     f'y2="{10 + height}"/><text class=soft x="{px(10 ** k):.1f}" '
                     f'y="{height + 26}" text-anchor="middle">{10 ** k:g}</text>')
    for k in range(bottom, math.floor(top) + 1):
        parts.append(f'<line class=axis x1="{left}" x2="{left + width}" y1="{py(10 ** k):.1f}" '
                     f'y2="{py(10 ** k):.1f}"/><text class=soft x="{left - 6}" '
                     f'y="{py(10 ** k) + 4:.1f}" text-anchor="end">{10 ** k:g}</text>')
    for flat, slope in sorted({(a.macs_per_cycle, a.bytes_per_cycle) for a in report.arms}):
        knee = flat / slope
        start = max(10 ** low, 10 ** bottom / slope)
        parts.append(f'<polyline class=roof points="{px(start):.1f},{py(start * slope):.1f} '
                     f'{px(knee):.1f},{py(flat):.1f} {left + width},{py(flat):.1f}"/>')
        parts.append(f'<text class=soft x="{left + width}" y="{py(flat) - 5:.1f}" '
                     f'text-anchor="end">{flat} MACs and {slope} bytes per cycle</text>')
    names = [a.name for a in report.arms]
    for (arm, x, _), a, b in zip(points, xs, ys, strict=True):
        fill = _FILLS[names.index(arm.name) % len(_FILLS)]
        parts.append(f'<circle cx="{px(a):.1f}" cy="{py(b):.1f}" r="5" fill="{fill}" '
                     f'fill-opacity=".8"><title>{_e(arm.name)} up to {_e(x.name)}: {a:,.1f} MACs '
                     f"per byte, {b:,.1f} MACs per cycle</title></circle>")
    caption = ("Each arm up to the end of each of its layers: MACs per byte of weights and "
               "activations over the memory ports, and MACs per cycle. Lines are what arrays and "
               "ports allow.")
    return (f'<figure>{_key(names)}<div class=wide><svg viewBox="0 0 {left + width + 20} '
            f'{height + 40}" role="img" aria-label="{_e(caption)}" style="min-width:34rem">'
            f'{"".join(parts)}</svg></div><figcaption>{_e(caption)}</figcaption></figure>')


def _energy(report: Report) -> str:
    model, rows = report.energy_model, []
    for arm in report.arms:
        split = arm.energy(model, report.images)
        if split is not None:
            rows.append((arm, split))
    if not rows:
        return "<p>Activity was not counted in this run.</p>"
    column = model.coefficients
    backed = "fitted to gates" if column.calibrated else "uncalibrated: published values only"
    bars = _bars([(a.name, [s[c] / report.images / 1e6 for c in CATEGORIES]) for a, s in rows],
                 CATEGORIES, "uJ", f"Energy per image, uJ. {column.label} ({backed}); external "
                 f"memory {model.external}; {model.clock_mhz:g} MHz for leakage.")
    edp = _table(("arm", "uJ per image", "ms per image", "energy times delay, uJ ms"), [
        (_e(a.name), f"{s['joules_per_image'] * 1e6:,.1f}",
         f"{a.cycles / report.images / model.clock_mhz / 1e3:,.2f}",
         f"{s['joule_seconds'] * 1e9:,.1f}") for a, s in rows])
    own = ""
    if report.best is not None:
        per = [x.instance_pj for x in report.best.layers if x.instance_pj is not None]
        rows_own = [(f"instance {i}", [sum(p[i] for p in per) / report.images / 1e6])
                    for i in range(report.best.instances)]
        own = _bars(rows_own, ["own energy"], "uJ", f"{report.best.name}: clock, logic, memories "
                    "and leakage of each instance, uJ")
    table = _table(("coefficient", "value", "unit", "error", "source"), [
        (_e(n), f"{c.value:g}", _e(c.unit), f"{c.error:.0%}", _e(c.source))
        for n, c in column.coefficients.items()], text=(0, 2, 4))
    return bars + edp + own + "<h3>Coefficients</h3>" + table


def _partition(report: Report) -> str:
    """Weight matrices of the pruned layers, before and after reordering."""
    parts = []
    for picture in report.pictures:
        side, cell = len(picture.before), 220 / max(len(picture.before), 1)

        def squares(matrix, at: float, cell: float = cell) -> str:
            top = max(max(r) for r in matrix) or 1
            return "".join(
                f'<rect x="{at + c * cell:.1f}" y="{r * cell:.1f}" width="{cell + .3:.1f}" '
                f'height="{cell + .3:.1f}" fill="{_FILLS[0]}" fill-opacity="{v / top:.2f}"/>'
                for r, row in enumerate(matrix) for c, v in enumerate(row) if v > 0.02 * top)

        frame = 'fill="none" class=axis width="220" height="220"'
        parts.append(
            f'<figure><svg viewBox="0 0 480 226" style="max-width:40rem" role="img" '
            f'aria-label="weights of {_e(picture.layer)}">{squares(picture.before, 0)}'
            f'<rect x="0" y="0" {frame}/>{squares(picture.after, 250)}'
            f'<rect x="250" y="0" {frame}/></svg><figcaption>{_e(picture.layer)}: mean |w| in '
            f"{side} x {side} squares, inputs across, outputs down; dense on the left, on the "
            f"right pruned to {report.partitions} blocks with channels in the order of their "
            "parts.</figcaption></figure>")
    return "".join(parts) or "<p>No layer is pruned in this run.</p>"


def render(report: Report) -> str:
    """Return the page."""
    config = report.config
    accuracy = ""
    if report.accuracy:
        accuracy = "<h2>Accuracy</h2>" + _table(
            ("network", "share of labels"),
            [(_e(k), f"{v:.2%}") for k, v in report.accuracy.items()])
    exact = ("Every layer of every arm equals the golden model bit for bit." if report.bit_exact
             else '<span class=bad>At least one layer differs from the golden model.</span>')
    facts = {
        "network": report.network, "weights": report.weights,
        "array": f"{config['array']['rows']} x {config['array']['cols']} MACs",
        "instances": config["instances"],
        "port": f"{config['port']['bytes']} bytes per cycle, {config['port']['memory']}",
        "memory model": json.dumps(report.memory_model), "seed": report.seed,
        "versions": ", ".join(f"{k} {v}" for k, v in report.versions.items())}
    ledgers = "".join(_ledger(a) for a in report.arms)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Partita: {_e(report.network)}</title><style>{_STYLE}</style></head><body>
<h1>{_e(report.network)} on {config['instances']} accelerators</h1>
<p>Cycles, bytes and activity were counted in RTL simulation; energy is activity times the
coefficients below, with the range that their errors allow. {exact}</p>
{_tiles(report)}
<h2>Layers</h2>
<p>To here: cycles of all layers up to this one. Limit: of these layers, what no design with these
MACs and ports can beat, however layers overlap. * partition-pruned.</p>
{"".join(_arm(a) for a in report.arms)}
<h2>Who waits for what</h2>{ledgers}
<h2>Roofline</h2>{_roofline(report)}
<h2>Energy</h2>{_energy(report)}
<h2>Partition</h2>{_partition(report)}
{accuracy}
<h2>What ran</h2><dl>{"".join(f"<dt>{_e(k)}</dt><dd>{_e(v)}</dd>" for k, v in facts.items())}</dl>
<p>Again with: <code>{_e(report.command)}</code></p>
</body></html>
"""


def scatter(points: Sequence[tuple[int, float, float, bool, str]], names: Sequence[str],
            across: str, up: str) -> str:
    """A stand-alone SVG with both axes logarithmic.

    `points` are (series, x, y, whether on the front, description); those on a series' front
    are filled and joined.
    """
    left, top, width, height = 90, 40, 640, 380
    low_x, high_x = _decade([p[1] for p in points])
    low_y, high_y = _decade([p[2] for p in points])

    def place(x: float, y: float) -> tuple[float, float]:
        return (left + width * math.log(x / low_x) / math.log(high_x / low_x),
                top + height * (1 - math.log(y / low_y) / math.log(high_y / low_y)))

    parts = []
    for value in _ticks(low_x, high_x):
        x, _ = place(value, low_y)
        parts.append(f'<path class="axis" d="M{x:.1f} {top}v{height}"/><text class="soft" '
                     f'x="{x:.1f}" y="{top + height + 18}" text-anchor="middle">{value:,.0f}'
                     "</text>")
    for value in _ticks(low_y, high_y):
        _, y = place(low_x, value)
        parts.append(f'<path class="axis" d="M{left} {y:.1f}h{width}"/><text class="soft" '
                     f'x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{value:,.0f}</text>')
    for k, name in enumerate(names):
        fill = _FILLS[k % len(_FILLS)]
        line = sorted((p[1], p[2]) for p in points if p[0] == k and p[3])
        if len(line) > 1:
            path = "L".join("{:.1f} {:.1f}".format(*place(*p)) for p in line)
            parts.append(f'<path d="M{path}" fill="none" stroke="{fill}" stroke-width="1.5"/>')
        parts.append(f'<circle cx="{left + 110 * k}" cy="18" r="5" fill="{fill}"/>'
                     f'<text x="{left + 110 * k + 10}" y="22">{_e(name)}</text>')
    for series, x, y, best, text in points:
        cx, cy = place(x, y)
        fill = _FILLS[series % len(_FILLS)]
        inside = fill if best else "none"
        parts.append(f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="4.5" fill="{inside}" '
                     f'stroke="{fill}"><title>{_e(text)}</title></circle>')
    parts.append(f'<text x="{left + width}" y="{top + height + 38}" text-anchor="end">{_e(across)}'
                 f'</text><text x="{left - 80}" y="{top - 4}">{_e(up)}</text>')
    style = ("svg{background:#fff}text{fill:#1a1d21;font:12px system-ui,sans-serif}"
             ".soft{fill:#5b626c}.axis{stroke:#d8dce2}")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 30} '
            f'{top + height + 50}" width="{left + width + 30}"><style>{style}</style>'
            + "".join(parts) + "</svg>\n")


def _decade(values: Sequence[float]) -> tuple[float, float]:
    """A range around the values with some room."""
    return min(values) / 1.3, max(values) * 1.3


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten between two values."""
    found = [m * 10.0 ** e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
             for m in (1, 2, 5)]
    return [x for x in found if low <= x <= high]
