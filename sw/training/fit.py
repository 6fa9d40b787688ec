"""One training loop for every network: deterministic under a seed, and resumable at any step.

Whatever is random in a step follows from the seed and the step's number alone, so a run that was
interrupted and resumed makes the same weights as one that was not.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hw.support.interrupts import uninterrupted

from .checkpoint import CheckpointError, load_tensors, read_metadata, save_tensors
from .dataset import ImageData
from .recipe import FitError, Recipe

__all__ = ["Augment", "Batches", "StateError", "as_they_are", "fit"]


#: float[N, classes] -> float[N, classes]
Scores = Callable[[torch.Tensor], torch.Tensor]


class StateError(FitError):
    """A file that is not the state of this training."""


class Augment(Protocol):
    """Make training inputs of pixels: uint8[N, C, H, W] -> float[N, C, h, w]."""

    def __call__(self, pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor: ...


@dataclass(frozen=True, eq=False)
class Batches:
    """A data set on its device, with what is done to its pixels.

    Members: `images` uint8[N, C, H, W], `labels` int64[N], `augment`, and `plain`, which makes
    inputs for evaluation.
    """

    images: torch.Tensor
    labels: torch.Tensor
    augment: Augment
    plain: Callable[[torch.Tensor], torch.Tensor]

    @classmethod
    def training(cls, data: ImageData, augment: Augment,
                 plain: Callable[[torch.Tensor], torch.Tensor], device: torch.device) -> "Batches":
        return cls(torch.from_numpy(np.array(data.train_images)).to(device),
                   torch.from_numpy(data.train_labels).to(device), augment, plain)


def _rate(recipe: Recipe, step: int, steps: int) -> float:
    ramp = max(1, round(recipe.warm_up * steps))
    if step < ramp:
        return recipe.rate * (step + 1) / ramp
    return recipe.rate * 0.5 * (1 + math.cos(math.pi * (step - ramp) / max(1, steps - ramp)))


def _fade(recipe: Recipe, step: int, steps: int) -> float:
    """Factor on the pruned weights after a step; their product over steps is (1 - t)^3."""
    end = recipe.gradual * steps
    if step + 1 >= end:
        return 0.0
    return ((end - step - 1) / (end - step)) ** 3


def _fade_masked(masked: list[tuple[nn.Parameter, torch.Tensor]], factor: float) -> None:
    """Multiply the pruned weights by a factor."""
    with torch.no_grad():
        for weight, mask in masked:
            weight.mul_(mask if factor == 0 else mask + (1 - mask) * factor)


def _step_seed(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> 1)


def _save_state(path: Path, net: nn.Module, optimiser: torch.optim.Optimizer, identity: str,
                step: int) -> None:
    tensors = {f"net.{k}": v for k, v in net.state_dict().items()}
    for index, entry in optimiser.state_dict()["state"].items():
        tensors |= {f"optim.{index}.{k}": v for k, v in entry.items()}
    save_tensors(tensors, path, {"identity": identity, "step": str(step)})


def _load_state(path: Path, net: nn.Module, optimiser: torch.optim.Optimizer, identity: str,
                steps: int) -> int:
    """Restore what `_save_state` wrote; returns the next step. Nothing is changed unless all of
    it is right."""
    expected = {f"net.{k}": v for k, v in net.state_dict().items()}
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for index, parameter in enumerate(parameters):
        expected |= {f"optim.{index}.exp_avg": parameter, f"optim.{index}.exp_avg_sq": parameter,
                     f"optim.{index}.step": torch.zeros(())}
    try:
        if read_metadata(path).get("identity") != identity:
            raise StateError(f"{path}: is the state of another run (other data, network or "
                             "settings); give another --out, or --restart to drop it")
        tensors, metadata = load_tensors(path, expected, optional="optim.")
    except CheckpointError as error:
        raise StateError(f"{path}: not a training state: {error}; --restart drops it") from None
    text = metadata.get("step", "")
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= steps):
        raise StateError(f"{path}: step is {text[:40]!r}; it must be from 0 to {steps}; --restart "
                         "drops it")
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name in (n for n in tensors if n.startswith("optim.")):
        _, number, key = name.split(".")
        state.setdefault(int(number), {})[key] = tensors[name]
    if any(len(entry) != 3 for entry in state.values()):
        raise StateError(f"{path}: lacks a part of the optimiser's state; --restart drops it")
    net.load_state_dict({k[4:]: v for k, v in tensors.items() if k.startswith("net.")})
    optimiser.load_state_dict({"state": state,
                               "param_groups": optimiser.state_dict()["param_groups"]})
    return int(text)


def _is_channels_last(device: torch.device, recipe: Recipe) -> bool:
    """Whether images lie channels last, which is faster. In float32 on a CPU they do not: it would
    gain a fifth, but add in another order, and a seed would give other weights than before."""
    return device.type == "cuda" or recipe.precision == "bfloat16"


def _optimiser(net: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW, which lets matrices decay and vectors not; kernels lie as images do."""
    for parameter in net.parameters():
        if parameter.ndim == 4 and _is_channels_last(parameter.device, recipe):
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    matrices = [p for p in net.parameters() if p.ndim > 1]
    vectors = [p for p in net.parameters() if p.ndim <= 1]
    return torch.optim.AdamW(
        [{"params": matrices, "weight_decay": recipe.weight_decay},
         {"params": vectors, "weight_decay": 0.0}], lr=recipe.rate)


