"""Pieces of a page: text, tables, bars."""

import html
from collections.abc import Iterable, Sequence

from hw.support.marks import marked_page
from hw.support.text import printable

__all__ = ["FILLS", "PAGE", "STYLE", "bar_chart", "document", "escaped", "html_table", "legend",
           "segments"]

#: What a page says that it is, and its version.
PAGE, _VERSION = "partita.page", 1
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
.wide { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: separate; border-spacing: 0; font-size: .88rem;
  font-variant-numeric: tabular-nums; min-width: 100%; }
th, td { padding: .25rem .5rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
td.prose { text-align: left; white-space: normal; min-width: 18rem; } th.prose { text-align: left; }
thead th:first-child, tbody td:first-child, tfoot td:first-child { position: sticky; left: 0;
  background: var(--paper); }
thead th { color: var(--soft); font-weight: 600; }
tfoot td { font-weight: 600; }
summary { cursor: pointer; font-weight: 600; padding: .35rem 0; }
figure { margin: 1rem 0; }
.bars { font-size: .85rem; font-variant-numeric: tabular-nums; }
.bars > div { display: grid; grid-template-columns: minmax(4.5rem, 9rem) 1fr 4.5rem; gap: .5rem;
  align-items: center; min-height: 1.5rem; }
.of { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; text-align: right; }
.bar { display: flex; height: 1rem; } .bar i { display: block; height: 100%; }
.sum { color: var(--soft); }
.graph { position: relative; font-size: .85rem; font-variant-numeric: tabular-nums; }
.graph > svg { position: absolute; left: 0; top: 0; width: auto; }
.graph > div { height: 2.75rem; padding-top: .2rem; overflow: hidden; white-space: nowrap; }
.graph .what { display: flex; gap: .6rem; } .graph .what b { font-weight: 600; overflow: hidden;
  text-overflow: ellipsis; }
.graph .what span { color: var(--soft); } .graph .what span:last-child { margin-left: auto; }
.graph .did { display: flex; gap: .6rem; align-items: center; }
.graph .did .track { flex: 1; } .graph .cells { display: flex; gap: 1px; }
.graph .cells i { width: .55rem; height: .75rem; border: 1px solid var(--line); }
svg { display: block; width: 100%; height: auto; }
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
@media (max-width: 40rem) { table { font-size: .8rem; } th, td { padding: .25rem .35rem; }
  .spare { display: none; } dl { display: block; } dt { margin-top: .4rem; }
  .tiles { grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .5rem; }
  .bars > div { grid-template-columns: minmax(4.5rem, 9rem) 1fr 3.5rem; } }
@media print { body { max-width: none; font-size: 11pt; } h2 { break-after: avoid; }
  figure, .tile, tr { break-inside: avoid; } }
"""


def escaped(text: object) -> str:
    """Text for an element or an attribute in quotes: no markup, nothing that XML cannot hold."""
    return html.escape(printable(str(text)))


def document(title: str, body: str) -> str:
    """A whole page, which fetches nothing."""
    return f"""{marked_page(PAGE, _VERSION)}
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Partita: {escaped(title)}</title><style>{STYLE}</style></head><body>
{body}
</body></html>
"""


def html_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, text: Iterable[int] = (0,),
               prose: Iterable[int] = (), spare: Iterable[int] = (),
               foot: Sequence[str] | None = None) -> str:
    """A table whose columns are numbers, but for those of `text`, and of `prose`, which may take
    several lines; those of `spare` are left out where there is little room."""
    kinds = {k: f" class={name}" for name, columns in
             (("text", text), ("prose", prose), ("spare", spare)) for k in columns}

    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(f"<{tag}{kinds.get(k, '')}>{v}</{tag}>" for k, v in enumerate(values))

    body = "".join(f"<tr>{cells('td', r)}</tr>" for r in rows)
    last = f"<tfoot><tr>{cells('td', foot)}</tr></tfoot>" if foot else ""
    return (f'<div class=wide><table><thead><tr>{cells("th", heads)}</tr></thead>'
            f"<tbody>{body}</tbody>{last}</table></div>")


def legend(names: Sequence[str]) -> str:
    return '<div class=key>' + "".join(
        f'<span><i style="background:{FILLS[k % len(FILLS)]}"></i>{escaped(n)}</span>'
        for k, n in enumerate(names)) + "</div>"


def bar_chart(rows: Sequence[tuple[str, Sequence[float]]], names: Sequence[str], unit: str,
              caption: str, *, keyed: bool = True) -> str:
    """Stacked horizontal bars on one scale, which take the width that there is; without a legend
    where it is not to be `keyed`, as others beside it have one."""
    longest = max((sum(v) for _, v in rows), default=0) or 1
    parts = []
    for label, values in rows:
        parts.append(f"<span class=of>{escaped(label)}</span>"
                     f'<span class=bar style="width:{100 * sum(values) / longest:.2f}%">'
                     f"{segments(values, [f'{label}, {n}' for n in names], unit)}</span>"
                     f"<span class=sum>{sum(values):,.1f}</span>")
    return (f'<figure>{legend(names) if keyed else ""}<div class=bars role="img" '
            f'aria-label="{escaped(caption)}">'
            + "".join(f"<div>{part}</div>" for part in parts)
            + f"</div><figcaption>{escaped(caption)}</figcaption></figure>")


def segments(values: Sequence[float], names: Sequence[str], unit: str) -> str:
    """The parts of one bar, each as wide as its share; `names` are shown when pointed at."""
    whole = sum(values) or 1
    return "".join(
        f'<i style="width:{100 * value / whole:.2f}%;background:{FILLS[k % len(FILLS)]}" '
        f'title="{escaped(names[k])}: {value:,.1f} {escaped(unit)}"></i>'
        for k, value in enumerate(values) if value > 5e-4 * whole)
