"""Pass 1: the splits of all layers, over as many instances as are of use.

Small layers lose more by barriers and loads between instances than they gain by more arrays. So
the best chain of splits over N instances is looked for among those over 1 to N, by the cycle
model: what N are given is never slower than what fewer would be given, on hardware of N.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from hw.config import Config
from sw.cycles.machine import Machine
from sw.cycles.memory import SIMULATED, MemoryTiming
from sw.lowering.barriers import meetings
from sw.lowering.batch import Run
from sw.lowering.errors import CompileError
from sw.lowering.lower import Lowered
from sw.lowering.nodes import Node
from sw.lowering.split import Option, Split, is_resident, promising, resident_pairs, work_of

__all__ = ["choose", "least_cycles"]


def choose(nodes: Sequence[Node], order: Sequence[Run], config: Config, stores: bool,
           lowered: Callable[[list[Split]], Lowered], memory: MemoryTiming = SIMULATED,
           quick: bool = False) -> Lowered:
    """Return the fastest of the alternatives, by the cycle model.

    Parameters
    ----------
    order : sequence of Run
        Which layer runs when.
    stores : bool
        Whether every layer's output is stored.
    lowered : called with the splits of all layers
        Makes all other decisions.
    memory : MemoryTiming
        With which the cycle model compares them.
    quick : bool
        Take the first that can be compiled.

    Raises
    ------
    CompileError
        That of the first alternative, if none can be compiled.
    """
    if config.instances == 1:
        return lowered(next(_alternatives(nodes, config))[1])
    best: Lowered | None = None
    fewest, refused = 0.0, None
    macs = sum(nodes[k].layer.needed_macs for k, _ in order)
    for count, splits in _alternatives(nodes, config, quick):
        if best is not None:
            if macs >= fewest * count * config.array.macs:
                break
            if least_cycles(nodes, splits, order, config, stores) >= fewest:
                continue
        try:
            found = lowered(splits)
        except CompileError as error:
            refused = refused or error
            continue
        if quick:
            return found
        cycles = Machine(found, memory).run()[-1]
        if best is None or cycles < fewest:
            best, fewest = found, cycles
    if best is None:
        assert refused is not None
        raise refused
    return best


def _alternatives(nodes: Sequence[Node], config: Config, quick: bool = False,
                  ) -> Iterator[tuple[int, list[Split]]]:
    """Chains over N, N - 1, ... 1 instances with the number of each, all different: those whose
    layers all take so many, and those that take a power of two where that seems better. Where only
    the first matter (`quick`), options that they do not take are not looked at."""
    chains = None if quick else _Chains(nodes, config)
    seen = set()
    for count in range(config.instances, 0, -1):
        powers = [1 << k for k in range((count - 1).bit_length())]
        for counts in ([count], [count, *powers]):
            chain = (chains or _Chains(nodes, config, counts)).cheapest(counts)
            key = tuple(split.items for split in chain)
            if key not in seen:
                seen.add(key)
                yield count, chain


class _Chains:
    """Each layer's options over so many instances (`numbers`, or 1 to N), and which pairs of them
    leave what lies between in activation memory; what a layer reads besides of a graph is taken to
    be moved."""

    def __init__(self, nodes: Sequence[Node], config: Config,
                 numbers: Sequence[int] = ()):
        self._options: list[list[Option]] = []
        self._resident: list[np.ndarray] = []
        before = [Split("", (None,) * config.instances)]
        numbers = sorted(numbers or range(1, config.instances + 1), reverse=True)
        for k, node in enumerate(nodes):
            options = [x for count in numbers for x in promising(node, config, count)]
            splits = [x.split for x in options]
            pairs = [resident_pairs(node, r, before, splits) for r in node.reads_of(k)]
            self._resident.append(np.logical_and.reduce(pairs) if pairs else
                                  np.zeros((len(before), len(splits)), bool))
            self._options.append(options)
            before = splits

    def cheapest(self, counts: Sequence[int]) -> list[Split]:
        """Choose an option over one of these numbers of instances for each layer, so that the
        estimated cycles of all are fewest.

        What a split costs depends on the one before it only through whether its input is
        resident, so the best chains that end in each option are enough to go on from.
        """
        at, costs = np.array([0]), np.array([0.0])
        chains: list[list[Split]] = [[]]
        for options, resident in zip(self._options, self._resident, strict=True):
            chosen = np.array([k for k, x in enumerate(options) if x.count in counts])
            moved, kept = (np.array([getattr(options[k], name) for k in chosen])
                           for name in ("moved", "resident"))
            totals = costs[:, None] + np.where(resident[np.ix_(at, chosen)], kept, moved)
            best = totals.argmin(axis=0)
            chains = [[*chains[a], options[k].split] for a, k in zip(best, chosen, strict=True)]
            at, costs = chosen, totals.min(axis=0)
        return chains[int(costs.argmin())]


def least_cycles(nodes: Sequence[Node], splits: Sequence[Split], order: Sequence[Run],
                 config: Config, stores: bool) -> float:
    """Cycles that no plan of these splits can beat.

    Between two barriers arrays and ports have the work of the layers between, but for the
    weights that FIFOs and arrays hold when the first is passed.
    """
    barriers = meetings(nodes, splits)
    arrays, moved = [], []
    for k, node in enumerate(nodes):
        resident = [r for r, read in enumerate(node.reads) if read.value == 0 or (
            read.value is not None and is_resident(node, r, splits[read.value - 1], splits[k]))]
        work = work_of(node, config, splits[k])
        arrays.append(np.array(work.arrays))
        moved.append(np.array(work.port_cycles(config, resident=resident, stores=stores)))
    tile = (config.tile_chunks + config.param_chunks + config.table_chunks) \
        * config.chunk_bytes
    ahead = config.buffers.weight_fifo_beats + 2 * tile / config.port.bytes
    total = 0.0
    spans = [0, *(at for at, (k, _) in enumerate(order) if at and barriers[k]), len(order)]
    for first, past in pairwise(spans):
        span = [k for k, _ in order[first:past]]
        streams = {tuple(None if i is None else i.blocks for i in items)
                   for items in zip(*(splits[k].items for k in span), strict=True)}
        held = ahead * bool(first) * (len(streams) if config.ports == 1 else 1)
        total += max(np.sum([arrays[k] for k in span], axis=0).max(),
                     np.sum([moved[k] for k in span], axis=0).max() - held)
    return total
