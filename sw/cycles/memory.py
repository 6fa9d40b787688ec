"""What external memory takes, in cycles of the accelerator."""

from dataclasses import dataclass

__all__ = ["SIMULATED", "MemoryTiming"]


@dataclass(frozen=True, kw_only=True)
class MemoryTiming:
    """Times of external memory.

    Members
    -------
    latency : cycles from a request at it to the first beat
    page_miss : and more, where a page has to be opened
    beat : cycles in which a beat crosses, with what refreshing takes
    burst : and those that are lost between one burst and the next
    outstanding : bursts that it takes before the first is done
    """

    latency: float
    page_miss: float
    beat: float = 1.0
    burst: float = 0.0
    outstanding: int = 32

    def capacity(self, burst: float) -> float:
        """Beats per cycle, in bursts of so many."""
        return 1.0 / (self.beat + self.burst / burst)


#: That of simulations where nobody says.
SIMULATED = MemoryTiming(latency=40, page_miss=12)
