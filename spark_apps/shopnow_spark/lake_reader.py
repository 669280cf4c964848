"""Read lake tables as Spark frames: session settings and file pruning."""

from collections.abc import Callable, Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession

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


def commit_session(spark: SparkSession, metadata: str, version: int, records: int) -> SparkSession:
    """Create a session for one commit, which carries the metadata even if it adds no row.

    Spark skips the commit if one with the same or a later `version` has been made.
    """
    session = spark.newSession()
    session.conf.set("spark.databricks.delta.commitInfo.userMetadata", metadata)
    session.conf.set("spark.databricks.delta.skipRecordingEmptyCommits", "false")
    session.conf.set("spark.databricks.delta.write.txnAppId", APPLICATION)
    session.conf.set("spark.databricks.delta.write.txnVersion", str(version))
    # Spark's default INT96 is read as nanoseconds elsewhere, which overflow before 1678 and after 2262.
    session.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    enable_codegen_if_worth(session, records)
    return session


def enable_codegen_if_worth(spark: SparkSession, records: int) -> None:
    """Make the session compile its expressions if it processes many records."""
    if records >= CODEGEN_MIN_RECORDS:
        spark.conf.set("spark.sql.codegen.wholeStage", "true")
        spark.conf.set("spark.sql.codegen.factoryMode", "FALLBACK")


def session_for(spark: SparkSession, records: int) -> SparkSession:
    """Create a session for reading this number of records."""
    session = spark.newSession()
    enable_codegen_if_worth(session, records)
    return session


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
    """Read the rows of the table's files that match the pruning conditions, `without` these damaged files.

    The files are listed from the open snapshot; Spark's Delta reader would run two jobs for that. This is
    sound because all tables have plain features only, so a file's rows are exactly the table's rows.
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
