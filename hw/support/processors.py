"""How many processors there are for this process."""

import os

__all__ = ["processors"]


def processors() -> int:
    """Processors that this process may run on: a job scheduler or `taskset` may leave it few."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
