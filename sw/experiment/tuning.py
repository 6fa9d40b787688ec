"""A user's network as what is fine-tuned: her module with its weights, on her labelled images."""

import argparse
import copy
import io
import shlex
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from hw.support.arguments import UsageError
from sw.graph.floating import FloatGraph
from sw.images.dataset import load_images
from sw.images.errors import ImageError
from sw.ir.operators import Softmax
from sw.networks.naming import Kind
from sw.networks.opening import as_module, imported, opened
from sw.prune.plan import PartitionPlan
from sw.terminal.options import MORE, PIXELS, as_typed
from sw.terminal.reads import files_read
from sw.training.augment import random_changes
from sw.training.dataset import ImageData
from sw.training.modules import captured, weight_masks
from sw.training.recipe import FitError
from sw.training.task import Row, Task

from .choice import Choice, choice_from_arguments
from .described import described
from .own import CALIBRATION

__all__ = ["CALIBRATED", "HELD_OUT", "check_files", "check_masks", "image_files", "next_command",
           "own_choice", "own_graph", "own_task"]

#: Bytes of images that are held at once, at most.
_MOST_BYTES = 1 << 32
#: Of the images, one in so many is held out.
_HELD_OUT = 5
#: The files of a run with images that were held out, and with some that it was trained on, on which
#: step sizes are chosen; bytes of the images of each at most.
HELD_OUT, CALIBRATED, _MOST_FILE_BYTES = "held-out.npz", "calibration.npz", 1 << 26


def own_choice(args: argparse.Namespace) -> Choice | None:
    """What options choose to fine-tune; None of a network that comes with it.

    Raises
    ------
    OSError
    ValueError
        If what is named has no module that can be trained, or options do not go together.
    """
    if args.network in ("tinyvgg16", "digits"):
        return None
    if args.checkpoint and args.weights:
        raise ValueError("--checkpoint and --weights name the same, the weights to start from; "
                         "leave one out")
    args.weights, args.checkpoint = args.weights or args.checkpoint, None
    choice = choice_from_arguments(args)
    if choice.origin.ours:
        raise ValueError(f"--network is {args.network}; of those that come with it tinyvgg16 and "
                         "digits are trained")
    if choice.origin.kind is not Kind.CALLABLE:
        raise ValueError(f"--network is {args.network}, which holds a network as it is evaluated; "
                         "what is trained is a torch module: give FILE.py:callable, and its "
                         "weights with --weights")
    if choice.data is None:
        raise ValueError(f"--network {args.network} is fine-tuned on images with labels: give them "
                         "with --data")
    return choice


def own_graph(choice: Choice) -> FloatGraph:
    """The network's layers; errors as of `sw.networks.opening.opened`."""
    graph = opened(choice.origin).graph
    graph.require_real("fine-tuning")
    graph.require_no_tables("fine-tuning", "prune and tune it in torch, and give its --weights to "
                            "python -m sw.compare --tables")
    if not any(x.requires_grad for x in as_module(choice.origin)[0].parameters()):
        raise FitError(f"network {graph.name}: none of its parameters requires a gradient, so "
                       "there is nothing to tune")
    return graph


def _module(choice: Choice) -> nn.Module:
    """A copy of the network's module, in single precision."""
    return copy.deepcopy(as_module(choice.origin)[0]).float()


def _ends_in_softmax(choice: Choice) -> bool:
    """Whether what the module gives are shares; the front end takes a softmax at the end alone."""
    return any(isinstance(node.op, Softmax) and not node.op.log
               for node in imported(choice.origin).nodes)


def _logarithm(shares: torch.Tensor) -> torch.Tensor:
    """Scores of which a softmax makes these shares again."""
    return shares.clamp_min(torch.finfo(shares.dtype).tiny).log()


