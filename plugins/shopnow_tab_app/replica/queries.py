"""Queries of the copies, repeated while a large table that is being read takes up the memory."""

import time
from collections.abc import Sequence
from typing import Any

import duckdb

from shopnow.errors import UserError

ATTEMPTS = 6
PAUSE_SECONDS = 0.5


def execute(
    cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] | dict[str, Any]
) -> duckdb.DuckDBPyConnection:
    """Execute a query.

    Raises:
        UserError: there is not enough memory, also after several attempts.
    """
    for attempts_left in reversed(range(ATTEMPTS)):
        try:
            return cursor.execute(sql, parameters)
        except duckdb.OutOfMemoryException:
            if attempts_left:
                time.sleep(PAUSE_SECONDS)
    raise UserError("a table that is being read takes up the replica's memory; try again in a moment")
