"""When agents around a block may go: patterns in which their gaps meet, or do not."""

import random

__all__ = ["PATTERNS", "Gap", "Gaps"]

#: Pattern -> what it is.
PATTERNS = {
    "open": "nobody ever has a gap",
    "together": "all go in the very same cycles",
    "apart": "no two ever go in the same cycle",
    "drift": "each goes for a while and rests for a while, in periods of its own",
    "alone": "each tosses by itself, some seldom and some nearly always",
}


class Gaps:
    """The gaps of all agents of a bench.

    Parameters
    ----------
    pattern : one of `PATTERNS`
    draw : what is random of it
    """

    def __init__(self, pattern: str, draw: random.Random):
        assert pattern in PATTERNS, pattern
        self.pattern, self.draw = pattern, draw
        self.cycle = self.agents = 0
        self.all_go = True

    def begin(self, cycle: int) -> None:
        """Come to a cycle."""
        self.cycle = cycle
        self.all_go = self.draw.random() < 0.5

    def another(self) -> "Gap":
        """The gaps of another agent."""
        self.agents += 1
        return Gap(self, self.agents - 1)


class Gap:
    """The gaps of one agent."""

    def __init__(self, gaps: Gaps, number: int):
        draw = random.Random(gaps.draw.getrandbits(64))
        self.gaps, self.number, self.draw = gaps, number, draw
        self.probability = draw.choice([0.15, 0.3, 0.5, 0.8, 0.95])
        self.period = draw.randrange(2, 12)
        self.goes = draw.randrange(1, self.period)  # cycles of each period
        self.phase = draw.randrange(self.period)

    def go(self) -> bool:
        """Whether it may go now."""
        gaps = self.gaps
        match gaps.pattern:
            case "together":
                return gaps.all_go
            case "apart":
                return gaps.cycle % gaps.agents == self.number
            case "drift":
                return (gaps.cycle + self.phase) % self.period < self.goes
            case "alone":
                return self.draw.random() < self.probability
        return True
