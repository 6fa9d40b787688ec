"""What a board is to do: a network compiled for it, which it must have memory for, and inputs."""

import argparse
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from boards.catalogue import Board
from boards.flow.asked import say
from boards.flow.fit import check_memory, check_soon, of_board
from boards.machines import memory_timing
from hw.config import Config
from sw.compiler import Program, compile_graph
from sw.experiment.choice import Choice, choice_from_arguments
from sw.experiment.planned import plan_as_asked
from sw.experiment.workload import load_workload
from sw.graph.integer import IntegerGraph
from sw.networks.shapes import shape_graph
from sw.prune.plan import PartitionError

__all__ = ["NETWORK", "Task", "choice_as_asked", "compiled_for", "task_as_asked"]

#: What runs where nobody says, and the seed of what is random.
NETWORK, _SEED = "digits", 1


@dataclass(frozen=True, eq=False)
class Task:
    """A `program`, the `graph` that it was compiled from, `images`, each int8[C, H, W], and, if
    they are known, their `labels` and the `names` of the classes."""

    program: Program
    graph: IntegerGraph
    images: tuple[np.ndarray, ...]
    labels: np.ndarray | None = None
    names: tuple[str, ...] = ()


def choice_as_asked(args: argparse.Namespace) -> Choice:
    """The network and the images that options name; raises as `choice_from_arguments`."""
    return choice_from_arguments(argparse.Namespace(**{
        **vars(args), "network": args.network or NETWORK}))


def task_as_asked(args: argparse.Namespace, choice: Choice, board: Board, config: Config, *,
                  count: int, store_all: bool = True,
                  say: Callable[[str], None] = say) -> Task:
    """The task that --network and what goes with it ask for, of `count` images. A user's network is
    pruned only where --partitions or --plan says so: what is pruned here is not tuned again.

    Raises
    ------
    OSError
    ValueError
        If what is asked for does not go together, or cannot be had.
    CompileError, DoesNotFit
    """
    if args.dense and args.partitions is not None:
        raise ValueError("--dense goes without --partitions: it is the network before pruning")
    ours = choice.origin.ours
    parts, prune = board.cut(choice.origin.text, config) if ours else (None, "fc")
    plan = plan_as_asked(args, choice)
    dense = args.dense or (args.partitions is None and plan is None and not ours)
    with suppress(PartitionError):  # which is told with its option, below
        check_soon(board, config, shape_graph(
            choice.origin.text if ours else choice.origin, prune,
            1 if dense else args.partitions or parts or 1, plan), store_all=store_all)
    own = 1 if dense and not ours else None  # which nothing is pruned for
    work = load_workload(choice, images=count, say=say, partitions=own or args.partitions or parts,
                         seed=_SEED if args.seed is None else args.seed, prune=prune, plan=plan,
                         measure=False)
    graph = work.dense if dense or work.pruned is None else work.pruned
    say("compiling")
    program = compiled_for(graph, config, board, store_all=store_all)
    return Task(program, graph, tuple(work.images[:count]), work.labels, work.names)


def compiled_for(graph: IntegerGraph, config: Config, board: Board, *, store_all: bool = True,
                 ) -> Program:
    """Compile a network; raises DoesNotFit if a board has too little memory for it."""
    with of_board(board):
        program = compile_graph(graph, config, store_all=store_all,
                                memory=memory_timing(board, config))
    check_memory(board, config, graph.name, program.window_bytes)
    return program
