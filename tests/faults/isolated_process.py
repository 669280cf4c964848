"""Calls made in a process of their own, which the watchdog ends if they wait for ever, as the HDFS client was seen to.

Only for what may be done again: reading, and steps that are exactly once by themselves.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import timedelta
from functools import cache
from multiprocessing import get_context
from typing import Any, TypeVar

from shopnow import hard_timeout

LIMIT = timedelta(seconds=150)
"""After so long a step is ended by the watchdog, as Airflow's tasks are after their execution timeout."""
ATTEMPTS = 3

Result = TypeVar("Result")

hung: list[str] = []
"""What had to be ended, here or in a `faults.worker`; it was done again."""


def call(function: Callable[..., Result], *args: Any, **options: Any) -> Result:
    """What the function returns, or raises, in the other process."""
    for _ in range(ATTEMPTS):
        try:
            return _process().submit(_held, function, args, options).result()
        except BrokenProcessPool:
            _process.cache_clear()
            hung.append(f"{function.__module__}.{function.__qualname__}")
    raise AssertionError(f"{hung[-1]} hung {ATTEMPTS} times")


@cache
def _process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def _held(function: Callable[..., Result], args: tuple[Any, ...], options: dict[str, Any]) -> Result:
    hard_timeout.start(LIMIT)
    try:
        return function(*args, **options)
    finally:
        hard_timeout.stop()
