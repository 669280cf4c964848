"""The newest rows of a table of the lake."""

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
"""The column that says how recent a row is: the first of these that its table has."""


def newest(table: DeltaTable, limit: int) -> pa.Table:
    """The newest `limit` rows, newest first; in memory are never many more. Older partitions are not read if they need not be."""
    schema = pa.schema(table.schema().to_arrow())
    order = _order(schema.names)
    top = schema.empty_table()
    for predicate in _partitions(table):
        for batch in tables.batches(table, predicate=predicate):
            both = pa.concat_tables([top, pa.Table.from_batches([batch], schema)])
            top = (both.sort_by(order) if order else both).slice(0, limit)
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
    """A predicate for each partition, that of the latest date first; none for a table that is not partitioned."""
    columns = table.metadata().partition_columns
    if not columns:
        return [None]
    return [
        f"{columns[0]} = '{value}'"
        for value in sorted({each[columns[0]] for each in table.partitions()}, reverse=True)
    ]
