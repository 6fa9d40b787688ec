"""What is trained, in which order: dense, partitioned, fine-tuned under the mask, quantised.

Used by `sw.train` on Tiny ImageNet and by the digits that the demonstration trains in seconds.
"""

import copy
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from sw.graph.artefact import save_integer
from sw.graph.floating import FloatGraph
from sw.graph.integer import IntegerGraph
from sw.prune.apply import apply_plan
from sw.prune.layers import prunable_layers
from sw.prune.partition import partition
from sw.prune.plan import PartitionPlan
from sw.prune.refit import refit_masked
from sw.quantise.aware import FakeQuantised
from sw.quantise.post_training import calibrate, quantise_with
from sw.reference.batched import Accuracy, accuracy, run_integer

from .checkpoint import CheckpointError, load_checkpoint, read_metadata, save_checkpoint
from .fit import Batches, StateError, as_they_are, fit
from .modules import captured, weight_masks, weights_hash
from .recipe import FitError, Recipe
from .task import Monitor, Row, Task

__all__ = ["Trainer", "pruned_names"]

#: Loss of top-1 through int8 from which on quantisation-aware fine-tuning is worth its time.
QAT_THRESHOLD = 0.005
_CALIBRATION = 256
#: Training images that a refit sees, and how many at a time.
_REFITTED, _REFIT_BATCH = 5000, 250
#: Training images by which it is decided whether int8 is fine-tuned: nothing is on held-out ones.
_JUDGED = 5000


def pruned_names(graph: FloatGraph, prune: str) -> list[str]:
    """The layers that `prune` means: "fc", "all" or names with commas between."""
    return prunable_layers(graph, prune) if prune in ("fc", "all") else prune.split(",")


