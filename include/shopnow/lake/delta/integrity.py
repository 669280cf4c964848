"""Find damaged data files of a table: missing, truncated, or with bytes that differ from what was written.

A file is read completely: each page must match its checksum, if its writer stored one, as landing and Spark
do, and decode; size, number of rows and statistics must be those in the log. Files never change once they
are written, so their bytes must also match the checksum that an earlier check has recorded.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import FileType, PyFileSystem

from shopnow.lake.delta.errors import one_line

_THREADS = 4

Progress = Callable[[int, int], None]
"""Called with the number of files checked and their total."""


class Damage(NamedTuple):
    """A damaged file of a table: its path in the table's folder, the problem, and its rows."""

    table: str
    file: str
    problem: str
    rows: str

    def __str__(self) -> str:
        return f"{self.table}: file {self.file} {self.problem}; it holds {self.rows}"


Checksums = dict[str, str]
"""Checksum of the bytes of each file, by its path in the table's folder."""


def checksum(data: bytes) -> str:
    return xxhash.xxh3_128_hexdigest(data)


def check_files(
    name: str,
    snapshot: DeltaTable,
    recorded: Mapping[str, str],
    progress: Progress = lambda done, total: None,
) -> tuple[list[Damage], Checksums]:
    """Read every data file of a snapshot.

    Args:
        recorded: checksums of earlier checks; files that are not in it are new.

    Returns:
        The damaged files in the order of their paths, and the checksums of the others.

    Raises:
        OSError: the storage does not respond.
    """
    actions = sorted(pa.table(snapshot.get_add_actions(flatten=True)).to_pylist(), key=lambda a: a["path"])
    if not actions:
        return [], {}
    files = PyFileSystem(DeltaStorageHandler(snapshot.table_uri))
    partition_columns = snapshot.metadata().partition_columns
    expected = {field.name for field in snapshot.schema().fields} - {*partition_columns}
    damages: list[Damage] = []
    checksums: Checksums = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        results = pool.map(lambda action: _check(files, action, expected, recorded), actions)
        for number, (action, (problem, file_checksum)) in enumerate(zip(actions, results, strict=True), 1):
            if problem:
                rows = _describe_rows(action, partition_columns)
                damages.append(Damage(name, action["path"], problem, rows))
            else:
                checksums[action["path"]] = file_checksum
            progress(number, len(actions))
    return damages, checksums


def _check(
    files: PyFileSystem, action: Mapping[str, Any], columns: set[str], recorded: Mapping[str, str]
) -> tuple[str | None, str]:
    """Return the problem of a file, None if it is intact, and its checksum."""
    try:
        return _problem(files, action, columns, recorded)
    # Whatever the storage and the decoders raise on damaged bytes, the file is unreadable.
    except Exception as error:
        return f"cannot be read ({one_line(error)})", ""


def _problem(
    files: PyFileSystem, action: Mapping[str, Any], columns: set[str], recorded: Mapping[str, str]
) -> tuple[str | None, str]:
    [info] = files.get_file_info([action["path"]])
    if info.type == FileType.NotFound:
        return "is missing", ""
    if info.size != action["size_bytes"]:
        return f"has {info.size:,} bytes instead of the {action['size_bytes']:,} in the log", ""
    with files.open_input_file(action["path"]) as source:
        data = source.read()
    actual = checksum(data)
    if recorded.get(action["path"], actual) != actual:
        return "has changed since an earlier check of its bytes", actual
    rows, extremes = _measure(data, columns)
    known = action.get("num_records")
    if known is not None and rows != known:
        return f"has {rows:,} rows instead of the {known:,} in the log", actual
    for name, (low, high) in extremes.items():
        least, greatest = action.get(f"min.{name}"), action.get(f"max.{name}")
        if isinstance(least, int) and isinstance(greatest, int) and not least <= low <= high <= greatest:
            return f"has rows outside the statistics of {name} in the log", actual
    return None, actual


def _measure(data: bytes, columns: set[str]) -> tuple[int, dict[str, tuple[int, int]]]:
    """Decode all pages of a file; return its number of rows, and the extremes of its integer columns.

    Raises:
        Exception: a page is damaged, in whatever way the decoder reports it.
    """
    rows = 0
    extremes: dict[str, tuple[int, int]] = {}
    for batch in batches(data):
        if unknown := {*batch.schema.names} - columns:
            raise ValueError(f"unknown columns: {', '.join(sorted(unknown))}")
        batch.validate(full=True)
        rows += batch.num_rows
        for name in batch.schema.names:
            if pa.types.is_integer(batch.schema.field(name).type):
                low, high = pc.min_max(batch[name]).as_py().values()
                if low is not None:
                    before = extremes.get(name, (low, high))
                    extremes[name] = min(low, before[0]), max(high, before[1])
    return rows, extremes


def batches(data: bytes, verify: bool = True) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a Parquet file, whose pages must match their checksums if these are verified."""
    # Spark writes timestamps as INT96, whose nanoseconds as int64 do not reach the year 2263.
    file = pq.ParquetFile(
        BytesIO(data), page_checksum_verification=verify, coerce_int96_timestamp_unit="us", pre_buffer=False
    )
    yield from file.iter_batches()


def _describe_rows(action: Mapping[str, Any], partition_columns: list[str]) -> str:
    """Describe the rows of a file by the statistics and partition values in the log."""
    count = action.get("num_records")
    parts = ["an unknown number of rows" if count is None else f"{count:,} rows"]
    parts += [f"{name} {action.get(f'partition.{name}')}" for name in partition_columns]
    for name, low_name in (("partition", "partition"), ("offset", "offsets")):
        for prefix in ("", "source_"):
            low, high = action.get(f"min.{prefix}{name}"), action.get(f"max.{prefix}{name}")
            if low is not None:
                parts.append(f"{low_name} {low}" if low == high else f"{low_name} {low} to {high}")
    return ", ".join(parts)
