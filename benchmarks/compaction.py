"""Measure what compaction makes of a day of small landings: number of files, and time of a full scan.

    python benchmarks/compaction.py --events 100000 --bootstrap-servers 127.0.0.1:9092 --lake hdfs://127.0.0.1:9820/benchmark

Lands payments in batches of 200, one after the other, refreshes the events table now and then, scans both
tables over all columns, compacts them, and scans again; each scan opens the table in a new process. Exits 1
if a date has more than two files afterwards, if a scan of raw is not at least three times as fast, or if a
row is missing. Removes everything it created.
"""

import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

import workbench
from confluent_kafka import Producer
from rich.console import Console
from rich.table import Table

from shopnow import events
from shopnow.lake.delta import file_swap, tables
from shopnow.lake.delta.tables import Table as LakeTable
from shopnow.lake.ingest.landing import land
from shopnow_spark import compaction
from shopnow_spark.refresh_events import refresh_events

BATCH_EVENTS = 200
BATCHES_PER_REFRESH = 50
RAW, EVENTS = f"raw/{workbench.TOPIC.name}", f"events/{workbench.TOPIC.name}"
MAX_FILES = 2
MIN_SPEEDUP = 3.0
SCANS = 3


class TableState(NamedTuple):
    """A table's rows, the files of its date with the most files, and the median seconds of a full scan."""

    rows: int
    files: int
    scan_seconds: float


def main() -> int:
    options = workbench.storage_parser(__doc__, events=500 * BATCH_EVENTS).parse_args()
    conf = {"bootstrap.servers": options.bootstrap_servers}
    console = Console(stderr=True)
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)  # so that today counts as a closed date
    with (
        tempfile.TemporaryDirectory() as scratch,
        workbench.topic_and_lake(conf, options.lake, options.partitions) as (topic, lake),
    ):
        spark = workbench.spark_session("compaction", Path(scratch))
        payments = workbench.payments(options.events)
        with console.status("landing batches") as status:
            for number in range(1, options.events // BATCH_EVENTS + 1):
                land_batch(conf, lake, topic, list(islice(payments, BATCH_EVENTS)))
                status.update(f"landing batches: {number}")
                if number % BATCHES_PER_REFRESH == 0:
                    refresh_events(lake, workbench.TOPIC, lambda: spark)
        before = {name: measure_table(lake, name) for name in (RAW, EVENTS)}
        with console.status("compacting"):
            seconds = workbench.measure(compaction.compact, lake, tomorrow, lambda: spark).seconds
        after = {name: measure_table(lake, name) for name in (RAW, EVENTS)}

    table = Table("table", "rows", "files", "after", "scan (s)", "after", "gain")
    for name, state in before.items():
        table.add_row(
            name,
            f"{state.rows:,}",
            f"{state.files:,}",
            f"{after[name].files:,}",
            f"{state.scan_seconds:.2f}",
            f"{after[name].scan_seconds:.2f}",
            f"{state.scan_seconds / after[name].scan_seconds:.1f}",
        )
    workbench.show(table)
    speedup = before[RAW].scan_seconds / after[RAW].scan_seconds
    files = max(state.files for state in after.values())
    print(
        f"compacted in {seconds:.1f} s without the start of Spark; at most {files} files per date, "
        f"at most {MAX_FILES} required"
    )
    print(f"a scan of raw is {speedup:.1f} times as fast; at least {MIN_SPEEDUP:.0f} times is required")
    is_complete = all(state.rows == options.events for state in (*before.values(), *after.values()))
    return 0 if is_complete and files <= MAX_FILES and speedup >= MIN_SPEEDUP else 1


def land_batch(conf: dict[str, str], lake: str, topic: str, batch: list[events.PaymentSucceeded]) -> None:
    """Produce the events and land them in one run."""
    producer = Producer({**conf, "enable.idempotence": True})
    for event in batch:
        producer.produce(topic, events.encode(event), events.key(event))
    producer.flush()
    land(conf, lake, workbench.TOPIC, kafka_topic=topic)


def measure_table(lake: str, name: str) -> TableState:
    files = Counter(
        tuple(file.partition.items()) for file in file_swap.data_files(LakeTable(lake, name).open())
    )
    scans = [workbench.in_process(scan, lake, name) for _ in range(SCANS)]
    return TableState(scans[0].result, max(files.values()), median(scan.seconds for scan in scans))


def scan(lake: str, name: str) -> int:
    """Read all columns of a table; returns its number of rows."""
    return sum(batch.num_rows for batch in tables.batches(LakeTable(lake, name).open()))


if __name__ == "__main__":
    workbench.run(main)
