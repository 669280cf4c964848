"""Small files of closed partitions into few large ones, in the order in which they are asked for.

The rows stay the same, and that is proved before anything is committed: the new files are read back, and their digest must
be that of the files they take the place of. The commit removes exactly the files that were read, so what is appended or
changed meanwhile is never lost; see `shopnow.lake.delta.file_swap`.
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
from shopnow.failpoints import reach
from shopnow.lake.delta import catalog, file_swap, tables
from shopnow.lake.delta.file_swap import OvertakenError
from shopnow.lake.delta.hdfs import Store
from shopnow.lake.maintenance import compaction
from shopnow.lake.maintenance.compaction import TARGET_BYTES, Group, Layout
from shopnow_spark import file_digest, lake_reader
from shopnow_spark.file_digest import Measured
from shopnow_spark.lake_reader import Start

ATTEMPTS = 3
KILL_POINTS = ("compact:plan", "compact:written", "compact:checked", "compact:commit", "compact:committed")
"""Where a run can be made to die (see `shopnow.failpoints`); `compact:written` and `compact:checked` once for each partition."""

# Of this size are the parts of a file that a reader can pass over by their statistics.
_ROW_GROUP_BYTES = 32 << 20


class Compacted(NamedTuple):
    """What was done to a table."""

    table: str
    partitions: int
    rows: int
    files_before: int
    files_after: int

    def summary(self) -> str:
        """One line."""
        return f"{self.table}: {self.files_before:,} files into {self.files_after:,}, {self.rows:,} rows in {self.partitions} partitions"


def compact(lake: str, before: date, start: Start, target_bytes: int = TARGET_BYTES) -> list[Compacted]:
    """Compacts every table of the lake; gives what was done, so nothing for tables with nothing to gain.

    Args:
        before: dates from this one on are left alone.

    Raises:
        UserError: new files do not hold the rows they should; that table was not changed.
        OSError: the lake was not reached.
    """
    done = [compact_table(lake, name, before, start, target_bytes) for name in catalog.table_names(lake)]
    return [each for each in done if each]


def compact_table(
    lake: str, name: str, before: date, start: Start, target_bytes: int = TARGET_BYTES
) -> Compacted | None:
    """Compacts a table in one commit; None if there is nothing to gain. Arguments and errors are those of `compact`."""
    for attempt in range(ATTEMPTS):
        table = tables.open_table(lake, name)
        groups = compaction.plan(file_swap.data_files(table), before, target_bytes)
        if not groups:
            return None
        reach("compact:plan")
        spark = _session(start(), max(group.rows for group in groups))
        # Not a hidden name, as `_compaction` would be: VACUUM sweeps what a killed run leaves in it.
        staging = f"compaction-{uuid.uuid4()}"
        store = Store(lake)
        try:
            added = [file for group in groups for file in _rewrite(spark, store, table, name, staging, group)]
            reach("compact:commit")
            file_swap.replace(
                table, [file for group in groups for file in group.files], added, data_change=False
            )
        except OvertakenError:
            if attempt + 1 == ATTEMPTS:
                raise UserError(
                    f"{name}: others changed the files that were compacted, {ATTEMPTS} times; run again"
                ) from None
            continue
        finally:
            store.remove(f"{name}/{staging}")
        reach("compact:committed")
        rows = sum(group.rows for group in groups)
        return Compacted(name, len(groups), rows, sum(len(group.files) for group in groups), len(added))
    return None


def _session(spark: SparkSession, records: int) -> SparkSession:
    session = spark.newSession()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    session.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    # Look the files up from here: hundreds of small ones would otherwise be a job of as many tasks.
    session.conf.set("spark.sql.sources.parallelPartitionDiscovery.threshold", "100000")
    lake_reader.compile_if_worth(session, records)
    return session


def _rewrite(
    spark: SparkSession, store: Store, table: DeltaTable, name: str, staging: str, group: Group
) -> list[AddAction]:
    """Writes the rows of a partition's files to new files of the partition, which nobody sees until they are committed."""
    layout = compaction.layout(name)
    root = table.table_uri.rstrip("/")
    ddl = schemas.spark_ddl(
        pa.schema(
            [field for field in pa.schema(table.schema().to_arrow()) if field.name not in group.partition]
        )
    )
    rows = spark.read.schema(ddl).parquet(*(f"{root}/{file.path}" for file in group.files))
    folder = f"{staging}/{uuid.uuid4()}"
    write(rows, layout, group.into, f"{root}/{folder}")
    reach("compact:written")
    # Read from the files, by the schema of the table, as any reader will.
    written = file_digest.measure(spark.read.schema(ddl).parquet(f"{root}/{folder}"), layout.statistics)
    expected, found = file_digest.digest(rows), file_digest.together(file.digest for file in written)
    if found != expected:
        raise UserError(
            f"{name}, {group}: compacted files do not hold the rows that were read: {expected.rows:,} rows with digest "
            f"{expected.first}/{expected.second} became {found.rows:,} with {found.first}/{found.second}; the table was not changed"
        )
    reach("compact:checked")
    return [_publish(store, name, file, file.address.rsplit("/", 1)[1], folder, group) for file in written]


def write(rows: DataFrame, layout: Layout, files: int, address: str) -> None:
    """Writes the rows as so many files, each ordered, and one beginning where another ends."""
    order = layout.order
    arranged = (
        rows.repartitionByRange(files, *order).sortWithinPartitions(*order)
        if order
        else rows.repartition(files)
    )
    arranged.write.option("compression", "zstd").option("parquet.block.size", _ROW_GROUP_BYTES).parquet(
        address
    )


def _publish(store: Store, name: str, file: Measured, part: str, folder: str, group: Group) -> AddAction:
    """Moves a file to its partition."""
    path = "/".join([*(f"{column}={value}" for column, value in group.partition.items()), part])
    store.move(f"{name}/{folder}/{part}", f"{name}/{path}")
    return AddAction(path, file.size, dict(group.partition), int(time.time() * 1000), False, file.statistics)
