"""Calls in a separate process that a hard timeout ends, because the HDFS client was seen to wait for ever.

A call that timed out is repeated, so only calls that may be repeated are made this way: reads, and steps that
are exactly once by themselves.
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
"""Hard timeout of a call, like the execution timeout of an Airflow task."""
ATTEMPTS = 3

Result = TypeVar("Result")

hung: list[str] = []
"""Calls that the hard timeout ended, here or in a `faults.worker`, and that were repeated."""


def call(function: Callable[..., Result], *args: Any, **options: Any) -> Result:
    """Call the function in the other process; returns or raises what it does there."""
    for _ in range(ATTEMPTS):
        try:
            return _process().submit(_call_with_timeout, function, args, options).result()
        except BrokenProcessPool:
            _process.cache_clear()
            hung.append(f"{function.__module__}.{function.__qualname__}")
    raise AssertionError(f"{hung[-1]} hung {ATTEMPTS} times")


@cache
def _process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def _call_with_timeout(
    function: Callable[..., Result], args: tuple[Any, ...], options: dict[str, Any]
) -> Result:
    hard_timeout.start(LIMIT)
    try:
        return function(*args, **options)
    finally:
        hard_timeout.cancel()
