"""Pass 2: stripes, and what lies where in activation memory while a layer runs."""

from collections.abc import Mapping

from hw.config import Config

from .encoding import check_encoding, fewer_images
from .errors import DoesNotFit, raising
from .geometry import ceil_div, cut
from .memory import LayerPlan, Room
from .nodes import Node
from .space import Space
from .split import Item, Split
from .switches import switches

__all__ = ["plan_layer"]


def plan_layer(node: Node, split: Split, config: Config, room: Room, residents: Mapping[int, int],
               keep: bool) -> LayerPlan:
    """Plan a layer.

    Parameters
    ----------
    room : Room
        What it may use of the activation memory.
    residents : read -> base address
        Reads that find their value in activation memory, outside the room.
    keep : bool
        Leave the output in activation memory.

    Raises
    ------
    DoesNotFit, Unsupported
    """
    check_encoding(node, config)
    items = [i for i in split.items if i is not None]
    tallest = max(i.rows[1] - i.rows[0] for i in items)
    fewest = _fewest_stripes(node, items, config, tallest)
    counts = _stripe_counts(fewest, tallest) if node.layer.images == 1 else [1]
    loaded = len(residents) < len(node.reads)
    spaces = [Space(node, split, config, room, residents, keep, count)
              for count in (counts if loaded else counts[:1])]
    best: LayerPlan | None = None
    for space in spaces:
        single = not loaded or space.count == 1 or not switches().two_buffers
        for buffers in (1,) if single else (2, 1):
            plan = space.whole(buffers)
            if plan is not None and (best is None or plan.cost < best.cost):
                best = plan
    if best is None and loaded:
        best = next((plan for space in spaces if (plan := space.pieces()) is not None), None)
    if best is None:
        space = spaces[-1]
        raise DoesNotFit(node.layer.name, f"{space.least} words of activation memory at least",
                         f"{room.words}", raising(config, "buffers.act_words", space.least,
                                                  *fewer_images(node.layer),
                                                  "make its input map smaller"))
    return best


def _stripe_counts(fewest: int, most: int) -> list[int]:
    """Candidate numbers of stripes, all small ones and then in growing steps."""
    counts, count = [], fewest
    while count < most:
        counts.append(count)
        count += 1 + (count - fewest) // 8
    return [*counts, most]


def _fewest_stripes(node: Node, items: list[Item], config: Config, tallest: int) -> int:
    layer = node.layer
    width, depth = layer.conv_shape[2], config.buffers.acc_depth
    if layer.images > depth:
        raise DoesNotFit(layer.name, f"accumulators for {layer.images} images",
                         f"{depth} pixels",
                         raising(config, "buffers.acc_depth", layer.images, *fewer_images(layer)))
    all_rows = {i.rows for i in items}
    most = max(s[0].conv[1] - s[0].conv[0] for ranges in all_rows for s in cut(node, ranges, 1))
    for count in range(min(max(1, ceil_div(most * width, depth)), tallest), tallest + 1):
        rows = max(s[0].conv[1] - s[0].conv[0] for ranges in all_rows
                   for s in cut(node, ranges, count))
        if rows * width <= depth:
            return count
    raise DoesNotFit(layer.name, f"accumulators for {rows} rows of {width} pixels",
                     f"{depth} pixels", raising(config, "buffers.acc_depth", rows * width,
                                                "make the image narrower"))
