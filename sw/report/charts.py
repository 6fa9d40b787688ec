"""Charts as SVG."""

import math
from collections.abc import Sequence

from hw.support.marks import marked_svg

from .elements import FILLS, escaped, legend
from .values import Report

__all__ = ["PLOT", "roofline", "scatter"]

#: What a figure that stands alone says that it is, and its version.
PLOT = "partita.plot"
_MARK = marked_svg(PLOT, 1)


def roofline(report: Report) -> str:
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
    left, width, height = 40, 390, 250

    def px(v: float) -> float:
        return left + width * (math.log10(v) - low) / (high - low)

    def py(v: float) -> float:
        return 10 + height * (top - math.log10(v)) / (top - bottom)

    parts = []
    for v in _ticks(10 ** low, 10 ** high):
        parts.append(f'<line class=axis x1="{px(v):.1f}" x2="{px(v):.1f}" y1="10" '
                     f'y2="{10 + height}"/><text class=soft x="{px(v):.1f}" '
                     f'y="{height + 26}" text-anchor="middle">{v:g}</text>')
    for v in _ticks(10 ** bottom, 10 ** top):
        parts.append(f'<line class=axis x1="{left}" x2="{left + width}" y1="{py(v):.1f}" '
                     f'y2="{py(v):.1f}"/><text class=soft x="{left - 6}" '
                     f'y="{py(v) + 4:.1f}" text-anchor="end">{v:g}</text>')
    for flat, slope in sorted({(a.macs_per_cycle, a.bytes_per_cycle) for a in report.arms}):
        first, last = max(10 ** low, 10 ** bottom / slope), 10 ** high
        knee = min(max(first, flat / slope), last)
        line = " ".join(f"{px(x):.1f},{py(min(flat, x * slope)):.1f}" for x in (first, knee, last))
        parts.append(f'<polyline class=roof points="{line}"/>')
        parts.append(f'<text class=soft x="{left + width}" y="{py(flat) - 5:.1f}" '
                     f'text-anchor="end">{flat} MACs and {slope} bytes per cycle</text>')
    names = [a.name for a in report.arms]
    for (arm, x, _), a, b in zip(points, xs, ys, strict=True):
        fill = FILLS[names.index(arm.name) % len(FILLS)]
        parts.append(f'<circle cx="{px(a):.1f}" cy="{py(b):.1f}" r="4" fill="{fill}" '
                     f'fill-opacity=".8"><title>{escaped(arm.name)} up to {escaped(x.name)}: '
                     f"{a:,.1f} MACs per byte, {b:,.1f} MACs per cycle</title></circle>")
    caption = ("Each arm up to the end of each of its layers: MACs per byte of weights and "
               "activations over the memory ports, and MACs per cycle. Lines are what arrays and "
               "ports allow.")
    return (f'<figure>{legend(names)}<svg viewBox="0 0 {left + width + 20} {height + 40}" '
            f'role="img" aria-label="{escaped(caption)}" style="max-width:40rem">{"".join(parts)}'
            f"</svg><figcaption>{escaped(caption)}</figcaption></figure>")


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
        fill = FILLS[k % len(FILLS)]
        line = sorted((p[1], p[2]) for p in points if p[0] == k and p[3])
        if len(line) > 1:
            path = "L".join("{:.1f} {:.1f}".format(*place(*p)) for p in line)
            parts.append(f'<path d="M{path}" fill="none" stroke="{fill}" stroke-width="1.5"/>')
        parts.append(f'<circle cx="{left + 110 * k}" cy="18" r="5" fill="{fill}"/>'
                     f'<text x="{left + 110 * k + 10}" y="22">{escaped(name)}</text>')
    for series, x, y, best, text in points:
        cx, cy = place(x, y)
        fill = FILLS[series % len(FILLS)]
        inside = fill if best else "none"
        parts.append(f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="4.5" fill="{inside}" '
                     f'stroke="{fill}"><title>{escaped(text)}</title></circle>')
    parts.append(f'<text x="{left + width}" y="{top + height + 38}" text-anchor="end">'
                 f'{escaped(across)}</text><text x="{left - 80}" y="{top - 4}">'
                 f'{escaped(up)}</text>')
    style = ("svg{background:#fff}text{fill:#1a1d21;font:12px system-ui,sans-serif}"
             ".soft{fill:#5b626c}.axis{stroke:#d8dce2}")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 30} '
            f'{top + height + 50}" width="{left + width + 30}">{_MARK}'
            f"<style>{style}</style>"
            + "".join(parts) + "</svg>\n")


def _decade(values: Sequence[float]) -> tuple[float, float]:
    """A range around the values with some room."""
    return min(values) / 1.3, max(values) * 1.3


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten between two values; of many powers these alone."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    found = [m * 10.0 ** e for e in range(first, last + 1)
             for m in ((1, 2, 5) if last - first < 3 else (1,))]
    return [x for x in found if low <= x <= high]
