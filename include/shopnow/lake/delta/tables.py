"""Handle of a lake table, and functions that read and write its rows.

A table has the name used in the docs, such as `raw/orders` or `kpi/sales_daily`, and is stored at
`{lake}/{name}`, where `lake` is an address such as `hdfs://127.0.0.1:9820/shopnow`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from shopnow.lake.delta import log, stale_commits

# Plain features only, so that Spark, delta-rs, DuckDB, Polars and Trino all read every table.
PLAIN: Mapping[str, str] = {"delta.minReaderVersion": "1", "delta.minWriterVersion": "2"}

# Opening a table reads at most this many commits, each a file; the default of delta-rs is 100.
# See docs/decisions/0009.
CHECKPOINTS: Mapping[str, str] = {"delta.checkpointInterval": "20"}


@dataclass(frozen=True, slots=True)
class Table:
    """Handle of one table of the lake, whether it exists yet or not.

    Existence and the latest version are looked up at each call; commits of its log are cached in the process.
    """

    lake: str
    name: str

    @property
    def uri(self) -> str:
        """The table's address."""
        return f"{self.lake.rstrip('/')}/{self.name}"

    def exists(self) -> bool:
        return DeltaTable.is_deltatable(self.uri)

    def open(self, version: int | None = None) -> DeltaTable:
        """Return a snapshot of the table: the latest, or that of `version`.

        Raises:
            deltalake.exceptions.TableNotFoundError: the table does not exist.
        """
        return DeltaTable(self.uri, version=version)

    def open_if_exists(self, version: int | None = None) -> DeltaTable | None:
        """Return a snapshot as `open` does; None if the table does not exist."""
        try:
            return self.open(version)
        except TableNotFoundError:
            return None

    def version(self) -> int:
        """Return the latest version.

        Raises:
            deltalake.exceptions.TableNotFoundError: the table does not exist.
        """
        return self.open().version()

    def commits(self, last: int, first: int = 0) -> Iterator[tuple[int, log.Actions]]:
        """Yield version and actions of the commits `[first, last]` that the log still holds, oldest first."""
        return log.commits(self.uri, last, first)

    def ensure(self, schema: pa.Schema, partition_by: Sequence[str] = ()) -> DeltaTable:
        """Return the table, after creating it or adding missing columns. Safe to call concurrently."""
        stale_commits.discard(self.uri)
        try:
            table = DeltaTable.create(
                self.uri,
                schema,
                mode="ignore",
                partition_by=list(partition_by) or None,
                configuration={**PLAIN, **CHECKPOINTS},
                # Without this the slower of two callers would commit the creation again, on top of the first.
                commit_properties=CommitProperties(max_commit_retries=0),
            )
        except CommitFailedError:
            table = self.open()
        if table.version() == 0:
            log.evict(self.uri)
        while missing := _missing_fields(table, schema):
            # Only the first of concurrent callers commits this; existing rows read null in the column.
            with suppress(CommitFailedError):
                table.alter.add_columns(missing)
            table.update_incremental()
        return table


def write(
    snapshot: DeltaTable,
    rows: pa.Table,
    *,
    mode: Literal["append", "overwrite"] = "append",
    predicate: str | None = None,
    commit_properties: CommitProperties | None = None,
) -> None:
    """Write rows to a table in one commit against the snapshot.

    Column comments of the rows are dropped: delta-rs rejects rows whose comments differ from those of the
    table, which an older release may have created.

    Raises:
        deltalake.exceptions.CommitFailedError: a newer commit conflicts with this one.
    """
    schema = pa.schema([field.remove_metadata() for field in rows.schema])
    write_deltalake(
        snapshot,
        pa.Table.from_arrays(rows.columns, schema=schema),
        mode=mode,
        predicate=predicate,
        commit_properties=commit_properties,
    )


def batches(
    snapshot: DeltaTable, columns: Sequence[str] | None = None, predicate: str | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the snapshot's rows in no particular order, in bounded memory.

    Args:
        columns: the columns to read; all by default.
        predicate: an SQL condition that the rows must satisfy.
    """
    schema = _schema(snapshot, columns)
    # Not to_pyarrow_dataset and the like: a process that has read HDFS with them may abort at exit.
    for batch in pa.RecordBatchReader.from_stream(snapshot.scan(schema.names, predicate)):
        yield batch.select(schema.names).cast(schema)


def reader(
    snapshot: DeltaTable, columns: Sequence[str] | None = None, predicate: str | None = None
) -> pa.RecordBatchReader:
    """Return the rows that `batches` yields as an Arrow stream, for other libraries to read."""
    return pa.RecordBatchReader.from_batches(
        _schema(snapshot, columns), batches(snapshot, columns, predicate)
    )


def read(
    snapshot: DeltaTable, columns: Sequence[str] | None = None, predicate: str | None = None
) -> pa.Table:
    """Return the rows that `batches` yields as one Arrow table."""
    return pa.Table.from_batches(batches(snapshot, columns, predicate), _schema(snapshot, columns))


def _schema(snapshot: DeltaTable, columns: Sequence[str] | None) -> pa.Schema:
    schema = pa.schema(snapshot.schema().to_arrow())
    return pa.schema([schema.field(name) for name in columns]) if columns else schema


def _missing_fields(table: DeltaTable, schema: pa.Schema) -> list:
    names = {field.name for field in table.schema().fields}
    return [field for field in Schema.from_arrow(schema).fields if field.name not in names]
