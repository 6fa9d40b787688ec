"""All that is known of a network on a machine before anything is built."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from hw.config import next_pow2
from hw.support.arguments import UsageError
from sw.compiler import CompileError, DoesNotFit, OutOfReach
from sw.cycles.limits import network_limit
from sw.cycles.prediction import predict_lowered
from sw.experiment.choice import Choice
from sw.experiment.own import measured_images, pixels_of, silence
from sw.graph.floating import FloatGraph
from sw.graph.integer import IntegerGraph
from sw.lowering.lower import Lowered
from sw.networks.naming import Kind
from sw.networks.opening import Opened, opened
from sw.prune.plan import PartitionPlan
from sw.quantise.needed import quantise_as_needed

from .advice import advice
from .cuts import Cut, cut_facts
from .fits import Fit, fits_of
from .forms import cut_words, our_form, own_form, pruned_parts
from .nodes import NodeFacts, node_facts
from .obstacles import Obstacle, import_obstacles, layer_obstacles
from .quick import lower_soon
from .targets import Target
from .values import ValueFacts, value_facts

__all__ = ["Facts", "Memory", "facts_of"]

#: Images that a network's values are looked at on where there are no real ones.
_SEEDED = 4
_Say = Callable[[str], None]


@dataclass(frozen=True)
class Memory:
    """Bytes: `chip` of activations on chip, of all instances; `window` of external memory, of it
    `tensors` for activations at their peak and `weights`; `there` is of it, None if unknown."""

    chip: int
    window: int
    tensors: int
    weights: int
    there: int | None


@dataclass(frozen=True)
class Facts:
    """What a check has found.

    Members: `network`, `target`, `obstacles` (if there are any, little else is known), whether it
    then `lacks` only room; predicted `cycles`, None where there is no model of them, their `limit`;
    `nodes`, `memory`, `values`, `cuts`, `fits` and `advice`; `notes`; `pruned`, what is pruned of
    what is checked, in words, and into how many `partitions`.
    """

    network: str
    target: Target
    obstacles: tuple[Obstacle, ...] = ()
    lacks: bool = False
    cycles: int | None = None
    limit: int | None = None
    nodes: tuple[NodeFacts, ...] = ()
    memory: Memory | None = None
    values: ValueFacts | None = None
    cuts: tuple[Cut, ...] = ()
    fits: tuple[Fit, ...] = ()
    advice: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    pruned: str = ""
    partitions: int = 1

    @property
    def runs(self) -> bool:
        return not self.obstacles

    @property
    def ms(self) -> float | None:
        """Predicted, of one image."""
        return None if self.cycles is None else self.cycles / self.target.clock_mhz / 1e3

    @property
    def log_entries(self) -> int | None:
        """What a run that tells each layer's cycles takes more than there are."""
        few = self.target.config.buffers.log_entries < len(self.nodes)
        return next_pow2(len(self.nodes)) if few else None


