"""Compact the small files of closed partitions into large ones, sorted for the queries that read them.

The rows stay the same, which is verified before the commit: the new files are read back, and their digest
must equal that of the files they replace. The commit removes exactly the files that were read, so rows
appended or changed concurrently are never lost; see `shopnow.lake.delta.file_swap`.
"""

import time
import uuid
from datetime import date
from typing import NamedTuple

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.transaction import AddAction
from pyspark.sql import DataFrame, SparkSession

from shopnow import schemas
from shopnow.errors import UserError
from shopnow.failpoints import failpoint
from shopnow.lake.delta import catalog, file_swap
from shopnow.lake.delta.conflicts import retry_on_conflict
from shopnow.lake.delta.hdfs import Store
from shopnow.lake.delta.tables import Table
from shopnow.lake.maintenance import compaction
from shopnow.lake.maintenance.compaction import TARGET_BYTES, Group, Layout
from shopnow_spark import file_digest, lake_reader
from shopnow_spark.file_digest import MeasuredFile
from shopnow_spark.lake_reader import Start

ATTEMPTS = 3
FAILPOINTS = ("compact:plan", "compact:written", "compact:checked", "compact:commit", "compact:committed")
"""Failpoints of a run; `compact:written` and `compact:checked` are reached once per partition."""

# Readers skip row groups of this size by their statistics.
_ROW_GROUP_BYTES = 32 << 20


class Compacted(NamedTuple):
    """Result of compacting a table."""

    table: str
    partitions: int
    rows: int
    files_before: int
    files_after: int

    def summary(self) -> str:
        """Return one line for people."""
        files = f"{self.files_before:,} files into {self.files_after:,}"
        return f"{self.table}: {files}, {self.rows:,} rows in {self.partitions} partitions"


def compact(lake: str, before: date, start: Start, target_bytes: int = TARGET_BYTES) -> list[Compacted]:
    """Compact every table of the lake; return the results of the tables that changed.

    Args:
        before: only partitions of dates before this one are compacted.

    Raises:
        UserError: new files do not hold the expected rows; that table was not changed.
        OSError: the lake does not answer.
    """
    results = [
        compact_table(Table(lake, name), before, start, target_bytes) for name in catalog.table_names(lake)
    ]
    return [result for result in results if result]


def compact_table(
    lake_table: Table, before: date, start: Start, target_bytes: int = TARGET_BYTES
) -> Compacted | None:
    """Compact a table in one commit; None if there is nothing to gain. See `compact` for the arguments."""
    name = lake_table.name

    def attempt() -> Compacted | None:
        table = lake_table.open()
        groups = compaction.plan(file_swap.data_files(table), before, target_bytes)
        if not groups:
            return None
        failpoint("compact:plan")
        spark = _session(start(), max(group.rows for group in groups))
        # The name has no leading underscore, so that VACUUM removes what a killed run leaves in it.
        staging = f"compaction-{uuid.uuid4()}"
        store = Store(lake_table.lake)
        try:
            added = [file for group in groups for file in _rewrite(spark, store, table, name, staging, group)]
            failpoint("compact:commit")
            file_swap.replace(
                table, [file for group in groups for file in group.files], added, data_change=False
            )
        finally:
            store.remove(f"{name}/{staging}")
        failpoint("compact:committed")
        rows = sum(group.rows for group in groups)
        return Compacted(name, len(groups), rows, sum(len(group.files) for group in groups), len(added))

    return retry_on_conflict(
        attempt,
        attempts=ATTEMPTS,
        exhausted=UserError(
            f"{name}: concurrent commits changed the files being compacted {ATTEMPTS} times; run again"
        ),
    )


def _session(spark: SparkSession, records: int) -> SparkSession:
    session = spark.newSession()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    session.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    # List files in the driver, as hundreds of small files would otherwise become a job of as many tasks.
    session.conf.set("spark.sql.sources.parallelPartitionDiscovery.threshold", "100000")
    lake_reader.enable_codegen_if_worth(session, records)
    return session


def _rewrite(
    spark: SparkSession, store: Store, table: DeltaTable, name: str, staging: str, group: Group
) -> list[AddAction]:
    """Rewrite a partition's files into new files, which readers do not see until the commit."""
    layout = compaction.layout(name)
    root = table.table_uri.rstrip("/")
    ddl = schemas.spark_ddl(
        pa.schema(
            [field for field in pa.schema(table.schema().to_arrow()) if field.name not in group.partition]
        )
    )
    rows = spark.read.schema(ddl).parquet(*(f"{root}/{file.path}" for file in group.files))
    folder = f"{staging}/{uuid.uuid4()}"
    write(rows, layout, group.target_files, f"{root}/{folder}")
    failpoint("compact:written")
    # Read the files back with the table's schema, as every reader does.
    written = file_digest.measure_files(spark.read.schema(ddl).parquet(f"{root}/{folder}"), layout.statistics)
    expected, actual = file_digest.digest(rows), file_digest.combine(file.digest for file in written)
    if actual != expected:
        raise UserError(
            f"{name}, {group}: compacted files do not hold the rows that were read: {expected.rows:,} rows "
            f"with digest {expected.first}/{expected.second} became {actual.rows:,} with "
            f"{actual.first}/{actual.second}; the table was not changed"
        )
    failpoint("compact:checked")
    return [
        _move_to_partition(store, name, file, file.address.rsplit("/", 1)[1], folder, group)
        for file in written
    ]


def write(rows: DataFrame, layout: Layout, files: int, address: str) -> None:
    """Write the rows as this many sorted files with disjoint ranges."""
    order = layout.order
    arranged = (
        rows.repartitionByRange(files, *order).sortWithinPartitions(*order)
        if order
        else rows.repartition(files)
    )
    arranged.write.option("compression", "zstd").option("parquet.block.size", _ROW_GROUP_BYTES).parquet(
        address
    )


def _move_to_partition(
    store: Store, name: str, file: MeasuredFile, part: str, folder: str, group: Group
) -> AddAction:
    """Move a file to its partition's folder."""
    path = "/".join([*(f"{column}={value}" for column, value in group.partition.items()), part])
    store.move(f"{name}/{folder}/{part}", f"{name}/{path}")
    return AddAction(path, file.size, dict(group.partition), int(time.time() * 1000), False, file.statistics)
