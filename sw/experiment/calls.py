"""What `sw.api` does with a user's network and arrays: a comparison, an accuracy."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from hw.config import Config
from hw.support.tabular import Tabular
from sw.compiler import Program, compile_graph
from sw.compiler.predict import predict
from sw.cycles.memory import SIMULATED
from sw.driver.backend import Backend, Machine, open_backend
from sw.driver.driver import Driver
from sw.energy.model import EnergyModel
from sw.frontend.module import one_image
from sw.frontend.torch import capture
from sw.graph.floating import FloatGraph
from sw.graph.flow import expect
from sw.graph.integer import IntegerGraph
from sw.images.arrays import check_labels, prepared, split
from sw.images.dataset import SEEDED, ImageSet
from sw.images.errors import ImageError
from sw.images.preparation import Preparation
from sw.networks.naming import UnknownNetwork, origin_of
from sw.networks.opening import opened
from sw.networks.seeded import seeded_images
from sw.prune.plan import PartitionPlan
from sw.reference.batched import Accuracy, run_integer
from sw.reference.batched import accuracy as share_of
from sw.report.values import Report
from sw.terminal.progress import SimulationProgress

from .comparison import arm_names, arms_of
from .comparison import compare as compare_arms
from .names import ARMS
from .own import CALIBRATION, Own, Pixels, measured_images, workload_of

__all__ = ["PLACES", "Measured", "accuracy", "compare"]

#: What a network's accuracy can be measured on, besides a machine.
PLACES = ("golden", "model", "rtl")


@dataclass(frozen=True, repr=False)
class Measured(Tabular):
    """A network's `accuracy` on `images` images; `on` what it was measured; `cycles` of an image,
    predicted by the model, or the mean in RTL or on a machine; whether each output was
    `bit_exact`, None where none was compared."""

    on: str
    images: int
    accuracy: Accuracy
    cycles: float | None = None
    bit_exact: bool | None = None

    def table(self) -> list[dict]:
        """One row."""
        return [{"on": self.on, "images": self.images, "top1": self.accuracy.top1,
                 "top5": self.accuracy.top5, "cycles": self.cycles, "bit_exact": self.bit_exact}]


def compare(net: torch.nn.Module | FloatGraph | str, in_shape: Sequence[int] | None = None, *,
            images: np.ndarray | torch.Tensor | None = None,
            labels: np.ndarray | torch.Tensor | None = None,
            calibration: np.ndarray | torch.Tensor | None = None, count: int = 1,
            config: Config | None = None, partitions: int | None = None, prune: str = "fc",
            partitioner: str | None = None, plan: PartitionPlan | None = None,
            arms: Sequence[str] | None = None, seed: int = 1, energy: bool = True,
            symmetric: bool = False,
            latency_cycles: int = 40, model: EnergyModel | None = None,
            say: Callable[[str], None] = lambda text: None) -> Report:
    """Compare a network dense and pruned, on one instance and on N, in RTL.

    Parameters
    ----------
    net : a module, what `capture` gives, or what --network takes
    in_shape : (channels, rows, columns), of a module
    images : float[N, C, H, W], the first `count` of which run; seeded ones without
    labels : int[N]
    calibration : likewise, that step sizes are chosen on; `images` without
    config : with N instances
    partitions : of the pruned form; by default the most up to 8 that go
    plan : to prune by, in place of these
    arms : of `sw.experiment.names.ARMS`; by default all that the network has
    energy : count activity
    symmetric : quantise without zero points, whatever is lost, as where zeros are skipped
    say : called with lines of status

    Raises
    ------
    UnsupportedLayer, ImageError, PartitionError, QuantiseError, CompileError
    """
    if count < 1:
        raise ValueError(f"count is {count}; it must be 1 or more")
    if images is not None and count > len(images):
        raise ImageError(f"count is {count}; there are {len(images)} images")
    if isinstance(arms, str):
        raise ValueError(f"arms is {arms!r}; give a list of names")
    graph, notices = _graph(net, in_shape)
    config = config or Config()
    chosen = arm_names(ARMS if arms is None else arms, config, "arms")
    if plan is not None and (partitions is not None or partitioner is not None):
        raise ValueError("partitions and partitioner go without plan, which says both")
    own = Own(name=graph.name, weights="given from Python", graph=graph, notices=notices,
              pixels=_pixels(graph, images, labels, calibration, seed), count=count,
              measured=images is not None, symmetric=symmetric or config.array.zero_skip)
    work = workload_of(own, partitions=partitions, seed=seed, partitioner=partitioner, prune=prune,
                       plan=plan, say=say)
    return compare_arms(
        work, config, arms=arms_of(work, chosen, "arms" if arms else ""), layers=None,
        memory={"latency_cycles": latency_cycles, "stall_probability": 0.0, "seed": seed},
        count_toggles=energy, jobs=1, threads=None, seed=seed, command="sw.api.compare",
        progress=SimulationProgress(quiet=True), model=model)


def _graph(net: torch.nn.Module | FloatGraph | str, in_shape: Sequence[int] | None,
           ) -> tuple[FloatGraph, tuple[str, ...]]:
    if isinstance(net, FloatGraph):
        return net, ()
    shape = None if in_shape is None else one_image(
        in_shape, net if isinstance(net, str) else type(net).__name__)
    if isinstance(net, str):
        try:
            origin = origin_of(net, in_shape=shape)
        except UnknownNetwork as error:
            raise UnknownNetwork(f"net {error}") from None
        if origin.ours:
            raise ValueError(f"{net} comes with its own images: python -m sw.compare --network "
                             f"{net}")
        found = opened(origin)
        return found.graph, found.notices
    expect(net, torch.nn.Module, "compare")
    if shape is None:
        raise ValueError("in_shape is missing; give the shape of one image, (channels, rows, "
                         "columns)")
    return capture(net, shape), ()


def _pixels(graph: FloatGraph, images: object, labels: object, calibration: object,
            seed: int) -> Pixels:
    load = partial(prepared, preparation=Preparation(), shape=graph.in_shape)
    if images is None:
        limits = None if graph.given is None else graph.given.limits
        found = ImageSet(seeded_images(8, graph.in_shape, seed, limits), None, (), 8, SEEDED)
        notes = ["seeded random images: cycles are right, values and energy are not those of real "
                 "images"]
    else:
        pixels, given = split("images", images if labels is None else (images, labels))
        if given is not None:
            check_labels("labels", given, int(np.prod(graph.out_shape)))
        found = ImageSet(load("images", pixels), given, (), len(pixels), "those given")
        notes = []
    if calibration is None:
        others = found.images
    else:
        others = load("calibration", split("calibration", calibration)[0])
    return Pixels(others[:CALIBRATION], found.part(0, measured_images(graph)), tuple(notes))


def accuracy(graph: IntegerGraph, images: np.ndarray | torch.Tensor,
             labels: np.ndarray | torch.Tensor, *, on: str | Machine = "golden",
             config: Config | None = None, latency_cycles: int | None = None,
             progress: Callable[[int, int], None] = lambda done, count: None) -> Measured:
    """Measure a quantised network on labelled images.

    Parameters
    ----------
    graph : what `quantise` gives
    images : float[N, C, H, W]
    labels : int[N]
    on : "golden", the integers alone; "model", these and predicted cycles; "rtl", each image in
        RTL; or a machine, as `boards.api.board` gives one. What runs in RTL or on a machine is
        compared with the golden model, output by output.
    config : of the hardware, for "model" and "rtl"; a machine has its own
    latency_cycles : of external memory, for "rtl"; by default 40, as the model takes it to be
    progress : called with images done, of all, where they run in RTL or on a machine

    Raises
    ------
    FlowError, ImageError, CompileError, DriverError
    ValueError
        If there is no such place, or it has no use for what is given.
    """
    expect(graph, IntegerGraph, "accuracy")
    _check_place(on, config, latency_cycles)
    pixels, known = split("images", (images, labels))
    pixels = prepared("images", pixels, Preparation(), graph.in_shape)
    if known is None:
        raise ImageError("labels are missing; there must be one for each image")
    check_labels("labels", known, int(np.prod(graph.out_shape)))
    x, y = torch.from_numpy(pixels), torch.from_numpy(known)
    config = config or Config()
    if on == "golden" or on == "model":
        found = share_of(partial(run_integer, graph), x, y)
        return Measured(on, len(x), found, predict(graph, config).cycles if on == "model" else None)
    if isinstance(on, str):
        program = compile_graph(graph, config)
        opened: AbstractContextManager[Backend] = open_backend(
            "verilator", config, memory_bytes=program.window_bytes,
            latency_cycles=round(SIMULATED.latency) if latency_cycles is None else latency_cycles)
        name = on
    else:
        program = compile_graph(graph, on.config, memory=on.memory)
        opened, name = on.opened(program), on.name
    outputs, cycles = _run_all(opened, program, graph, pixels, progress)
    expected = run_integer(graph, x)
    ours = torch.from_numpy(outputs).long()
    return Measured(name, len(x), share_of(lambda chosen: chosen, ours, y, batch=len(x)), cycles,
                    bool(torch.equal(ours, expected)))


def _check_place(on: str | Machine, config: Config | None, latency_cycles: int | None) -> None:
    """Refuse what nothing can be measured on, and what would change nothing."""
    if isinstance(on, str):
        if on not in PLACES:
            raise ValueError(f"on is {on!r}; it must be one of {', '.join(PLACES)}, or a board: "
                             "boards.api.board(...)")
    elif not all(hasattr(on, member) for member in ("name", "config", "memory", "opened")):
        raise ValueError(f"on is of type {type(on).__name__}; it must be one of "
                         f"{', '.join(PLACES)}, or a board: boards.api.board(...)")
    elif config is not None:
        raise ValueError(f"config goes with \"model\" and \"rtl\"; {on.name} has its own: give it "
                         "to boards.api.board")
    if on == "golden" and config is not None:
        raise ValueError("config goes with \"model\" and \"rtl\"; golden integers are the same on "
                         "all hardware: leave it out")
    if on != "rtl" and latency_cycles is not None:
        raise ValueError("latency_cycles goes with \"rtl\": leave it out")


def _run_all(opened: AbstractContextManager[Backend], program: Program, graph: IntegerGraph,
             images: np.ndarray, progress: Callable[[int, int], None]) -> tuple[np.ndarray, float]:
    """Outputs int8[N, C, H, W], and the mean of their cycles."""
    results = []
    with opened as backend:
        driver = Driver(backend)
        driver.stop()  # what an earlier program has left running
        driver.load(program)
        for k, image in enumerate(images, 1):
            results.append(driver.run(graph.quantise_input(image)))
            progress(k, len(images))
    return np.stack([r.output for r in results]), float(np.mean([r.cycles for r in results]))
