"""A network drawn as its layers, one below the other, with lines from each to those that read it.

Lines run in lanes at the left, as logs of version control draw branches; beside each layer stands
what an arm measured: its cycles by cause, and how busy each instance was.
"""

from collections.abc import Sequence

from .elements import FILLS, escaped, legend, segments
from .values import ArmReport, LayerReport

__all__ = ["CAUSES", "CAUSE_WORDS", "graph_key", "graph_view", "lanes"]

CAUSES = ("COMPUTE", "WEIGHTS", "ACTS", "PORT", "BARRIER", "DRAIN", "IDLE")
CAUSE_WORDS = {"COMPUTE": "computes", "WEIGHTS": "waits for weights",
               "ACTS": "waits for activations", "PORT": "waits for the port",
               "BARRIER": "waits at a barrier", "DRAIN": "drains results",
               "IDLE": "idle: others still run"}
_ROW, _LANE = 44, 14  # pixels: a row is 2.75rem


def lanes(reads: Sequence[Sequence[int]]) -> list[int]:
    """The lane of each node of a graph in topological order, so that no line crosses a node.

    Parameters
    ----------
    reads : of each node, those before it that it reads

    Returns
    -------
    list of int
        Lane of each node; it is kept until the last that reads the node.
    """
    last = list(range(len(reads)))
    for k, sources in enumerate(reads):
        for source in sources:
            last[source] = k
    found: list[int] = []
    for k in range(len(reads)):
        busy = {found[j] for j in range(k) if last[j] > k}
        ending = [found[j] for j in reads[k] if last[j] == k]
        free = next(lane for lane in range(len(busy) + 1) if lane not in busy)
        found.append(min(ending, default=free))
    return found


def _sources(layers: Sequence[LayerReport]) -> list[list[int]]:
    """Numbers of the layers that each reads; one before it where the report does not tell."""
    numbers = {x.name: k for k, x in enumerate(layers)}
    if not any(x.reads for x in layers):
        return [[k - 1] if k else [] for k in range(len(layers))]
    return [[numbers[name] for name in x.reads if name in numbers] for x in layers]


def _lines(reads: Sequence[Sequence[int]], places: Sequence[int]) -> str:
    """The graph's nodes and edges as SVG."""
    width, height = (max(places) + 1) * _LANE + 4, len(reads) * _ROW

    def at(k: int) -> tuple[float, float]:
        return 9 + places[k] * _LANE, k * _ROW + 14

    parts = []
    for k, sources in enumerate(reads):
        x, y = at(k)
        for source in sources:
            from_x, from_y = at(source)
            bend = y - min(_ROW, y - from_y) / 2
            parts.append(f'<path class=roof d="M{from_x} {from_y}V{bend - 10}'
                         f'C{from_x} {bend + 6} {x} {bend - 6} {x} {bend + 10}V{y}"/>')
    parts += [f'<circle cx="{x}" cy="{y}" r="4.5" fill="{FILLS[0]}"/>'
              for x, y in map(at, range(len(reads)))]
    return (f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'style="width:{width}px;height:{height}px" aria-hidden="true">{"".join(parts)}</svg>')


def _busy(layer: LayerReport) -> str:
    """A cell for each instance, as dark as it computed; nothing for one."""
    shares = [causes.get("COMPUTE", 0) / max(sum(causes.get(c, 0) for c in CAUSES), 1)
              for causes in layer.ledger]
    if len(shares) < 2:
        return ""
    return "<span class=cells>" + "".join(
        f'<i style="background:color-mix(in srgb, {FILLS[0]} {share:.0%}, transparent)" '
        f'title="instance {k} computes in {share:.0%} of its cycles"></i>'
        for k, share in enumerate(shares)) + "</span>"


def graph_key() -> str:
    """What graphs show, for all that follow."""
    return ("<p>Each layer's output shape, how the instances share it, and its cycles of an image, "
            "by cause; cells are the instances, as dark as each computed. Lines go from a layer to "
            "those that read its output. * partition-pruned.</p>"
            + legend([CAUSE_WORDS[c] for c in CAUSES]))


def graph_view(arm: ArmReport, images: int = 1) -> str:
    """An arm's network, layer by layer, with cycles by cause, per image, and each instance's share;
    `graph_key` says which is which."""
    reads = _sources(arm.layers)
    places = lanes(reads)
    longest = max((x.cycles for x in arm.layers), default=0) or 1
    room = (max(places, default=0) + 1) * _LANE + 12
    words = [CAUSE_WORDS[c] for c in CAUSES]
    rows = []
    for x, so_far in zip(arm.layers, arm.so_far, strict=True):
        shape = " x ".join(map(str, x.shape))
        limit = "" if so_far is None else f", {so_far.efficiency:.0%} of the limit up to here"
        causes = [sum(i.get(c, 0) for i in x.ledger) / max(len(x.ledger), 1) / images
                  for c in CAUSES]
        cycles = f"{x.cycles / images:,.0f}"
        rows.append(
            f'<div style="padding-left:{room}px"><div class=what><b>{escaped(x.name)}'
            f'{" *" if x.pruned else ""}</b><span>{shape}</span><span>{escaped(x.split)}</span>'
            f'</div><div class=did title="{cycles} cycles per image{limit}"><span class=track>'
            f'<span class=bar style="width:{100 * x.cycles / longest:.2f}%">'
            f'{segments(causes, words, "cycles per image, mean of the instances")}</span></span>'
            f"<span>{cycles}</span>{_busy(x)}</div></div>")
    return (f'<figure><div class=graph>{_lines(reads, places)}{"".join(rows)}</div>'
            f"<figcaption>{escaped(arm.name)}, cycles per image</figcaption></figure>")