class _Drawn:
    """The batch of each step, the same however often a run was interrupted."""

    def __init__(self, data: Batches, recipe: Recipe, per_epoch: int, device: torch.device):
        self._data, self._recipe, self._device = data, recipe, device
        self._per_epoch = per_epoch
        self._order, self._epoch = torch.empty(0), -1

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Images and labels of a step; torch's own generator is seeded for it as well."""
        data, size, device = self._data, self._recipe.batch, self._device
        epoch, index = divmod(step, self._per_epoch)
        if epoch != self._epoch:
            shuffle = torch.Generator().manual_seed(
                _step_seed(self._recipe.seed, -epoch - 1 + 2 ** 31))
            self._order = torch.randperm(len(data.images), generator=shuffle).to(device)
            self._epoch = epoch
        seed = _step_seed(self._recipe.seed, step)
        torch.manual_seed(seed)
        generator = torch.Generator(device).manual_seed(seed)
        rows = self._order[index * size:(index + 1) * size]
        x, y = data.augment(data.images[rows], generator), data.labels[rows]
        if x.ndim == 4 and _is_channels_last(device, self._recipe):
            x = x.to(memory_format=torch.channels_last)
        return x, y


def _masked(net: nn.Module, masks: dict[str, torch.Tensor],
            ) -> list[tuple[nn.Parameter, torch.Tensor]]:
    """Parameters with their masks; raises FitError if there is one for none."""
    masked = [(p, masks[n]) for n, p in net.named_parameters() if n in masks]
    if len(masked) != len(masks):
        raise FitError(f"masks for {sorted(set(masks) - {n for n, _ in net.named_parameters()})} "
                       "match no parameter")
    return masked


def _begin(net: nn.Module, recipe: Recipe) -> None:
    """Put a network into training mode, with drop-out of the recipe's share, if that says one."""
    net.train()
    if recipe.dropout is not None:
        for module in net.modules():
            if isinstance(module, nn.Dropout):
                module.p = recipe.dropout


def _running_loss(mean: float, now: float, step: int, recipe: Recipe) -> float:
    """The mean loss with that of a step; raises FitError if that is infinite or NaN."""
    if not math.isfinite(now):
        raise FitError(f"the loss is {now} in step {step + 1}; try a lower --rate than "
                       f"{recipe.rate:g}")
    return now if math.isnan(mean) else 0.9 * mean + 0.1 * now


