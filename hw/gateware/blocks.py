"""The blocks of an instance, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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

__all__ = ["BLOCKS", "Blocks"]

#: Names in the Verilog, in the order of `Blocks.by_name`.
BLOCKS = ("sequencer", "weights", "loader", "storer", "acts", "path",
          *(f"gate_{c.name.lower()}" for c in READERS), "writes")


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
        for name, block in self.by_name.items():
            m.submodules[name] = block if block is self.writes else resets(block)

    @property
    def by_name(self) -> dict[str, Any]:
        """Name in the Verilog -> block."""
        return dict(zip(BLOCKS, (
            self.sequencer, self.weights, self.loader, self.storer, self.acts, self.path,
            *self.gates.values(), self.writes), strict=True))

    @property
    def done(self) -> dict[str, PureInterface]:
        """Unit -> its completions, a `Done`; those first that may come in every cycle."""
        return {"store": self.storer.done, "weights": self.weights.done, "load": self.loader.done,
                "compute": self.path.done_compute, "post": self.path.done_post}

    @property
    def readers(self) -> dict[Channel, wiring.Component]:
        """Channel -> the unit that reads on it."""
        return {Channel.PROGRAM: self.sequencer, Channel.WEIGHTS: self.weights,
                Channel.LOAD: self.loader}
