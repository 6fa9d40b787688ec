"""What is trained, on what, and what is said of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from .dataset import ImageData
from .fit import Augment, as_they_are

__all__ = ["Monitor", "Row", "Task", "equal_dense"]


@dataclass(frozen=True, eq=False)
class Task:
    """A network and its data: `make` gives a fresh module, `in_shape` is what it takes; `given`
    says that the module comes with weights, which are gone on from; `augmented` names what
    `augment` does, where there is a choice; `scores` makes of what the module gives what a softmax
    is taken of."""

    name: str
    make: Callable[[], nn.Module]
    in_shape: tuple[int, int, int]
    data: ImageData
    augment: Augment
    plain: Callable[[torch.Tensor], torch.Tensor]
    given: bool = False
    augmented: tuple[str, ...] = ()
    scores: Callable[[torch.Tensor], torch.Tensor] = as_they_are


@dataclass(frozen=True)
class Row:
    """One line of a results table; shares are from 0 to 1.

    Members: `kept_weight` is the share of |w| that the partition kept, per layer, before
    fine-tuning; `parameters` those that are left; `qat` whether int8 was fine-tuned, and
    `ptq_top1` what post-training quantisation alone gave.
    """

    name: str
    partitions: int
    prune: str
    partitioner: str
    seed: int
    kept_weight: dict[str, float]
    parameters: int
    top1: float
    top5: float
    ptq_top1: float
    int8_top1: float
    int8_top5: float
    qat: bool


def equal_dense(rows: Sequence[Row]) -> Row:
    """What pruned networks are compared with: the network that is not pruned, trained as long as
    they are, where there is one."""
    return [row for row in rows if not row.prune][-1]


@dataclass
class Monitor:
    """How a run reports: `say` a line; `progress` of a named part; `checkpoint_s` between
    states."""

    say: Callable[[str], None] = lambda text: None
    progress: Callable[[str, int, int, float], None] = lambda part, step, steps, loss: None
    checkpoint_s: float = 60.0
