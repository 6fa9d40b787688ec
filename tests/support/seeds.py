"""The seed that a run of the tests draws from: another in each run, and printed."""

import os
import random

__all__ = ["VARIABLE", "choose_seed", "draws", "run_seed"]

#: Environment variable that holds it, for the processes that a test starts, too.
VARIABLE = "PARTITA_TEST_SEED"


def choose_seed() -> None:
    """Draw the run's seed, unless the environment has one."""
    os.environ.setdefault(VARIABLE, str(random.SystemRandom().randrange(1 << 32)))


def run_seed() -> int:
    """The seed of this run."""
    return int(os.environ[VARIABLE])


def draws(*names: object) -> random.Random:
    """What one purpose draws from: other numbers in each run, and for other names."""
    return random.Random("/".join(map(str, (run_seed(), *names))))
