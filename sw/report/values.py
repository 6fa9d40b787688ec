"""What a comparison found: frozen values, their JSON form and the printed table."""

import dataclasses
import json
from dataclasses import dataclass, field

from hw.support.tabular import Tabular
from sw.cycles.limits import Limit, Roof
from sw.energy.model import CATEGORIES, CORE, OUTSIDE, EnergyModel, Features, Interval, ratio
from sw.prune.picture import Picture

from .energy import EnergyUnit, energy_unit
from .published import PUBLISHED_ENERGY, PUBLISHED_SPEEDUP

__all__ = ["ArmReport", "LayerReport", "Report", "quotient"]

SCHEMA_NAME = "partita.compare"
SCHEMA_VERSION = 4


@dataclass(frozen=True)
class LayerReport:
    """One layer of one arm, as measured in RTL.

    Members: `macs` executed; `cycles` from the previous layer's end to this one's, over all
    instances; `needed_macs` and `needed_bytes` of weights, that no design can do without (each
    weight crosses a port once per batch; where zeros are skipped, those of other inputs);
    `port_bytes` moved over the memory ports on the layer's behalf (weights, activations, stores),
    `weight_port_bytes` of them weights with what pads them and their parameters,
    `program_port_bytes` instructions (those of all layers count as the first one's);
    `skipped_bytes` and `skipped_macs` that zero inputs spared, which are in neither (`macs` and
    `weight_bytes` are of all inputs; None where zeros are not skipped); `batched` if all images go
    through it together; `toggles` and
    `clocked_ff_cycles` of all instances' flip-flops (None where they were not counted);
    `bit_exact` against the golden model; `split` names how instances share the layer;
    `ledger` are each instance's cycles by cause, from its own end of the layer before to its end
    of this one; `activity` are the counts that energy is made of, by "category/coefficient";
    `energy_pj` their energy by category; `instance_pj` each instance's own, without external
    memory; `image_pj` that of each run, an image or a batch of them.
    """

    name: str
    macs: int
    weight_bytes: int
    cycles: int
    needed_macs: int
    needed_bytes: int
    port_bytes: int
    toggles: int | None
    clocked_ff_cycles: int | None
    bit_exact: bool
    pruned: bool
    kind: str
    split: str
    ledger: tuple[dict[str, int], ...] = ()
    activity: dict[str, float] | None = None
    energy_pj: dict[str, float] | None = None
    instance_pj: tuple[float, ...] | None = None
    image_pj: tuple[float, ...] | None = None
    weight_port_bytes: int | None = None
    skipped_macs: int | None = None
    skipped_bytes: int | None = None
    batched: bool = False
    program_port_bytes: int = 0
    reads: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class SoFar:
    """All that has run by the end of a layer: `cycles`, the `macs` of inputs that were not
    skipped, the `port_bytes` but for instructions, and the `limit` that no design can beat."""

    cycles: int
    macs: int
    port_bytes: int
    limit: Limit

    @property
    def efficiency(self) -> float:
        """limit / cycles."""
        return self.limit.cycles / self.cycles if self.cycles else 0.0