def facts_of(choice: Choice, target: Target, *, plan: PartitionPlan | None = None,
             partitions: int | None = None, seed: int, say: _Say) -> Facts:
    """Check a network for a machine: pruned by a `plan` or into so many `partitions`; without
    either, one that comes with this package as the machine runs it, a user's as it is.

    Raises
    ------
    OSError, ToolMissingError, CallableError, ExportedError, WeightsError, ImageError
        If what is named cannot be read.
    QuantiseError
    UsageError
        If it cannot be cut into so many partitions.
    """
    facts = Facts(choice.origin.name, target)
    say("reading the network")
    if not choice.origin.ours and (found := import_obstacles(choice.origin)):
        return replace(facts, obstacles=tuple(found))
    network = opened(choice.origin)
    pruned = ""
    if not choice.origin.ours:
        network, pruned = own_form(network, plan, partitions, seed=seed, say=say)
    integers, values, notes = _integers(choice, network, target, partitions, seed, say)
    parts = pruned_parts(integers)
    facts = replace(facts, partitions=parts, pruned=pruned or (cut_words(
        tuple(x.name for x in integers.layers if x.pruned), parts) if parts > 1 else ""))
    say(f"predicting its cycles on {target.title}")
    config = target.config
    times = target.memory(config)
    fits = tuple(fits_of(partial(_form, choice, partitions, integers), target, say))
    if target.lacks:
        return replace(facts, lacks=True, obstacles=(_too_small(target),), values=values,
                       fits=fits, notes=notes)
    try:
        lowered = lower_soon(integers, config, times, target.memory_bytes)
    except OutOfReach as error:
        return replace(facts, obstacles=(_too_large(integers, error.bytes, target, fits),),
                       lacks=True, values=values, fits=fits, notes=notes)
    except CompileError as error:
        return replace(facts, obstacles=tuple(layer_obstacles(integers, config, error)),
                       lacks=isinstance(error, DoesNotFit), values=values, fits=fits, notes=notes)
    prediction = predict_lowered(lowered, times) if config.core == "pipelined" else None
    cycles = None if prediction is None else prediction.cycles
    nodes = node_facts(integers, lowered, None if prediction is None else prediction.layer_cycles,
                       times)
    cuts = [] if cycles is None or parts > 1 else cut_facts(
        network.graph, integers, lowered, nodes, times)
    memory = _memory(integers, lowered, target)
    if target.memory_bytes is not None and memory.window > target.memory_bytes:
        too_large = _too_large(integers, memory.window, target, fits)
        facts = replace(facts, lacks=True, obstacles=(too_large,))
    return replace(
        facts, cycles=cycles, limit=network_limit(integers.layers, config, memory=times).cycles,
        nodes=tuple(nodes), memory=memory, values=values, cuts=tuple(cuts), fits=fits,
        advice=tuple(advice(nodes, cuts, values, config, cycles)), notes=notes)


def _form(choice: Choice, partitions: int | None, integers: IntegerGraph, other: Target,
          ) -> IntegerGraph:
    """What another machine runs of a network."""
    if not choice.origin.ours:
        return integers
    try:
        return our_form(choice.origin.text, partitions, other)
    except UsageError:  # it cuts other layers
        return our_form(choice.origin.text, 1, other)


def _integers(choice: Choice, network: Opened, target: Target, partitions: int | None, seed: int,
              say: _Say) -> tuple[IntegerGraph, ValueFacts | None, tuple[str, ...]]:
    """A network's integers, what they do to its values, and notes."""
    graph: FloatGraph = network.graph
    if choice.origin.ours:
        return our_form(choice.origin.text, partitions, target), None, (
            "its weights are not looked at: python -m sw.compare runs it with them",)
    count = measured_images(graph) if choice.data or choice.calibration else _SEEDED
    pixels = pixels_of(choice, graph, count=count, seed=seed)
    notes = (*network.notices, *pixels.notes, *silence(graph))
    say("quantising")
    found = quantise_as_needed(graph, pixels.calibration, symmetric=choice.symmetric)
    if found.note:
        notes += (found.note,)
    if graph.given is not None and choice.origin.kind is Kind.ONNX:
        notes += (f"python -m sw.agree {choice.origin.text} compares it with onnxruntime by layer",)
    say("looking at its values")
    return found.graph, value_facts(found.real, found.graph, pixels.images), notes


def _memory(graph: IntegerGraph, lowered: Lowered, target: Target) -> Memory:
    config = lowered.config
    return Memory(config.instances * config.buffers.act_words * config.array.rows,
                  lowered.window_bytes, lowered.layout.tensor_bytes,
                  sum(layer.weight_bytes for layer in graph.layers), target.memory_bytes)


def _too_small(target: Target) -> Obstacle:
    return Obstacle("the FPGA", f"{target.config.shape} needs {target.lacks}, before synthesis: "
                    "take fewer --instances, --rows and --cols, or a larger board", (target.name,))


def _too_large(graph: IntegerGraph, needs: int, target: Target, fits: Sequence[Fit]) -> Obstacle:
    bits = target.config.port.address_bits
    there = 1 << bits if target.memory_bytes is None else target.memory_bytes
    remedies = ["prune it into more partitions (--partitions)"]
    if target.memory_bytes is None:
        remedies.append(f"take --address-bits {(needs - 1).bit_length()}")
    remedies += [f"take --board {x.name}" for x in fits if x.fits][:1]
    return Obstacle("external memory", f"needs {needs:,} bytes; there are {there:,}: "
                    + ", or ".join(remedies), (graph.name,))
