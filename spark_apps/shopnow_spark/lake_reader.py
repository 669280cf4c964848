"""Read lake tables as Spark frames: session settings and file pruning."""

from collections.abc import Callable, Collection, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from shopnow import schemas
from shopnow.lake.lineage.lineage import OffsetRange

APPLICATION = "compute_kpis"
"""Id of the app transaction by which concurrent runs conflict."""

# With fewer records, compiling expressions takes more time than it saves.
CODEGEN_MIN_RECORDS = 30_000

Pruning = list | None
"""Conditions on partitions and statistics, as `DeltaTable.file_uris` accepts them; None for all files."""

Start = Callable[[], SparkSession]
"""Returns the Spark session; called only if there is work for it."""


class Backlog(Exception):
    """There are too many new records for Spark Connect: spark-submit has to process them."""


def commit_session(spark: SparkSession, metadata: str, version: int, records: int) -> SparkSession:
    """Create a session for one commit by Spark, which carries the metadata even if it adds no row.

    Spark skips the commit if one with the same or a later `version` has been made.
    """
    session = session_for(spark, records)
    session.conf.set("spark.databricks.delta.commitInfo.userMetadata", metadata)
    session.conf.set("spark.databricks.delta.skipRecordingEmptyCommits", "false")
    session.conf.set("spark.databricks.delta.write.txnAppId", APPLICATION)
    session.conf.set("spark.databricks.delta.write.txnVersion", str(version))
    # Spark's default INT96 is read as nanoseconds elsewhere, which overflow before 1678 and after 2262.
    session.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    return session


def session_for(spark: SparkSession, records: int) -> SparkSession:
    """Return a session for this number of records; a session of Spark Connect serves any number."""
    if is_remote_session(spark):
        return spark
    session = spark.newSession()
    enable_codegen_if_worth(session, records)
    return session


def is_remote_session(spark: SparkSession) -> bool:
    """Return whether a session is one of Spark Connect, with its engine in another process."""
    return not hasattr(spark, "_jvm")


def for_bulk(spark: SparkSession) -> SparkSession:
    """Return the session if it is for any number of records.

    Raises:
        Backlog: it is one of Spark Connect, which is for small changes.
    """
    if is_remote_session(spark):
        raise Backlog
    return spark


def enable_codegen_if_worth(spark: SparkSession, records: int) -> None:
    """Make the session compile its expressions if it processes many records."""
    if records >= CODEGEN_MIN_RECORDS:
        spark.conf.set("spark.sql.codegen.wholeStage", "true")
        spark.conf.set("spark.sql.codegen.factoryMode", "FALLBACK")


def count_records(table: DeltaTable, pruning: Pruning = None) -> int:
    """Count the records of the files that `read` would read, by statistics and conditions on partitions."""
    actions = pa.table(table.get_add_actions(flatten=True))
    for column, _, values in pruning or ():
        partition = actions[f"partition.{column}"]
        actions = actions.filter(pc.is_in(partition.cast(pa.string()), pa.array(values, pa.string())))
    return pc.sum(actions["num_records"]).as_py() or 0


def read(
    spark: SparkSession, table: DeltaTable, pruning: Pruning = None, without: Collection[str] = ()
) -> DataFrame:
    """Read the rows of the table's files that match the pruning conditions, `without` these damaged files."""
    if is_remote_session(spark):
        return _read_version(spark, table, pruning)
    return _read_files(spark, table, pruning, without)


def _read_version(spark: SparkSession, table: DeltaTable, pruning: Pruning) -> DataFrame:
    """Read by the engine's own Delta reader, which finds the values of partition columns in the log."""
    schema = pa.schema(table.schema().to_arrow())
    rows = spark.read.format("delta").option("versionAsOf", table.version()).load(table.table_uri)
    # Only those on dates, which stand for rows; callers filter the rows of offset ranges.
    for column, _, values in (condition for condition in pruning or () if isinstance(condition, tuple)):
        rows = rows.where(F.col(column).isin([date.fromisoformat(value) for value in values]))
    return rows.select(schema.names)


def _read_files(
    spark: SparkSession, table: DeltaTable, pruning: Pruning, without: Collection[str]
) -> DataFrame:
    """Read the files of the open snapshot; Spark's Delta reader would run two jobs to list them.

    This is sound because all tables have plain features only, so a file's rows are exactly the table's rows.
    """
    schema = pa.schema(table.schema().to_arrow())
    files = [
        uri for uri in table.file_uris(file_pruning_predicate=pruning) if not uri.endswith(tuple(without))
    ]
    if not files:
        return spark.createDataFrame([], schemas.spark_ddl(schema))
    return spark.read.schema(schemas.spark_ddl(schema)).option("basePath", table.table_uri).parquet(*files)


def file_pruning(ranges: Sequence[OffsetRange] | None, prefix: str = "") -> Pruning:
    """Return the conditions on files that may hold records of these ranges.

    Args:
        prefix: prefix of the columns partition and offset.
    """
    if ranges is None:
        return None
    partition, offset = f"{prefix}partition", f"{prefix}offset"
    return [
        [(partition, "=", range_.partition), (offset, ">=", range_.start), (offset, "<", range_.end)]
        for range_ in ranges
    ]
