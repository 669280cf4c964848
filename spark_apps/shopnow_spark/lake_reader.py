"""Lake tables as Spark frames: sessions, and which files are read."""

from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from pyspark.sql import DataFrame, SparkSession

from shopnow import schemas
from shopnow.lake.delta import tables
from shopnow.lake.lineage.lineage import OffsetRange

APPLICATION = "compute_kpis"
"""The application whose transactions make two runs at once conflict."""

# Records from which compiling expressions takes less time than it saves.
WORTH_COMPILING = 30_000

Pruning = list | None
"""Which files of a table to read: conditions on partition columns and statistics as `DeltaTable.file_uris` takes them, or all files."""

Start = Callable[[], SparkSession]
"""Gives the Spark session; called only when there is work for it."""


def session(spark: SparkSession, metadata: str, version: int, records: int) -> SparkSession:
    """A session for one commit: it carries the metadata, even if it adds no row, and is left out if a later version's came first."""
    own = spark.newSession()
    own.conf.set("spark.databricks.delta.commitInfo.userMetadata", metadata)
    own.conf.set("spark.databricks.delta.skipRecordingEmptyCommits", "false")
    own.conf.set("spark.databricks.delta.write.txnAppId", APPLICATION)
    own.conf.set("spark.databricks.delta.write.txnVersion", str(version))
    # By default Spark writes INT96, which others read as nanoseconds: dates before 1678 and after 2262 would come out as other ones.
    own.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    compile_if_worth(own, records)
    return own


def compile_if_worth(spark: SparkSession, records: int) -> None:
    """Have the session compile its expressions if it works on many records."""
    if records >= WORTH_COMPILING:
        spark.conf.set("spark.sql.codegen.wholeStage", "true")
        spark.conf.set("spark.sql.codegen.factoryMode", "FALLBACK")


def for_records(spark: SparkSession, records: int) -> SparkSession:
    """A session that reads so many records."""
    own = spark.newSession()
    compile_if_worth(own, records)
    return own


def records(table: DeltaTable, chosen: Pruning = None) -> int:
    """How many records are in the files that `read` reads, by their statistics; of the conditions, those on the partition count."""
    actions = pa.table(table.get_add_actions(flatten=True))
    for column, _, values in chosen or ():
        partition = actions[f"partition.{column}"]
        actions = actions.filter(pc.is_in(partition.cast(pa.string()), pa.array(values, pa.string())))
    return pc.sum(actions["num_records"]).as_py() or 0


def open_or_none(lake: str, name: str) -> DeltaTable | None:
    """The table as it stands now; None if there is none."""
    try:
        return tables.open_table(lake, name)
    except TableNotFoundError:
        return None


def read(spark: SparkSession, table: DeltaTable, chosen: Pruning = None) -> DataFrame:
    """The rows of those of the table's files that may hold what is looked for.

    The files are looked up here, where the table is open; Spark's Delta reader would run two jobs to find them. As all tables
    have plain features only, files are all there is to know.
    """
    schema = pa.schema(table.schema().to_arrow())
    files = table.file_uris(file_pruning_predicate=chosen)
    if not files:
        return spark.createDataFrame([], schemas.spark_ddl(schema))
    return spark.read.schema(schemas.spark_ddl(schema)).option("basePath", table.table_uri).parquet(*files)


def pruning(ranges: Sequence[OffsetRange] | None, prefix: str = "") -> Pruning:
    """Finds the files that may hold records of these ranges; `prefix` stands before the columns partition and offset."""
    if ranges is None:
        return None
    partition, offset = f"{prefix}partition", f"{prefix}offset"
    return [
        [(partition, "=", each.partition), (offset, ">=", each.start), (offset, "<", each.end)]
        for each in ranges
    ]
