"""Pass 4: each instance's operations, in an order in which running them one by one is right."""

from collections.abc import Iterator, Sequence

from hw.config import Config
from hw.isa import Opcode

from .batch import Run
from .jobs import Job, LayerJobs
from .layout import Layout
from .ops import Op
from .stage import Stage
from .switches import switches
from .transfers import place_of, record_regions, tensor_region

__all__ = ["emit"]

_WEIGHTS_AHEAD = 4  # WEIGHTS instructions before the COMPUTE that uses the first of them


def emit(stages: list[Stage], order: Sequence[Run], layout: Layout, config: Config,
         instance: int, everyone: int) -> list[Op]:
    """Return one instance's operations, without tokens.

    Parameters
    ----------
    order : sequence of Run
        Which layer runs when, and for which image.
    everyone : int
        Mask of all instances that run, who meet at each barrier.
    """
    jobs = [job for run in order
            for job in _layer_jobs(stages, run, layout, config, instance, everyone)]
    ahead = min(config.buffers.queue_depth, _WEIGHTS_AHEAD) if switches().prefetch else 1
    weighted = [job for job in jobs if job.weights]
    ops: list[Op] = []
    issued = used = 0
    loaded = -1
    for at, job in enumerate(jobs):
        ops += job.fence
        if job.weights:
            used += 1
        while issued < len(weighted) and not (issued >= used and weighted[issued].fence) and \
                sum(len(one.weights) for one in weighted[used:issued + 1]) < ahead:
            ops += weighted[issued].weights
            issued += 1
        if loaded < at:
            ops += job.before
        if at + 1 < len(jobs) and jobs[at + 1].early:
            ops += jobs[at + 1].before
            loaded = at + 1
        ops += job.body
    _mark(ops)
    return ops


def _mark(ops: list[Op]) -> None:
    """Mark each run's operation that completes last: its last STORE, else its last POST."""
    last: dict[Run, Op] = {}
    for opcode in (Opcode.POST, Opcode.STORE):
        for op in ops:
            if op.opcode == opcode:
                last[op.run] = op
    for op in last.values():
        op.mark = True


def _layer_jobs(stages: list[Stage], run: Run, layout: Layout, config: Config,
                instance: int, everyone: int) -> Iterator[Job]:
    """One job for each stripe of a layer; one with the barrier alone without an item."""
    number, image = run
    stage = stages[number]
    item = stage.split.items[instance]
    barrier, reads = [], []
    for value in stage.barrier:
        maker = stages[value - 1]
        made = maker.split.items[instance]
        if made is not None:
            # Where a batch comes together, what was made of each image.
            images = range(stage.layer.images) if stage.layer.images > maker.layer.images \
                else (image,)
            if value - 1 in layout.records:
                reads += [target for target, _ in record_regions(
                    layout.records[value - 1], made.words, 0, config)]
                continue
            reads += [tensor_region(place_of(layout.tensors[value], maker.layer, k), made.words,
                                    made.rows, config) for k in images]
    if stage.barrier:
        barrier = [Op(Opcode.BARRIER, run, {"mask": everyone}, reads=tuple(reads))]
    if item is not None:
        yield from LayerJobs(stages, run, item, layout, config, instance).jobs(barrier)
    elif barrier:
        yield Job(before=barrier)
