"""Rows of tables, from which observations are made."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from typing import Any

Row = dict[str, Any]


def group(rows: Iterable[Row], *by: str) -> dict[Any, list[Row]]:
    """Return the rows by the value of a column, or by the tuple of several."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        key = tuple(row[name] for name in by)
        groups.setdefault(key if len(by) > 1 else key[0], []).append(row)
    return groups


def start_of_day(day: date) -> datetime:
    """Return the first moment of a day in UTC."""
    return datetime.combine(day, time(), UTC)
