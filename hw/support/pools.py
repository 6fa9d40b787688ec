"""Work in threads and in processes that ends with the command: Ctrl-C leaves nothing running."""

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from .interrupts import Interrupted, end_children, interruptible

__all__ = ["hidden_from_terminal", "in_pool_process", "thread_pool"]


@contextmanager
def thread_pool(jobs: int) -> Iterator[Callable[..., Future]]:
    """Threads that end with the block: if an exception leaves it, a signal's or a task's own,
    tasks that have not begun are dropped, and the others stopped, with their child processes.

    Yields
    ------
    function
        Takes a function and its arguments, and returns a Future, as `Executor.submit`.
    """
    busy: set[int] = set()
    lock = threading.Lock()

    def call(function: Callable, *arguments):
        with lock:
            busy.add(threading.get_ident())
        try:
            return function(*arguments)
        finally:
            with lock:
                busy.discard(threading.get_ident())

    def submit(function: Callable, *arguments) -> Future:
        return pool.submit(call, function, *arguments)

    with ThreadPoolExecutor(jobs) as pool:
        try:
            yield submit
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            with lock:
                for ident in busy:
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(
                        ctypes.c_ulong(ident), ctypes.py_object(KeyboardInterrupt))
            while busy:
                end_children()
                time.sleep(0.02)
            raise


@contextmanager
def hidden_from_terminal() -> Iterator[None]:
    """Have processes that are started here not see a terminal's Ctrl-C: the parent ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def in_pool_process(function: Callable, *arguments):
    """Run a task in a process of a pool, which a signal ends once the task has put its things
    away."""
    with interruptible():
        try:
            return function(*arguments)
        except Interrupted as stop:
            os._exit(stop.exit_code)
