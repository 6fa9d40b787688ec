"""A plan of a user's own, by which a command prunes her network."""

import argparse

from hw.support.arguments import given
from sw.networks.shapes import captured
from sw.prune.apply import apply_plan
from sw.prune.plan import PartitionPlan

from .choice import Choice

__all__ = ["plan_as_asked"]

#: Options that say what a plan says.
_IN_PLACE_OF = ("partitions", "prune", "partitioner", "ablation", "dense")


def plan_as_asked(args: argparse.Namespace, choice: Choice | None) -> PartitionPlan | None:
    """The plan that --plan names, if it is one of the network; None where none is given.

    Raises
    ------
    OSError
    PartitionError
        If the file is no plan, or one of another network.
    ValueError
        If options do not go together.
    """
    if args.plan is None:
        return None
    if choice is None or choice.origin.ours:
        raise ValueError("--plan goes with a network of your own")
    for option in _IN_PLACE_OF:
        if getattr(args, option, None):
            raise ValueError(f"--{option} goes without --plan, which says what is pruned, and how")
    plan = PartitionPlan.load(args.plan)
    with given("--plan", args.plan):
        apply_plan(captured(choice.origin), plan)
    return plan
