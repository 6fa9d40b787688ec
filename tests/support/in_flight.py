"""Networks on a machine, each by itself on an instance or one on several, and what is right for
them: for tests that let something go wrong while they run."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hw.config import Config
from hw.registers import COUNTERS
from sim.verilated.memory import Disturbance
from sw.compiler import Program, compile_graph
from sw.compiler.compile import lower
from sw.graph.integer import IntegerGraph
from sw.lowering.split import Split, promising
from sw.reference.golden import run_golden
from tests.support.programs import Machine, random_layer

__all__ = ["Bed", "Job", "Memory", "make_jobs", "small_graph", "spread"]

_GUARD_BYTES = 1 << 12


def small_graph(rng: np.random.Generator) -> IntegerGraph:
    """Layers of which the second needs what all instances have made of the first."""
    first = random_layer(rng, "conv1", (4, 4, 4), 8, 3, pad=1)
    second = random_layer(rng, "conv2", first.out_shape, 8, 3, pad=1)
    third = random_layer(rng, "fc", second.out_shape, 10, 4, low=-128)
    return IntegerGraph("small", (first, second, third), 1.0, 1.0)


def spread(graph: IntegerGraph, config: Config, instances: int | None = None) -> list[Split]:
    """Splits over so many instances or all, though layers so small are faster on one."""
    return [min(promising(stage.node, config, instances or config.instances),
                key=lambda x: x.moved).split for stage in lower(graph, config).stages]


@dataclass(frozen=True, eq=False)
class Job:
    """A network in a window: its program, compiled for the first `count` instances, runs on those
    from `first` on; `image` and the `expected` output of each layer; the window's `base`."""

    program: Program
    image: np.ndarray
    expected: tuple[np.ndarray, ...]
    first: int
    count: int
    base: int

    @property
    def instances(self) -> range:
        return range(self.first, self.first + self.count)

    @property
    def places(self) -> list[tuple[int, int]]:
        """Addresses of its outputs."""
        return [place for place in self.program.places(self.base) if place is not None]


@functools.cache
def make_jobs(config: Config, count: int, *, apart: bool, seed: int) -> tuple[Job, ...]:
    """A network over `count` instances, or one on each of them."""
    jobs, base = [], 0
    for first in range(count if apart else 1):
        rng = np.random.default_rng([seed, first])
        graph = small_graph(rng)
        program = compile_graph(graph, config, splits=spread(graph, config, 1 if apart else count))
        image = rng.integers(-128, 128, graph.in_shape, dtype=np.int8)
        jobs.append(Job(program, image, tuple(run_golden(graph, image)), first,
                        1 if apart else count, base))
        base += -(-program.window_bytes // 4096) * 4096
    return tuple(jobs)


@dataclass(frozen=True)
class Memory:
    """Latency, probability and seed of stalls."""

    latency: int
    stall: float
    seed: int


class Bed:
    """A machine with jobs, and a guard of random bytes behind them. Runs that are alike take the
    same cycles: the memory has no pages to open, and each finds the same stalls."""

    def __init__(self, config: Config, jobs: Sequence[Job], memory: Memory, *, check: bool = False):
        self.jobs, self._memory = jobs, memory
        last = jobs[-1]
        self._size = last.base + -(-last.program.window_bytes // 4096) * 4096
        self.machine = Machine(config, self._size + _GUARD_BYTES, check=check, page_miss_cycles=0,
                               latency_cycles=memory.latency, stall_probability=memory.stall,
                               seed=memory.seed)
        self.mask = sum(1 << i for job in jobs for i in job.instances)
        self.image = np.zeros(self._size + _GUARD_BYTES, np.uint8)  # what was put there
        self.image[self._size:] = np.random.default_rng(memory.seed).integers(
            0, 256, _GUARD_BYTES, np.uint8)
        for job in jobs:
            self._place(job)
        self.machine.backend.write_memory(0, self.image)
        if len(jobs) == 1:
            layers = [info.name for info in jobs[0].program.layers]
            self.machine.backend.guard(layers, jobs[0].program.places(0))

    def _place(self, job: Job) -> None:
        program = job.program
        packed = program.pack_input(job.image)
        for offset, data in (*program.segments, (program.input.offset, packed)):
            self.image[job.base + offset:job.base + offset + len(data)] = data
        for i in job.instances:
            start = program.programs[i - job.first]
            assert start is not None
            for name, value in (("PROGRAM", start), ("WINDOW_BASE", job.base),
                                ("WINDOW_BYTES", program.window_bytes)):
                self.machine.write(name, value, i)

    def __enter__(self) -> "Bed":
        return self

    def __exit__(self, *exc) -> None:
        self.machine.backend.close()

    def start(self, wrong: Disturbance) -> None:
        """Start all jobs, with nothing in their outputs, on a memory that does this wrong."""
        backend = self.machine.backend
        for job in self.jobs:
            for begin, end in job.places:
                backend.write_memory(begin, self.image[begin:end])
        backend.disturb(wrong, self._memory.seed)
        self.machine.write("START", self.mask)

    def wait(self, cycles: int) -> None:
        """Wait until nobody runs, at most so long."""
        self.machine.backend.advance(cycles)
        assert self.machine.read("RUNNING") == 0, f"still runs after {cycles} cycles"

    def run(self, limit: int = 2_000_000) -> int:
        """Run all jobs undisturbed, check everything, return the cycles."""
        self.start(Disturbance())
        self.wait(limit)
        assert (self.machine.read("DONE"), self.machine.read("ERROR")) == (self.mask, 0)
        for job in self.jobs:
            self.check_outputs(job)
        self.check_untouched()
        self.check_counters()
        return self.machine.read("CYCLES")

    def check_outputs(self, job: Job) -> None:
        """A job's outputs are those of the golden model."""
        for k, (place, theirs) in enumerate(zip(job.program.places(job.base), job.expected,
                                                strict=True)):
            if place is not None:
                data = self.machine.backend.read_memory(place[0], place[1] - place[0])
                assert np.array_equal(job.program.unpack_output(k, data), theirs), \
                    f"layer {k} of the job on instance {job.first} is wrong"

    def check_untouched(self) -> None:
        """Nothing was written but outputs."""
        found = self.machine.backend.read_memory(0, len(self.image))
        for job in self.jobs:
            for begin, end in job.places:
                found[begin:end] = self.image[begin:end]
        wrong = np.flatnonzero(found != self.image)
        assert not len(wrong), f"{len(wrong)} bytes from 0x{wrong[0]:x} on were written"

    def check_counters(self) -> None:
        """Each instance's causes sum to its total."""
        for job in self.jobs:
            for i in job.instances:
                causes = sum(self.machine.read(n, i) for n in COUNTERS)
                assert causes == self.machine.read("TOTAL", i), f"counters of instance {i}"
