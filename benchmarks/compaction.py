"""What compaction makes of a day of small landings: files, and the time of a full scan, before and after.

    python benchmarks/compaction.py --events 100000 --bootstrap-servers 127.0.0.1:9092 --lake hdfs://127.0.0.1:9820/benchmark

Lands so many payments in batches of 200, one by one, makes events of them now and then, scans both tables over all columns,
compacts them, and scans again; each scan opens the table in a process of its own. Exits 1 if a date has more than two files
afterwards, a scan of raw is not three times as fast, or a row is missing. Everything is removed in the end.
"""

import os
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "spark_apps"))

import workbench
from confluent_kafka import KafkaException, Producer
from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table

from shopnow import events
from shopnow.errors import UserError
from shopnow.lake.delta import file_swap, tables
from shopnow.lake.delta.tables import Table as LakeTable
from shopnow.lake.ingest.landing import land
from shopnow.local_stack import java
from shopnow.local_stack import spark as local
from shopnow.settings import Settings
from shopnow_spark import compaction
from shopnow_spark.refresh_events import refresh_events

BATCH_EVENTS = 200
BATCHES_TO_EVENTS = 50
NAMES = [f"raw/{workbench.TOPIC.name}", f"events/{workbench.TOPIC.name}"]
MOST_FILES = 2
LEAST_GAIN = 3.0
SCANS = 3


def main() -> int:
    parser = workbench.arguments(__doc__, events=500 * BATCH_EVENTS)
    options = parser.parse_args()
    conf = {"bootstrap.servers": options.bootstrap_servers}
    console = Console(stderr=True)
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)  # so that today is a closed date
    try:
        with (
            tempfile.TemporaryDirectory() as scratch,
            workbench.bench(conf, options.lake, options.partitions) as (name, lake),
        ):
            spark = spark_in(scratch)
            payments = workbench.payments(options.events)
            with console.status("landing batches") as status:
                for number in range(1, options.events // BATCH_EVENTS + 1):
                    land_batch(conf, lake, name, list(islice(payments, BATCH_EVENTS)))
                    status.update(f"landing batches: {number}")
                    if number % BATCHES_TO_EVENTS == 0:
                        refresh_events(lake, workbench.TOPIC, lambda: spark)
            before = {table: measure(lake, table) for table in NAMES}
            with console.status("compacting"):
                seconds = workbench.measured(compaction.compact, lake, tomorrow, lambda: spark).seconds
            after = {table: measure(lake, table) for table in NAMES}
    except (UserError, KafkaException) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1

    table = Table("table", "rows", "files", "after", "scan (s)", "after", "gain")
    for each in NAMES:
        (rows, files, scan), (_, files_after, scan_after) = before[each], after[each]
        table.add_row(
            each,
            f"{rows:,}",
            f"{files:,}",
            f"{files_after:,}",
            f"{scan:.2f}",
            f"{scan_after:.2f}",
            f"{scan / scan_after:.1f}",
        )
    Console().print(table)
    gain = before[NAMES[0]][2] / after[NAMES[0]][2]
    most = max(files for _, files, _ in after.values())
    print(
        f"compacted in {seconds:.1f} s, Spark's start left out; at most {most} files a date, {MOST_FILES} are asked"
    )
    print(f"a scan of raw is {gain:.1f} times as fast, {LEAST_GAIN:.0f} is asked")
    whole = all(rows == options.events for rows, _, _ in (*before.values(), *after.values()))
    return 0 if whole and most <= MOST_FILES and gain >= LEAST_GAIN else 1


def land_batch(conf: dict[str, str], lake: str, name: str, batch: list[events.PaymentSucceeded]) -> None:
    producer = Producer({**conf, "enable.idempotence": True})
    for event in batch:
        producer.produce(name, events.encode(event), events.key(event))
    producer.flush()
    land(conf, lake, workbench.TOPIC, kafka_topic=name)


def measure(lake: str, name: str) -> tuple[int, int, float]:
    """Rows, the most files of a date, and the seconds of a scan, the median of some."""
    files = Counter(
        tuple(file.partition.items()) for file in file_swap.data_files(LakeTable(lake, name).open())
    )
    scans = [workbench.in_process(scan, lake, name) for _ in range(SCANS)]
    return scans[0].result, max(files.values()), median(each.seconds for each in scans)


def scan(lake: str, name: str) -> int:
    return sum(batch.num_rows for batch in tables.batches(LakeTable(lake, name).open()))


def spark_in(folder: str) -> SparkSession:
    """Starts Spark as the stack does, with its scratch in that folder."""
    settings = Settings(data_dir=Path(folder))
    os.environ.update(local.environment(settings, java.java_home(settings.data_dir)))
    return SparkSession.builder.master(local.MASTER).getOrCreate()


if __name__ == "__main__":
    sys.exit(main())
