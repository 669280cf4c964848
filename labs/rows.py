"""Rows of the lake that the checks look for."""

from typing import Any

import pyarrow.compute as pc

from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table

Row = dict[str, Any]


def raw(lake: str, topic: str, text: str) -> list[Row]:
    """Return the rows of `raw/{topic}` whose record contains this text."""
    snapshot = Table(lake, f"raw/{topic}").open_if_exists()
    if snapshot is None:
        return []
    rows = tables.read(snapshot, ["partition", "offset", "timestamp", "value", "problem", "correction"])
    return rows.filter(pc.match_substring(rows["value"], text)).to_pylist()


def where(lake: str, table: str, predicate: str) -> list[Row]:
    """Return the rows of a table that satisfy an SQL condition; none if the table does not exist."""
    snapshot = Table(lake, table).open_if_exists()
    return [] if snapshot is None else tables.read(snapshot, predicate=predicate).to_pylist()
