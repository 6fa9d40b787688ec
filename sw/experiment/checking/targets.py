"""Machines that a network is checked for: an accelerator by its configuration, or a board."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hw.config import Config
from hw.fpga.devices import Device
from hw.fpga.estimate import quick_usage
from hw.support.arguments import nearest
from hw.support.commands import entries
from sw.cycles.memory import SIMULATED, MemoryTiming

__all__ = ["GROUP", "Target", "find_target", "targets"]

#: Entry points that give machines: a package that is built on this one adds its own.
GROUP = "partita.machines"


@dataclass(frozen=True)
class Target:
    """A machine.

    Members: `name` on the command line and `title`; `config`; `clock_mhz`; `memory_bytes`, the
    external memory that there is, and the FPGA `device`, None where they are not known;
    `parts_of` a configuration and `prune`, how it runs networks that come with this package where
    nobody says (1 for as they are); `memory`, what that takes of cycles with a configuration;
    `rules`, which raises ValueError for a configuration that it cannot have.
    """

    name: str
    title: str
    config: Config
    clock_mhz: float
    memory_bytes: int | None = None
    device: Device | None = None
    parts_of: Callable[[Config], int] = field(default=lambda config: 1, compare=False)
    prune: str = "fc"
    memory: Callable[[Config], MemoryTiming] = field(default=lambda config: SIMULATED,
                                                     compare=False)
    rules: Callable[[Config], object] = field(default=lambda config: None, compare=False)

    @property
    def parts(self) -> int:
        """Partitions of a network that comes with this package, where nobody says."""
        return self.parts_of(self.config)

    @property
    def lacks(self) -> str:
        """What the device has too little of for the configuration, as far as it can be told before
        synthesis, in words; or nothing."""
        return "" if self.device is None else " and ".join(quick_usage(self.config).lacks(
            self.device))

    def with_tables(self) -> "Target":
        """The machine with tables, where its core can have them."""
        if self.config.core == "microcoded":
            return self
        return replace(self, config=self.config.replace(array__tables=True))


def targets() -> dict[str, Target]:
    """Every machine that a package on this one knows, by its name."""
    found: dict[str, Target] = {}
    for point in entries(GROUP).values():
        machines: Callable[[], list[Target]] = point.load()
        found |= {target.name: target for target in machines()}
    return found


def find_target(name: str) -> Target:
    """A machine by its name; raises ValueError if there is none."""
    known = targets()
    if several := [x for x in known if x.startswith(f"{name}-")]:
        raise ValueError(f"--board is {name!r}, of which there are several: take "
                         + ", ".join(several))
    if name not in known:
        raise ValueError(f"--board is {name[:60]!r}; there are {', '.join(known)}"
                         + nearest(name, known))
    return known[name]