@dataclass(frozen=True)
class ArmReport:
    """One network on one accelerator: dense or pruned, on one instance or on N, which can do
    `macs_per_cycle` and move `bytes_per_cycle`; `batch` images of a run. External memory that it
    needs, `external_bytes`, of which its activations take `tensor_bytes` at their peak."""

    name: str
    instances: int
    memory: str
    macs_per_cycle: int
    bytes_per_cycle: int
    cycles: int
    layers: tuple[LayerReport, ...]
    counters: tuple[dict[str, int], ...]
    page_misses: int
    simulated_khz: float
    batch: int = 1
    external_bytes: int = 0
    tensor_bytes: int = 0

    @property
    def bit_exact(self) -> bool:
        return all(layer.bit_exact for layer in self.layers)

    @property
    def so_far(self) -> list[SoFar | None]:
        """What has run by the end of each layer; None where later layers have run by then, for
        other images of a batch."""
        roof = Roof(self.macs_per_cycle, self.bytes_per_cycle)
        cycles = macs = moved = needed = 0
        found: list[SoFar | None] = []
        for x, after in zip(self.layers, (*self.layers[1:], None), strict=True):
            cycles += x.cycles
            macs += x.needed_macs
            moved += x.port_bytes - x.program_port_bytes  # which are those of all layers
            needed += x.needed_bytes
            mixed = self.batch > 1 and not x.batched and after is not None and not after.batched
            found.append(None if mixed else SoFar(cycles, macs, moved, roof.limit(macs, needed)))
        return found

    def total(self, name: str, kinds: tuple[str, ...] = ("conv", "fc"),
              only: frozenset[str] | None = None) -> int | None:
        """Sum of one measurement over layers of these kinds (and these names); None if any
        was not measured."""
        values = [getattr(x, name) for x in self.layers
                  if x.kind in kinds and (only is None or x.name in only)]
        return None if any(v is None for v in values) else sum(values)


    def features(self, kinds: tuple[str, ...] = ("conv", "fc"),
                 only: frozenset[str] | None = None) -> Features | None:
        """Sum of the layers' activity; None if it was not counted."""
        result = Features({})
        for layer in self.layers:
            if layer.kind in kinds and (only is None or layer.name in only):
                if layer.activity is None:
                    return None
                result += Features(layer.activity)
        return result

    def energy(self, model: EnergyModel, images: int) -> dict[str, float] | None:
        """pJ by category; `joules_per_image`, and `joule_seconds`, energy times delay of one."""
        found = self.features()
        if found is None:
            return None
        split = found.energy(model.values())
        joules = sum(split.values()) * 1e-12 / images
        seconds = self.cycles / images / (model.clock_mhz * 1e6)
        return {**split, "joules_per_image": joules, "joule_seconds": joules * seconds}

    def pj(self, model: EnergyModel, images: int) -> float | None:
        """Of one image."""
        found = self.energy(model, images)
        return None if found is None else found["joules_per_image"] * 1e12


