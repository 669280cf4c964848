"""The lake's tables: where each lives and how to open it.

A table is named as in the docs, `raw/orders`, `kpi/sales_daily`, …, and lives at `{lake}/{name}`, where `lake` is an
address such as `hdfs://127.0.0.1:9820/shopnow`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import CommitFailedError

from shopnow.lake.delta import stale_commits

# Plain features only, so that Spark, delta-rs, DuckDB, Polars and Trino all read every table.
PLAIN: Mapping[str, str] = {"delta.minReaderVersion": "1", "delta.minWriterVersion": "2"}

# So many commits at most are read to open a table, each a file; delta-rs would let them become a hundred.
# See docs/decisions/0009.
CHECKPOINTS: Mapping[str, str] = {"delta.checkpointInterval": "20"}


def uri(lake: str, name: str) -> str:
    """The address of a table."""
    return f"{lake.rstrip('/')}/{name}"


def exists(lake: str, name: str) -> bool:
    return DeltaTable.is_deltatable(uri(lake, name))


def open_table(lake: str, name: str, version: int | None = None) -> DeltaTable:
    """The table as it stands now, or stood at `version`.

    Raises:
        deltalake.exceptions.TableNotFoundError: there is no such table.
    """
    return DeltaTable(uri(lake, name), version=version)


def batches(
    table: DeltaTable, columns: Sequence[str] | None = None, predicate: str | None = None
) -> Iterator[pa.RecordBatch]:
    """The table's rows, or these columns of the rows that an SQL condition is true of, in no order; memory is bounded."""
    schema = _schema(table, columns)
    # Not to_pyarrow_dataset or its like: a process that has read a table on HDFS with them may abort when it ends.
    for batch in pa.RecordBatchReader.from_stream(table.scan(schema.names, predicate)):
        yield batch.select(schema.names).cast(schema)


def reader(
    table: DeltaTable, columns: Sequence[str] | None = None, predicate: str | None = None
) -> pa.RecordBatchReader:
    """What `batches` gives, for others to read."""
    return pa.RecordBatchReader.from_batches(_schema(table, columns), batches(table, columns, predicate))


def read(table: DeltaTable, columns: Sequence[str] | None = None, predicate: str | None = None) -> pa.Table:
    """What `batches` gives, as one table."""
    return pa.Table.from_batches(batches(table, columns, predicate), _schema(table, columns))


def _schema(table: DeltaTable, columns: Sequence[str] | None) -> pa.Schema:
    schema = pa.schema(table.schema().to_arrow())
    return pa.schema([schema.field(name) for name in columns]) if columns else schema


def ensure(lake: str, name: str, schema: pa.Schema, partition_by: Sequence[str] = ()) -> DeltaTable:
    """The table, created empty if it is not there, with the columns it lacks added; safe when several callers do so at once."""
    stale_commits.discard(uri(lake, name))
    try:
        table = DeltaTable.create(
            uri(lake, name),
            schema,
            mode="ignore",
            partition_by=list(partition_by) or None,
            configuration={**PLAIN, **CHECKPOINTS},
            # Without this the slower of two would commit the creation again, on top of the first.
            commit_properties=CommitProperties(max_commit_retries=0),
        )
    except CommitFailedError:
        table = open_table(lake, name)
    while missing := [
        field
        for field in Schema.from_arrow(schema).fields
        if field.name not in {known.name for known in table.schema().fields}
    ]:
        # A commit of the metadata, which only the first of several makes; rows that are there have null in it.
        with suppress(CommitFailedError):
            table.alter.add_columns(missing)
        table.update_incremental()
    return table