def as_they_are(scores: torch.Tensor) -> torch.Tensor:
    """What a network gives, where a softmax can be taken of it."""
    return scores


def _loss(net: nn.Module, teacher: nn.Module | None, recipe: Recipe, scores: Scores,
          x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Of a batch: against its labels, and against the teacher's output."""
    with torch.autocast(x.device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
        logits = scores(net(x).float())
        loss = functional.cross_entropy(logits, y, label_smoothing=recipe.smoothing)
        if teacher is not None and recipe.distil:
            t = recipe.temperature
            with torch.no_grad():
                soft = functional.log_softmax(scores(teacher(x).float()) / t, 1)
            apart = functional.kl_div(functional.log_softmax(logits / t, 1), soft,
                                      reduction="batchmean", log_target=True)
            loss = (1 - recipe.distil) * loss + recipe.distil * t * t * apart
    return loss


def fit(net: nn.Module, data: Batches, recipe: Recipe, *, masks: dict[str, torch.Tensor],
        teacher: nn.Module | None = None, scores: Scores = as_they_are,
        state: Path | None = None, identity: str = "", checkpoint_s: float = 60.0,
        progress: Callable[[int, int, float], None] = lambda step, steps, loss: None) -> None:
    """Train a network in place, on its device; it ends in evaluation mode.

    Parameters
    ----------
    masks : parameter name -> 0/1 tensor of its shape; masked weights are zero at the end, and
        after every step once `gradual` of them have passed
    teacher : for `recipe.distil`
    scores : makes of what both give, in single precision, what a softmax is taken of
    state : file to resume from if it is there, and kept up to date; it stays at the end, as long
        as the weights are nowhere else
    identity : of the run, beside the recipe; a state of another run is refused
    checkpoint_s : seconds between states
    progress : called with step, steps and the running loss

    Raises
    ------
    FitError, StateError
    KeyboardInterrupt
        If the run is interrupted; where there is a `state`, it is saved before.
    """
    recipe.validate()
    count = len(data.images)
    per_epoch = max(1, count // recipe.batch)
    if count < 2:
        raise FitError(f"{count} training images; there must be 2 or more")
    steps = recipe.epochs * per_epoch
    identity = json.dumps([identity, asdict(recipe), count, sorted(masks)])
    optimiser = _optimiser(net, recipe)
    drawn = _Drawn(data, recipe, per_epoch, next(net.parameters()).device)
    first = 0
    if state is not None and state.is_file():
        first = _load_state(state, net, optimiser, identity, steps)
    masked = _masked(net, masks)
    _begin(net, recipe)
    saved, mean = time.monotonic(), float("nan")
    done, buffers = first, [b.clone() for b in net.buffers()]
    try:
        for step in range(first, steps):
            loss = _loss(net, teacher, recipe, scores, *drawn.batch(step))
            for group in optimiser.param_groups:
                group["lr"] = _rate(recipe, step, steps)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            with uninterrupted():
                optimiser.step()
                _fade_masked(masked, _fade(recipe, step, steps))
                done, buffers = step + 1, [b.clone() for b in net.buffers()]
            if step % 10 == 9 or step == steps - 1:
                mean = _running_loss(mean, float(loss.detach()), step, recipe)
                progress(step + 1, steps, mean)
            if state is not None and time.monotonic() - saved > checkpoint_s:
                _save_state(state, net, optimiser, identity, step + 1)
                saved = time.monotonic()
    except KeyboardInterrupt as interrupt:
        if state is not None:
            for buffer, value in zip(net.buffers(), buffers, strict=True):
                buffer.copy_(value)  # a step that was cut short may have changed it
            _save_state(state, net, optimiser, identity, done)
            interrupt.add_note(f"stopped after step {done:,} of {steps:,}; the same command goes "
                               "on from there")
        raise
    if masked:
        with torch.no_grad():
            for weight, mask in masked:
                weight.mul_(mask)
    net.eval()
