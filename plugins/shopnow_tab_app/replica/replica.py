"""DuckDB copies of the columns and rows of the lake's tables that the pages show.

A copy records the file of each row. For a new version of the table, only added files are read and the rows of
removed files are deleted, in one transaction, so that a query sees exactly one version of the table.
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
from shopnow_tab_app.replica.protocol import TableCopy

BATCH_ROWS = 32_768
SMALL_BYTES = 256 << 10
PARALLEL_FILES = 6


def _select(copy: TableCopy, number: str, is_provisional: bool) -> str:
    """Return the select list of rows with this number."""
    flag = f", {is_provisional} AS provisional" if copy.topic else ""
    return f"{number}::UBIGINT AS _file, {copy.select}{flag}"


def create(database: duckdb.DuckDBPyConnection, copy: TableCopy) -> None:
    """Create an empty copy, which also stands for a table that the lake does not have."""
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        pq.write_table(copy.schema.empty_table(), file.name)
        columns = f"SELECT {_select(copy, '0', False)} FROM read_parquet(?)"  # noqa: S608  (SQL of our own)
        database.execute(f'CREATE OR REPLACE TABLE "{copy.table}" AS {columns}', [file.name])


def update(
    database: duckdb.DuckDBPyConnection,
    copy: TableCopy,
    table: DeltaTable,
    data_files: Iterable[DataFile],
    file_numbers: dict[str, int],
    superseded: Sequence[int] = (),
) -> dict[str, int]:
    """Bring a copy up to the open version of its table.

    Args:
        database: connection to the database of the copies.
        copy: copy to update.
        table: table, open at the version to copy.
        data_files: data files of that version.
        file_numbers: by path, the numbers of the files in the copy.
        superseded: numbers of provisional rows that this version replaces.

    Returns:
        The numbers of the files in the updated copy, by path.

    Raises:
        OSError, deltalake.exceptions.DeltaError: the lake does not answer; the copy is unchanged.
    """
    files = {file.path: file for file in data_files}
    removed = [number for path, number in file_numbers.items() if path not in files] + list(superseded)
    numbers = {path: number for path, number in file_numbers.items() if path in files}
    next_number = iter(range(max(file_numbers.values(), default=0) + 1, 2**63))
    database.execute("BEGIN")
    try:
        _delete(database, copy, removed)
        added = [file for path, file in files.items() if path not in numbers]
        for file, batches in _read(table, added, copy.schema):
            numbers[file.path] = next(next_number)
            _insert(database, copy, _select(copy, str(numbers[file.path]), False), batches)
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise
    pa.default_memory_pool().release_unused()
    return numbers


def change_provisional(
    database: duckdb.DuckDBPyConnection,
    copy: TableCopy,
    removed: Sequence[int],
    numbers: Sequence[int],
    rows: pa.Table,
) -> None:
    """Remove provisional rows with these numbers from a copy, and add others, in one transaction."""
    database.execute("BEGIN")
    try:
        _delete(database, copy, removed)
        numbered = rows.append_column("_number", pa.array(numbers, pa.uint64()))
        _insert(database, copy, _select(copy, "_number", True), numbered.to_batches(), numbered.schema)
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise


def _delete(database: duckdb.DuckDBPyConnection, copy: TableCopy, numbers: Sequence[int]) -> None:
    if numbers:
        database.execute(f'DELETE FROM "{copy.table}" WHERE _file IN (SELECT unnest(?))', [list(numbers)])  # noqa: S608  (our own names)


def _insert(
    database: duckdb.DuckDBPyConnection,
    copy: TableCopy,
    select: str,
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema | None = None,
) -> None:
    # Through a file: reading Arrow data takes the interpreter lock, whose holder may be waiting for DuckDB.
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        with pq.ParquetWriter(file.name, schema or copy.schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
        database.execute(
            f'INSERT INTO "{copy.table}" '  # noqa: S608
            f"SELECT {select} FROM read_parquet(?) WHERE {copy.where}",
            [file.name],
        )


def _read(
    table: DeltaTable, files: Sequence[DataFile], schema: pa.Schema
) -> Iterator[tuple[DataFile, Iterable[pa.RecordBatch]]]:
    """Yield the rows of each file: small files in parallel, as HDFS opens slowly; large ones in batches."""
    small = [file for file in files if file.size <= SMALL_BYTES]
    with ThreadPoolExecutor(PARALLEL_FILES) as pool:
        for start in range(0, len(small), PARALLEL_FILES):
            group = small[start : start + PARALLEL_FILES]
            yield from zip(
                group, pool.map(lambda file: list(_batches(table, file, schema)), group), strict=True
            )
    for file in files:
        if file.size > SMALL_BYTES:
            yield file, _batches(table, file, schema)


def _batches(table: DeltaTable, file: DataFile, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file in batches, with the partition columns."""
    with PyFileSystem(DeltaStorageHandler(table.table_uri)).open_input_file(unquote(file.path)) as source:
        # Spark writes times as INT96, whose default unit of nanoseconds overflows in the year 2262.
        parquet = pq.ParquetFile(source, coerce_int96_timestamp_unit="us")
        columns = [name for name in schema.names if name in parquet.schema_arrow.names]
        for batch in parquet.iter_batches(BATCH_ROWS, columns=columns):
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
