"""Pass 2: stripes and tiles, and what lies where in activation memory while a layer runs."""

from collections.abc import Iterable, Mapping

from hw.config import Config

from .encoding import can_hold, check_encoding, fewer_images
from .errors import DoesNotFit, raising
from .geometry import ceil_div, cut, largest, size
from .memory import LayerPlan, Room
from .nodes import Node
from .space import Space
from .split import Split

__all__ = ["plan_layer"]

_FEW_TILES = 8  # side by side, that are tried where input can be held in pieces, too


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
    spaces = _Spaces(node, split, config, room, residents, keep)
    narrow = spaces.of(1)
    best = _whole(narrow)
    if best is None and spaces.loaded:
        best = _tiled(spaces, _pieces(narrow))
    if best is None:
        raise spaces.too_large()
    return best


class _Spaces:
    """Ways to cut a layer, which `plan_layer` was asked to plan."""

    def __init__(self, node: Node, split: Split, config: Config, room: Room,
                 residents: Mapping[int, int], keep: bool):
        self._node, self._split, self._config, self._room = node, split, config, room
        self._residents, self._keep = residents, keep
        self._ranges = {i.rows for i in split.items if i is not None}
        self._tallest = max(map(size, self._ranges))
        self.loaded = len(residents) < len(node.reads)
        one_image = node.layer.images == 1
        #: Tiles side by side, at most: what is not loaded and stored lies in whole rows.
        self.widest = 1 if keep or residents or not one_image else node.layer.out_shape[2]
        self._counts = _growing if one_image and self.loaded else lambda least, _: [least]

    def of(self, columns: int) -> list[Space]:
        """Spaces for so many tiles side by side, in more and more stripes."""
        least = self._fewest(columns)
        return [] if least is None else [
            Space(self._node, self._split, self._config, self._room, self._residents, self._keep,
                  count, columns) for count in self._counts(least, self._tallest)]

    def _fewest(self, columns: int) -> int | None:
        """Fewest stripes whose tiles the accumulators and instructions hold, if there are any."""
        node, depth = self._node, self._config.buffers.acc_depth
        across = cut(node, 1, (0, node.layer.out_shape[2]), columns)
        width = largest(across, "conv")

        def fits(count: int) -> bool:
            return all(largest(of, "conv") * width <= depth and can_hold(node, 0, of)
                       for of in (cut(node, 0, rows, count) for rows in self._ranges))

        if node.layer.images > depth or not can_hold(node, 1, across) or not fits(self._tallest):
            return None
        most = max(largest(cut(node, 0, rows, 1), "conv") for rows in self._ranges)
        least = min(max(1, ceil_div(most * width, depth)), self._tallest)
        return next(count for count in range(least, self._tallest + 1) if fits(count))

    def too_large(self) -> DoesNotFit:
        """Why there is no plan."""
        layer, config = self._node.layer, self._config
        depth = config.buffers.acc_depth
        if layer.images > depth:
            return DoesNotFit(
                layer.name, f"accumulators for {layer.images} images", f"{depth} pixels",
                raising(config, "buffers.acc_depth", layer.images, *fewer_images(layer)))
        finest = Space(self._node, self._split, config, self._room, self._residents, self._keep,
                       self._tallest if layer.images == 1 else 1, self.widest)
        high, wide = finest.pixels
        if high * wide > depth:
            return DoesNotFit(layer.name, f"accumulators for {high} rows of {wide} pixels",
                              f"{depth} pixels", raising(config, "buffers.acc_depth", high * wide,
                                                         "pool a smaller window"))
        least = finest.least
        return DoesNotFit(layer.name, f"{least} words of activation memory at least",
                          f"{self._room.words}", raising(config, "buffers.act_words", least,
                                                         *fewer_images(layer),
                                                         "make its input map smaller"))


def _whole(spaces: Iterable[Space]) -> LayerPlan | None:
    """The cheapest plan that holds a tile's whole input; of several tiles side by side it is
    among those up to the first of which two are held."""
    best: LayerPlan | None = None
    for space in spaces:
        for buffers in (1,) if space.single else (2, 1):
            plan = space.whole(buffers)
            if plan is not None and (best is None or plan.cost < best.cost):
                best = plan
    return best


def _pieces(spaces: Iterable[Space]) -> LayerPlan | None:
    """The first plan that holds a tile's input in pieces."""
    return next((plan for space in spaces if (plan := space.pieces()) is not None), None)


def _tiled(spaces: _Spaces, best: LayerPlan | None) -> LayerPlan | None:
    """The cheapest plan of several tiles side by side, as few as do and some more; `best` where
    that is cheaper, which holds its input in pieces."""
    most = min(spaces.widest, _FEW_TILES) if best is not None else spaces.widest
    pieces: LayerPlan | None = None
    for columns in _growing(2, most):
        found = spaces.of(columns)
        plan = _whole(found)
        if plan is not None and (best is None or plan.cost < best.cost):
            best, most = plan, min(most, 2 * columns)
        if best is None and pieces is None:
            pieces = _pieces(found)
        if columns >= most:
            break
    return best or pieces


def _growing(least: int, most: int) -> list[int]:
    """Candidate numbers, all small ones and then in growing steps."""
    counts, count = [], least
    while count < most:
        counts.append(count)
        count += 1 + (count - least) // 8
    return [*counts, most] if least <= most else []
