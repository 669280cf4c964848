"""Read the newest rows of a table."""

import pyarrow as pa
from deltalake import DeltaTable

from shopnow.lake.delta import tables

_TIMES = (
    "committed_at",
    "audited_at",
    "timestamp",
    "at",
    "event_time",
    "hour",
    "date",
    "last_event_time",
    "started_at",
    "last_order_at",
)
"""Columns that tell how recent a row is; the first that a table has is used."""


def newest_rows(table: DeltaTable, limit: int) -> pa.Table:
    """Return the newest `limit` rows, newest first; older partitions are read only if needed.

    Memory is bounded by `limit` and one batch.
    """
    schema = pa.schema(table.schema().to_arrow())
    order = _order(schema.names)
    top = schema.empty_table()
    for predicate in _partitions(table):
        for batch in tables.batches(table, predicate=predicate):
            candidates = pa.concat_tables([top, pa.Table.from_batches([batch], schema)])
            top = (candidates.sort_by(order) if order else candidates).slice(0, limit)
        if top.num_rows == limit:
            break
    return top


def _order(columns: list[str]) -> list[tuple[str, str]]:
    order = [(name, "descending") for name in _TIMES if name in columns][:1]
    ties = {
        **{
            "currency": "ascending",
            "cohort": "descending",
            "rank": "ascending",
            "days_of_cover": "ascending",
            "net_revenue_cents": "descending",
        },
        **{
            "partition": "ascending",
            "offset": "descending",
            "source_offset": "descending",
            "sequence": "descending",
        },
    }
    return order + [(name, direction) for name, direction in ties.items() if name in columns]


def _partitions(table: DeltaTable) -> list[str | None]:
    """Return a predicate per partition, latest date first; one None for a table without partitions."""
    columns = table.metadata().partition_columns
    if not columns:
        return [None]
    return [
        f"{columns[0]} = '{value}'"
        for value in sorted({partition[columns[0]] for partition in table.partitions()}, reverse=True)
    ]