def own_task(choice: Choice, *, seed: int, augment: Sequence[str] = (),
             say: Callable[[str], None] = lambda text: None) -> Task:
    """The network and its images, a fifth of them held out; `augment` names what is changed of the
    others in each step. Of a module that ends in a softmax the scores before it are trained.

    Raises
    ------
    OSError, CallableError, WeightsError, ImageError
    FitError
        If the module does not give a score for each class.
    """
    graph = own_graph(choice)
    shape, outputs = graph.in_shape, int(np.prod(graph.out_shape))
    if augment and shape[1:] == (1, 1):
        raise FitError(f"network {graph.name}: takes vectors; --augment is for images")
    preparation = described(choice, graph).preparation
    assert choice.data is not None
    found = load_images(choice.data, shape, preparation, _MOST_BYTES // (4 * int(np.prod(shape))),
                        outputs=outputs, names=choice.labels, seed=seed)
    if found.labels is None:
        raise ImageError(f"{choice.data}: has no labels, which fine-tuning needs: give a folder "
                         "for each class, an .npz file with images and labels, or a callable that "
                         "gives both")
    held = len(found) // _HELD_OUT
    if held < 1:
        raise ImageError(f"{choice.data}: has {len(found)} images; fine-tuning takes "
                         f"{_HELD_OUT} or more, a fifth of which are held out")
    with torch.no_grad():
        given = _module(choice)(torch.from_numpy(found.images[:2]))
    if not isinstance(given, torch.Tensor) or given.shape != (len(found.images[:2]), outputs):
        what = list(given.shape) if isinstance(given, torch.Tensor) else type(given).__name__
        raise FitError(f"network {graph.name}: gives {what} for 2 images; fine-tuning takes "
                       "[2, classes], a score for each class")
    data = ImageData(found.images[held:], found.labels[held:], found.images[:held],
                     found.labels[:held], found.names or tuple(map(str, range(outputs))),
                     f"{found.source}, {len(found) - held:,} for training and {held:,} held out"
                     + (f"; {preparation.text(shape)}" if choice.data.is_dir() else ""))
    for notice in opened(choice.origin).notices:
        say(notice)
    soft = _ends_in_softmax(choice)
    if soft:
        say("its softmax at the end is left out of the loss: the scores before it are trained")
    if augment:
        say(f"training images are changed in each step: {', '.join(augment)}")
    return Task(graph.name, lambda: _module(choice), shape, data, random_changes(augment),
                lambda pixels: pixels, given=True, augmented=tuple(augment),
                **({"scores": _logarithm} if soft else {}))


def image_files(data: ImageData) -> dict[str, bytes]:
    """The first of the held-out images, and as many of the others as step sizes are chosen on, as
    .npz files, as the network takes them."""
    def packed(what: str, images: np.ndarray, labels: np.ndarray, most: int) -> bytes:
        count = min(most, max(1, _MOST_FILE_BYTES // images[:1].nbytes))
        file = io.BytesIO()
        np.savez(file, images=images[:count], labels=labels[:count],
                 of=np.array(f"partita.{what}: {data.source}"))
        return file.getvalue()

    return {HELD_OUT: packed("held-out", data.held_images, data.held_labels,
                             len(data.held_images)),
            CALIBRATED: packed("calibration", data.train_images, data.train_labels, CALIBRATION)}


def check_files(args: argparse.Namespace) -> None:
    """Refuse to drop what is read, and to read what is not used; raises UsageError."""
    for path in files_read(args):
        if args.restart and args.out.resolve() in path.resolve().parents:
            raise UsageError(f"--restart drops what --out {args.out} holds, of which {path} is "
                             "read: name another --out")
    if args.calibration is not None:
        raise UsageError("--calibration is not for training: step sizes are chosen on images of "
                         "--data")


def check_masks(choice: Choice, graph: FloatGraph, plan: PartitionPlan) -> None:
    """Refuse a plan whose layers are not the module's own weights, so that masks on these would be
    something else; raises FitError."""
    net = _module(choice)
    parameters = dict(net.named_parameters())
    for name in plan.layers:
        weight, layer = parameters.get(f"{name}.weight"), graph.layer(name).weight
        if weight is None or weight.numel() != layer.size or len(weight) != len(layer):
            raise FitError(f"layer {name}: its weights are no parameter {name}.weight of the "
                           "module, whose masks could be held: make it a module of its own, "
                           "nn.Linear or nn.Conv2d, or leave it out with --prune NAMES")
    with torch.no_grad():
        for name, mask in weight_masks(net, graph, plan).items():
            net.get_parameter(name).mul_(mask)
    found = captured(net, graph.in_shape, graph.name)
    for k, name in enumerate(plan.layers):
        if found.layer(name).weight[~plan.mask(k).astype(bool)].any():
            raise FitError(f"layer {name}: its inputs are in another order than its weights, so "
                           "masks cannot be held: leave it out with --prune NAMES")


def next_command(args: argparse.Namespace, row: Row) -> str:
    """What to type next: the network of a row in RTL, on images that it was not trained on, which
    are stored as the network takes them."""
    asked = argparse.Namespace(**{
        **vars(args), "weights": args.out / f"{row.name}.safetensors",
        "data": args.out / HELD_OUT, "calibration": args.out / CALIBRATED})
    options = as_typed(asked, [x for x in MORE if x not in PIXELS])
    return shlex.join(["python", "-m", "sw.compare", "--network", args.network, *options, "--plan",
                       str(args.out / f"{row.name}.plan.json")])
