"""Pieces of a page: text, tables, bars."""

import html
from collections.abc import Iterable, Sequence

from hw.support.text import printable

__all__ = ["FILLS", "STYLE", "bar_chart", "escaped", "html_table", "legend"]

#: Fill of each series, for light and dark backgrounds alike; told apart by lightness as well.
FILLS = ("#2f6fde", "#e08a1e", "#2a9d6f", "#c2475f", "#7a5bd0", "#8a8f98", "#3fb4c8")
STYLE = """
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


def escaped(text: object) -> str:
    """Text for an element or an attribute in quotes: no markup, nothing that XML cannot hold."""
    return html.escape(printable(str(text)))


def html_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, text: Iterable[int] = (0,),
           foot: Sequence[str] | None = None) -> str:
    words = set(text)

    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(f'<{tag}{" class=text" if k in words else ""}>{v}</{tag}>'
                       for k, v in enumerate(values))

    body = "".join(f"<tr>{cells('td', r)}</tr>" for r in rows)
    last = f"<tfoot><tr>{cells('td', foot)}</tr></tfoot>" if foot else ""
    return (f'<div class=wide><table><thead><tr>{cells("th", heads)}</tr></thead>'
            f"<tbody>{body}</tbody>{last}</table></div>")


def legend(names: Sequence[str]) -> str:
    return '<div class=key>' + "".join(
        f'<span><i style="background:{FILLS[k % len(FILLS)]}"></i>{escaped(n)}</span>'
        for k, n in enumerate(names)) + "</div>"


def bar_chart(rows: Sequence[tuple[str, Sequence[float]]], names: Sequence[str], unit: str,
          caption: str) -> str:
    """Stacked horizontal bars on one scale."""
    longest = max((sum(v) for _, v in rows), default=0) or 1
    left, width, high = 150, 720, 26
    parts = []
    for k, (label, values) in enumerate(rows):
        y, x = k * high, float(left)
        parts.append(f'<text x="{left - 8}" y="{y + 17}" text-anchor="end">{escaped(label)}</text>')
        for n, value in enumerate(values):
            span = width * value / longest
            if span > 0.05:
                parts.append(f'<rect x="{x:.1f}" y="{y + 4}" width="{span:.1f}" height="{high - 8}"'
                             f' fill="{FILLS[n % len(FILLS)]}"><title>{escaped(label)}, '
                             f"{escaped(names[n])}: {value:,.1f} {escaped(unit)}</title></rect>")
            x += span
        parts.append(f'<text class=soft x="{x + 6:.1f}" y="{y + 17}">{sum(values):,.1f}</text>')
    return (f'<figure>{legend(names)}<div class=wide><svg viewBox="0 0 {left + width + 90} '
            f'{len(rows) * high + 4}" role="img" aria-label="{escaped(caption)}" '
            f'style="min-width:34rem">{"".join(parts)}</svg></div>'
            f"<figcaption>{escaped(caption)}</figcaption></figure>")
