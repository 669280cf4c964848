"""Local copies, in DuckDB, of the columns and rows of the lake's tables that pages show.

A copy notes which file each row came from. So when the table has a new version, only files that came are read, and rows of
files that went are removed, in one transaction: who queries sees one version of the table, whole.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any
from urllib.parse import unquote

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import PyFileSystem

from shopnow.lake.delta.file_swap import DataFile
from shopnow_tab_app.replica.protocol import Copy

BATCH_ROWS = 32_768
SMALL_BYTES = 256 << 10
AT_ONCE = 6


def create(database: duckdb.DuckDBPyConnection, copy: Copy) -> None:
    """An empty copy, which is also what there is of a table that the lake does not have."""
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        pq.write_table(copy.schema.empty_table(), file.name)
        columns = f"SELECT 0::UBIGINT AS _file, {copy.select} FROM read_parquet(?)"  # noqa: S608  (our own words)
        database.execute(f'CREATE OR REPLACE TABLE "{copy.table}" AS {columns}', [file.name])


def update(
    database: duckdb.DuckDBPyConnection,
    copy: Copy,
    table: DeltaTable,
    there: Iterable[DataFile],
    held: dict[str, int],
) -> dict[str, int]:
    """Bring a copy up to the version `table` is open at, which has the files that are `there`.

    `held` are the files the copy has, each with its number, as are those returned.

    Raises:
        OSError, deltalake.exceptions.DeltaError: the lake does not answer; the copy is as it was.
    """
    files = {file.path: file for file in there}
    gone = [number for path, number in held.items() if path not in files]
    kept = {path: number for path, number in held.items() if path in files}
    numbers = iter(range(max(held.values(), default=0) + 1, 2**63))
    database.execute("BEGIN")
    try:
        if gone:
            database.execute(f'DELETE FROM "{copy.table}" WHERE _file IN (SELECT unnest(?))', [gone])  # noqa: S608  (our own names)
        new = [file for path, file in files.items() if path not in kept]
        for some, batches in _read(table, new, copy.schema):
            kept[some.path] = next(numbers)
            _insert(database, copy, kept[some.path], batches)
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise
    pa.default_memory_pool().release_unused()
    return kept


def _insert(
    database: duckdb.DuckDBPyConnection, copy: Copy, number: int, batches: Iterable[pa.RecordBatch]
) -> None:
    # By way of a file: to read what is in Python's memory DuckDB needs Python's lock, and whoever holds it may wait for DuckDB.
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        with pq.ParquetWriter(file.name, copy.schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
        database.execute(
            f'INSERT INTO "{copy.table}" SELECT {number}, {copy.select} FROM read_parquet(?) WHERE {copy.where}',  # noqa: S608
            [file.name],
        )


def _read(
    table: DeltaTable, files: Sequence[DataFile], schema: pa.Schema
) -> Iterator[tuple[DataFile, Iterable[pa.RecordBatch]]]:
    """The rows of each file: small files some at a time, as HDFS takes its time to open one; large ones in pieces."""
    small = [file for file in files if file.size <= SMALL_BYTES]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for start in range(0, len(small), AT_ONCE):
            group = small[start : start + AT_ONCE]
            yield from zip(
                group, pool.map(lambda file: list(_batches(table, file, schema)), group), strict=True
            )
    for file in files:
        if file.size > SMALL_BYTES:
            yield file, _batches(table, file, schema)


def _batches(table: DeltaTable, file: DataFile, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Some rows of a file at a time, partition columns with them."""
    with PyFileSystem(DeltaStorageHandler(table.table_uri)).open_input_file(unquote(file.path)) as source:
        # As Spark writes times: 96 bits, which as nanoseconds do not reach the year 2263.
        parquet = pq.ParquetFile(source, coerce_int96_timestamp_unit="us")
        there = [name for name in schema.names if name in parquet.schema_arrow.names]
        for batch in parquet.iter_batches(BATCH_ROWS, columns=there):
            yield pa.RecordBatch.from_arrays([_column(batch, file, field) for field in schema], schema=schema)


def _column(batch: pa.RecordBatch, file: DataFile, field: pa.Field) -> pa.Array:
    if field.name in file.partition:
        return pa.repeat(_partition_value(file.partition[field.name], field.type), batch.num_rows)
    if field.name not in batch.schema.names:
        return pa.nulls(batch.num_rows, field.type)
    return batch[field.name].cast(field.type)


def _partition_value(text: str | None, kind: pa.DataType) -> pa.Scalar:
    value: Any = text
    if text is not None and pa.types.is_date(kind):
        value = date.fromisoformat(text)
    return pa.scalar(value, kind)