@dataclass(eq=False)
class Trainer:
    """Trains a task's networks into a folder; what is there already is not trained again.

    Parameters
    ----------
    task : Task
    folder : for weights and states of runs that were interrupted
    device : torch.device
    monitor : Monitor
    cache : bool
        The folder is this program's own: what is damaged in it is made again.

    Raises
    ------
    FitError
        If the folder holds weights of another run.
    """

    task: Task
    folder: Path
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    monitor: Monitor = field(default_factory=Monitor)
    cache: bool = False

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        task = self.task
        self._training = Batches.training(task.data, task.augment, task.plain, self.device)
        self._held = torch.from_numpy(np.array(task.data.held_images)).to(self.device)
        self._labels = torch.from_numpy(task.data.held_labels).to(self.device)
        self._fingerprint = " ".join((task.data.fingerprint, *task.augmented))

    def _identity(self, *parts) -> str:
        text = json.dumps([self.task.name, self._fingerprint, torch.__version__, *parts])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _trained(self, name: str, identity: str, net: nn.Module, recipe: Recipe, *,
                 masks: dict[str, torch.Tensor], teacher: nn.Module | None,
                 prepare: Callable[[], None] = lambda: None) -> nn.Module:
        """The network, trained by now; `prepare` changes it before its first step."""
        path = self.folder / f"{name}.safetensors"
        if not (path.is_file() and self._load(path, identity, net)):
            self._fit(name, net, recipe, identity, masks, teacher, prepare, self.task.scores)
            save_checkpoint(net, path, {"identity": identity})
        self._state(name).unlink(missing_ok=True)
        return net.eval()

    def _state(self, name: str) -> Path:
        """Where a training that is under way, or whose weights are not written yet, is kept."""
        return self.folder / f"{name}.state"

    def _load(self, path: Path, identity: str, net: nn.Module) -> bool:
        """Take weights that were trained before; false for damaged ones of a cache."""
        try:
            if read_metadata(path).get("identity") != identity:
                raise FitError(f"{path}: is of another run (other data, network or settings); "
                               "give another --out, or --restart to train anew")
            load_checkpoint(net, path)
        except (FitError, CheckpointError) as error:
            if not self.cache:
                raise
            self.monitor.say(f"{error}; training it again")
            return False
        return True

    def _fit(self, name: str, net: nn.Module, recipe: Recipe, identity: str,
             masks: dict[str, torch.Tensor], teacher: nn.Module | None,
             prepare: Callable[[], None] = lambda: None,
             scores: Callable[[torch.Tensor], torch.Tensor] = as_they_are) -> None:
        monitor, state = self.monitor, self._state(name)

        def run() -> None:
            if not state.is_file():
                prepare()
            fit(net, self._training, recipe, masks=masks, teacher=teacher, scores=scores,
                state=state, identity=identity, checkpoint_s=monitor.checkpoint_s,
                progress=lambda step, steps, loss: monitor.progress(name, step, steps, loss))

        try:
            run()
        except StateError as error:
            if not self.cache:
                raise
            monitor.say(f"{error}; beginning again")
            state.unlink()
            run()

    def _fresh(self) -> nn.Module:
        return self.task.make().to(self.device)

    def dense(self, recipe: Recipe, checkpoint: Path | None = None) -> nn.Module:
        """Train the unpruned network, from a checkpoint's weights if there is one.

        Raises
        ------
        CheckpointError
            If the checkpoint is not of this network.
        """
        torch.manual_seed(recipe.seed)
        net, start = self._fresh(), []
        if checkpoint is not None:
            load_checkpoint(net, checkpoint)
        if checkpoint is not None or self.task.given:
            start = [weights_hash(net)]
        return self._trained("dense", self._identity("dense", asdict(recipe), *start), net,
                             recipe, masks={}, teacher=None)

    def graph(self, net: nn.Module) -> FloatGraph:
        """Capture a trained network, batch norm folded."""
        return captured(net, self.task.in_shape, self.task.name)

    def plan(self, dense: nn.Module, partitions: int, prune: str, partitioner: str,
             seed: int) -> PartitionPlan:
        """Partition a trained network; `prune` is "fc", "all" or names with commas between."""
        graph = self.graph(dense)
        return partition(graph, pruned_names(graph, prune), partitions, partitioner, seed=seed,
                         progress=self.monitor.say)

    def pruned(self, name: str, dense: nn.Module, plan: PartitionPlan, recipe: Recipe) -> nn.Module:
        """Fine-tune a copy of the dense network under a plan's masks, with the dense one as
        teacher where the recipe distils. Where weights do not fade (`gradual` is 0) what is left
        is refitted first."""
        net = copy.deepcopy(dense)
        masks = weight_masks(net, self.graph(dense), plan)
        plan_hash = hashlib.sha256(b"".join(b.tobytes() for b in plan.boundaries)).hexdigest()
        identity = self._identity("pruned", asdict(recipe), plan.layers, plan_hash,
                                  weights_hash(dense))

        def refit() -> None:
            if recipe.gradual == 0:
                refit_masked(net, dense, masks, self._refit_batches, say=self.monitor.say)

        return self._trained(name, identity, net, recipe, masks=masks,
                             teacher=dense if recipe.distil else None, prepare=refit)

    def _picked(self, count: int) -> torch.Tensor:
        """Numbers of so many training images, drawn once and for all."""
        chosen = np.random.default_rng(0).choice(
            len(self._training.images), min(count, len(self._training.images)), False)
        return torch.from_numpy(np.sort(chosen)).to(self.device)

    def longer(self, dense: nn.Module, recipe: Recipe) -> nn.Module:
        """Train a copy of the dense network for as long as pruned ones are fine-tuned, by the same
        recipe: what they are compared with."""
        own = replace(recipe, gradual=0.0)
        identity = self._identity("longer", asdict(own), weights_hash(dense))
        return self._trained("dense-longer", identity, copy.deepcopy(dense), own, masks={},
                             teacher=dense if own.distil else None)

    def _chosen(self, count: int) -> torch.Tensor:
        """Pixels of so many training images."""
        return self._training.images[self._picked(count)]

    def _refit_batches(self) -> Iterator[torch.Tensor]:
        return (self.task.plain(pixels)
                for pixels in self._chosen(_REFITTED).split(_REFIT_BATCH))

    # -- measuring ------------------------------------------------------------------------------
    def calibration(self) -> np.ndarray:
        """Training images as the network gets them, float32[n, C, H, W]."""
        return self.task.plain(self._chosen(_CALIBRATION)).cpu().numpy()

    def accuracy_float(self, net: nn.Module) -> Accuracy:
        """On the held-out images."""
        return accuracy(lambda x: net(self.task.plain(x)), self._held, self._labels)

    def accuracy_integer(self, graph: IntegerGraph) -> Accuracy:
        """On the held-out images, in the hardware's integers."""
        return accuracy(lambda x: run_integer(graph, self.task.plain(x)), self._held,
                        self._labels)

    def lost_to_int8(self, net: nn.Module, graph: IntegerGraph) -> float:
        """Top-1 that a network loses in the hardware's integers, on training images."""
        pick = self._picked(_JUDGED)
        pixels, labels, plain = self._training.images[pick], self._training.labels[pick], \
            self.task.plain
        return accuracy(lambda x: net(plain(x)), pixels, labels).top1 - accuracy(
            lambda x: run_integer(graph, plain(x)), pixels, labels).top1

    def quantised(self, name: str, net: nn.Module, plan: PartitionPlan | None,
                  qat: Recipe | None) -> tuple[IntegerGraph, Accuracy, Accuracy, bool]:
        """Fold, quantise, and fine-tune in int8 where post-training quantisation loses too much of
        the training images.

        Returns
        -------
        (graph, its accuracy, accuracy of post-training quantisation, whether it was fine-tuned)
        """
        graph = self.graph(net)
        folded = graph if plan is None else apply_plan(graph, plan)
        scales = calibrate(folded, self.calibration())
        integer = quantise_with(folded, scales)
        after = self.accuracy_integer(integer)
        if qat is None or (lost := self.lost_to_int8(net, integer)) <= QAT_THRESHOLD:
            return integer, after, after, False
        self.monitor.say(f"{name}: int8 loses {lost:.2%} top-1 of training images; fine-tuning "
                         "with quantisation")
        fake = FakeQuantised(folded, scales).to(self.device)
        self._fit(f"{name}-int8", fake, qat, self._identity("qat", scales), {}, None)
        tuned = quantise_with(fake.folded(), scales)
        best = self.accuracy_integer(tuned)
        return tuned, best, after, True

    def save(self, name: str, graph: IntegerGraph) -> None:
        """Write a network of `quantised`; until then, the state of its fine-tuning is kept."""
        save_integer(graph, self.folder / f"{name}-int8.safetensors")
        self._state(f"{name}-int8").unlink(missing_ok=True)

    def row(self, name: str, net: nn.Module, plan: PartitionPlan | None, *, prune: str, seed: int,
            qat: Recipe | None) -> tuple[Row, IntegerGraph]:
        """Measure a trained network in floating point and int8."""
        measured = self.accuracy_float(net)
        integer, int8, ptq, tuned = self.quantised(name, net, plan, qat)
        kept = {} if plan is None else dict(zip(plan.layers, plan.kept, strict=True))
        return Row(
            name, 1 if plan is None else plan.partitions, prune,
            "" if plan is None else plan.partitioner, seed, kept,
            sum(x.weight.size + x.bias.size for x in integer.layers), measured.top1,
            measured.top5, ptq.top1, int8.top1, int8.top5, tuned), integer
