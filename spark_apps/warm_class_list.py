"""Spark application: run compute_kpis on a temporary lake, so that the JVM lists the classes it loads.

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
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import landing, raw_encoding
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
            # The second refresh compiles its expressions, as one of many records does.
            lake_reader.CODEGEN_MIN_RECORDS = 1
    # The driver needs this class for a lake on HDFS, but not for this local one.
    spark._jvm.java.lang.Class.forName("org.apache.hadoop.hdfs.DistributedFileSystem")
    classpath.write_text(spark._jvm.java.lang.System.getProperty("java.class.path"))
    return 0


def land(lake: str, topics: list[str], values: list[bytes], now: datetime) -> None:
    """Append the records to the raw tables of their topics."""
    for name, topic in TOPICS.items():
        of_topic: list[bytes | None] = [
            value for value_topic, value in zip(topics, values, strict=True) if value_topic == name
        ]
        table = Table(lake, f"raw/{name}").ensure(RAW, landing.PARTITION_BY)
        first, count = table.version() * len(values), len(of_topic)
        chunk = Chunk(
            0,
            list(range(first, first + count)),
            [int(now.timestamp() * 1000)] * count,
            [None] * count,
            of_topic,
            [None] * count,
        )
        rows, _ = raw_encoding.encode("learn", chunk, topic.decoder().decode)
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