@dataclass(frozen=True, repr=False)
class Report(Tabular):
    """A whole comparison.

    Members: `network` and `weights` say what ran (`weights` states where they come from),
    `config` and `memory_model` on what, `accuracy` (if the network classifies real images) and
    `command`, `seed`, `versions` how to repeat it; `images` ran, `batch` at a time.
    """

    network: str
    weights: str
    partitions: int
    config: dict
    memory_model: dict
    arms: tuple[ArmReport, ...]
    command: str
    seed: int
    versions: dict[str, str]
    energy_model: EnergyModel = field(default_factory=EnergyModel)
    images: int = 1
    batch: int = 1
    accuracy: dict[str, float] | None = None
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def arm(self, name: str) -> ArmReport | None:
        """The arm of that name, if it ran."""
        return next((a for a in self.arms if a.name == name), None)

    @property
    def bit_exact(self) -> bool:
        return all(a.bit_exact for a in self.arms)

    @property
    def speedup(self) -> dict[str, float | None]:
        """Cycles of dense-1 over pruned-N: the pruned layers, all fully connected layers and
        the whole network; None where an arm or such layers did not run."""
        base, best = self.arm("dense-1"), self.best
        if base is None or best is None:
            return {"pruned_layers": None, "fc": None, "network": None}
        pruned = frozenset(x.name for x in best.layers if x.pruned)
        return {
            "pruned_layers": quotient(base.total("cycles", only=pruned),
                                    best.total("cycles", only=pruned)),
            "fc": quotient(base.total("cycles", ("fc",)), best.total("cycles", ("fc",))),
            "network": quotient(base.cycles, best.cycles),
        }

    @property
    def energy_unit(self) -> EnergyUnit:
        """That an image's energies are shown in."""
        return energy_unit(arm.pj(self.energy_model, self.images) for arm in self.arms)

    def table(self) -> list[dict]:
        """A row for each layer of each arm; energy in pJ of all images."""
        return [{"arm": arm.name, "layer": x.name, "macs": x.macs, "cycles": x.cycles,
                 "port_bytes": x.port_bytes, "energy_pj": None if x.energy_pj is None else
                 sum(x.energy_pj.values()), "bit_exact": x.bit_exact}
                for arm in self.arms for x in arm.layers]

    def summary(self) -> list[dict]:
        """A row for each arm."""
        base, unit = self.arms[0], self.energy_unit
        return [{"arm": arm.name, "cycles an image": round(arm.cycles / self.images),
                 f"{base.name} over it": f"{base.cycles / max(arm.cycles, 1):.2f}x",
                 f"{unit.name} an image": unit.text(arm.pj(self.energy_model, self.images)),
                 "bit-exact": arm.bit_exact} for arm in self.arms]

    def energy_ratios(self) -> dict[str, dict[str, Interval]] | None:
        """Energy of dense-1 over pruned-N with its interval, for the pruned layers, all fully
        connected ones and the network: of everything, without external memory, and of the
        core alone (clock, logic, memories and fabric). None where it was not counted."""
        base, best = self.arm("dense-1"), self.best
        if base is None or best is None or base.features() is None or best.features() is None:
            return None
        pruned = frozenset(x.name for x in best.layers if x.pruned)
        model, result = self.energy_model, {}
        for name, kinds, only in (("pruned_layers", ("conv", "fc"), pruned),
                                  ("fc", ("fc",), None), ("network", ("conv", "fc"), None)):
            a, b = base.features(kinds, only), best.features(kinds, only)
            if a is None or b is None or not a.counts or not b.counts:
                continue
            result[name] = {
                "total": ratio(a, b, model),
                "without_external": ratio(a, b, model,
                                          tuple(c for c in CATEGORIES if c not in OUTSIDE)),
                "core": ratio(a, b, model, CORE)}
        return result

    def image_ratios(self) -> tuple[float, ...] | None:
        """Energy of dense-1 over pruned-N, of each image's pruned layers; None where it was not
        counted."""
        base, best = self.arm("dense-1"), self.best
        if base is None or best is None or best.features() is None or self.batch > 1:
            return None
        pruned = frozenset(x.name for x in best.layers if x.pruned)
        sums = [[sum(column) for column in zip(*(
            x.image_pj for x in arm.layers if x.name in pruned and x.image_pj is not None),
            strict=True)] for arm in (base, best)]
        return tuple(a / b for a, b in zip(*sums, strict=True))

    def pruning_gain(self, arm: ArmReport) -> float | None:
        """Cycles of the dense network on an arm's own accelerator over the arm's; None if that did
        not run. What is left of a speed-up where the hardware is equal."""
        equal = self.arm("dense-" + arm.name.partition("-")[2])
        return None if equal is None else quotient(equal.cycles, arm.cycles)

    @property
    def best(self) -> "ArmReport | None":
        """The pruned arm on several instances."""
        return next((a for a in self.arms if a.name.startswith("pruned-") and a.instances > 1),
                    None)

    def to_dict(self) -> dict:
        """The JSON form; `sw/report/schema.json` describes it."""
        data = dataclasses.asdict(self)
        ratios = self.energy_ratios()
        for arm, arm_data in zip(self.arms, data["arms"], strict=True):
            arm_data["bit_exact"] = arm.bit_exact
            arm_data["energy"] = arm.energy(self.energy_model, self.images)
            for so_far, layer_data in zip(arm.so_far, arm_data["layers"], strict=True):
                layer_data["so_far"] = None if so_far is None else {
                    "cycles": so_far.cycles, "limit_cycles": so_far.limit.cycles,
                    "bound": so_far.limit.bound, "efficiency": round(so_far.efficiency, 4)}
        return {
            "schema": SCHEMA_NAME, "version": SCHEMA_VERSION, **data,
            "bit_exact": self.bit_exact, "speedup": self.speedup,
            "energy_ratio": None if ratios is None else {
                k: {n: dataclasses.asdict(i) for n, i in v.items()} for k, v in ratios.items()},
            "published": {"pruned_layers": PUBLISHED_SPEEDUP, "energy": PUBLISHED_ENERGY,
                          "source": "arXiv 1901.11391"},
        }

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=1)


def quotient(a: int | None, b: int | None) -> float | None:
    return round(a / b, 4) if a and b else None
