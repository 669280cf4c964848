"""Spark application: does what compute_kpis does, on a small lake of its own, so that the JVM can list the classes it takes.

    spark-submit warm_class_list.py FILE

Writes the JVM's classpath to the file. See `shopnow.local_stack.spark_cds_archive`.
"""

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from shopnow.broker.reader import Chunk
from shopnow.events import TOPICS
from shopnow.lake.delta import raw_encoding, tables
from shopnow.lake.ingest import landing
from shopnow.schemas import RAW
from shopnow.traffic.arrivals import DAY
from shopnow.traffic.run_config import RunConfig
from shopnow.traffic.simulation import simulate
from shopnow.traffic.state import Run, State
from shopnow_spark import jobs, lake_reader

SESSIONS = 50


def main(classpath: Path) -> int:
    spark = SparkSession.builder.appName("warm_class_list").getOrCreate()
    now = datetime.now(UTC)
    run = Run("learn", RunConfig(), SESSIONS, int(now.timestamp() * 1000) - DAY, int(now.timestamp() * 1000))
    with tempfile.TemporaryDirectory() as folder:
        for chunk in simulate(State(), run, SESSIONS // 2):
            land(f"file://{folder}", chunk.batch.topics, chunk.batch.values, now)
            jobs.refresh(f"file://{folder}", lambda: spark)
            # The second time as for many records.
            lake_reader.WORTH_COMPILING = 1
    # What the driver needs for a lake on HDFS, and not for this one.
    spark._jvm.java.lang.Class.forName("org.apache.hadoop.hdfs.DistributedFileSystem")
    classpath.write_text(spark._jvm.java.lang.System.getProperty("java.class.path"))
    return 0


def land(lake: str, topics: list[str], values: list[bytes], now: datetime) -> None:
    """Appends the records to the raw tables of their topics."""
    for name, topic in TOPICS.items():
        mine: list[bytes | None] = [value for of, value in zip(topics, values, strict=True) if of == name]
        table = tables.ensure(lake, f"raw/{name}", RAW, landing.PARTITION_BY)
        first, count = table.version() * len(values), len(mine)
        chunk = Chunk(
            0,
            list(range(first, first + count)),
            [int(now.timestamp() * 1000)] * count,
            [None] * count,
            mine,
            [None] * count,
        )
        rows, _ = raw_encoding.rows("learn", chunk, topic.decoder().decode)
        table_rows = pa.Table.from_batches([rows]).append_column("correction", pa.nulls(count, pa.binary()))
        write_deltalake(
            table,
            table_rows.append_column("ingest_date", pa.repeat(pa.scalar(now.date(), pa.date32()), count))
            .select(RAW.names)
            .cast(RAW),
            mode="append",
        )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
