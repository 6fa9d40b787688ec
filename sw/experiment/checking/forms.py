"""The form in which a network is checked: as it is, or pruned as what runs it next prunes it."""

from collections.abc import Callable
from dataclasses import replace

from hw.support.arguments import given
from sw.experiment.own import chosen_partitions, why_unpruned
from sw.graph.integer import IntegerGraph
from sw.networks.names import cut_of
from sw.networks.opening import Opened
from sw.networks.shapes import shape_graph
from sw.prune.apply import apply_plan
from sw.prune.partition import partition
from sw.prune.plan import PartitionError, PartitionPlan

from .targets import Target

__all__ = ["cut_words", "our_form", "own_form", "pruned_parts"]


def our_form(name: str, partitions: int | None, target: Target) -> IntegerGraph:
    """The layers of a network that comes with this package as a machine runs it, or in so many
    partitions.

    Raises
    ------
    UsageError
        If it cannot be cut into as many as are asked for.
    """
    parts, prune = cut_of(name, target.parts, target.prune) if target.parts > 1 else (1, "fc")
    with given("--partitions", partitions):
        try:
            return shape_graph(name, prune, partitions or parts)
        except PartitionError:
            if partitions:
                raise
            return shape_graph(name, "fc", 1)


def own_form(network: Opened, plan: PartitionPlan | None, partitions: int | None, *, seed: int,
             say: Callable[[str], None]) -> tuple[Opened, str]:
    """A user's network pruned by a plan, or into so many partitions; and what is pruned, in words.

    Raises
    ------
    UsageError
        If it cannot be cut into as many as are asked for.
    """
    graph, why = network.graph, "--plan"
    if partitions is not None:
        with given("--partitions", partitions):
            parts, names = chosen_partitions(graph, "fc", partitions)
        if parts > 1 and not names:
            return replace(network, notices=(*network.notices, "nothing is pruned: "
                                             + why_unpruned(graph, "fc", parts))), ""
        why = "--partitions"
        plan = partition(graph, names, parts, "optimised", seed=seed, progress=say) if names \
            else None
    if plan is None:
        return network, ""
    return replace(network, graph=apply_plan(graph, plan)), \
        f"{cut_words(plan.layers, plan.partitions)}, as {why} says"


def cut_words(layers: tuple[str, ...], parts: int) -> str:
    """Layers that are pruned, in words."""
    return f"{', '.join(layers)} in {parts} parts"


def pruned_parts(graph: IntegerGraph) -> int:
    """Into how many partitions a network's layers are cut, 1 for none."""
    return max((x.groups for x in graph.layers if x.pruned), default=1)
