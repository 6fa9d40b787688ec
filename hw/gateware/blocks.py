"""The blocks of an instance, by name."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import PureInterface

from hw.config import Config
from hw.gateware.compute.datapath import Datapath
from hw.gateware.control.sequencer import Sequencer
from hw.gateware.signatures.ports import READERS, Channel
from hw.gateware.traffic.actmem import ActMemory
from hw.gateware.traffic.gates import ReadGate, WriteGate
from hw.gateware.traffic.loader import Loader
from hw.gateware.traffic.storer import Storer
from hw.gateware.traffic.weights import WeightFetch

__all__ = ["Blocks"]


@dataclass(frozen=True)
class Blocks:
    """What does an instance's work: units, the activation memory, and gates to the memory port."""

    sequencer: Sequencer
    weights: WeightFetch
    loader: Loader
    storer: Storer
    acts: ActMemory
    path: Datapath
    gates: dict[Channel, ReadGate]
    writes: WriteGate

    @classmethod
    def of(cls, config: Config) -> "Blocks":
        """Those of a configuration."""
        return cls(Sequencer(config), WeightFetch(config), Loader(config), Storer(config),
                   ActMemory(config), Datapath(config), {c: ReadGate(config) for c in READERS},
                   WriteGate(config))

    def place(self, m: Module, resets: Callable[[wiring.Component], object]) -> None:
        """Make them submodules; `resets` gives a reset to those that a start clears: all but the
        gate of writes, which completes what was granted."""
        for name, block in (("sequencer", self.sequencer), ("weights", self.weights),
                            ("loader", self.loader), ("storer", self.storer), ("acts", self.acts),
                            ("path", self.path),
                            *((f"gate_{c.name.lower()}", g) for c, g in self.gates.items())):
            m.submodules[name] = resets(block)
        m.submodules.writes = self.writes

    @property
    def done(self) -> dict[str, PureInterface]:
        """Unit -> its completions, a `Done`."""
        return {"load": self.loader.done, "store": self.storer.done, "weights": self.weights.done,
                "compute": self.path.done_compute, "post": self.path.done_post}

    @property
    def readers(self) -> dict[Channel, wiring.Component]:
        """Channel -> the unit that reads on it."""
        return {Channel.PROGRAM: self.sequencer, Channel.WEIGHTS: self.weights,
                Channel.LOAD: self.loader}
