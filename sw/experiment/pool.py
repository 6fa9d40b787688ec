"""Many independent tasks, in local processes or on a Dask cluster."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from hw.support.errors import ToolMissingError
from hw.support.pools import hidden_from_terminal, in_pool_process

__all__ = ["PoolError", "each"]

T = TypeVar("T")
R = TypeVar("R")


class PoolError(RuntimeError):
    """A process that points were given to has gone."""

    exit_code = 1


def each(function: Callable[[T], R], items: Sequence[T], *, jobs: int, scheduler: str | None,
         few: int) -> Iterator[tuple[int, R]]:
    """Apply a function to all items, in local processes or on a cluster.

    Parameters
    ----------
    jobs : processes
    scheduler : address of a Dask cluster's, or None
    few : so many items take less time than to start a process

    Yields
    ------
    (index, value)
        As they end.

    Raises
    ------
    PoolError, ToolMissingError, ValueError
    """
    if scheduler:
        try:
            from distributed import Client
            from distributed import as_completed as ended
        except ImportError as error:
            raise ToolMissingError("--scheduler needs Dask: pip install distributed") from error
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            raise ValueError(f"--scheduler {scheduler}: no Dask scheduler answers: "
                             f"{error}") from error
        with client:
            futures = client.map(function, items, pure=False)
            places = {f.key: k for k, f in enumerate(futures)}
            for future in ended(futures):
                yield places[future.key], future.result()
        return
    if jobs == 1 or len(items) <= few:
        for k, item in enumerate(items):
            yield k, function(item)
        return
    with ProcessPoolExecutor(min(jobs, len(items)), mp_context=get_context("spawn")) as pool:
        with hidden_from_terminal():
            tasks = {pool.submit(in_pool_process, function, item): k
                     for k, item in enumerate(items)}
        for task in as_completed(tasks):
            try:
                yield tasks[task], task.result()
            except BrokenProcessPool:
                raise PoolError("a process of the pool was killed, as where memory runs out; try "
                                "fewer --jobs") from None
