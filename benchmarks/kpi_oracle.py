"""Whether every KPI agrees with the oracle, to the cent, however the events came.

    python benchmarks/kpi_oracle.py --seeds 1 2 3 --lake hdfs://127.0.0.1:9820/benchmark

For each seed, what a shop sends in a month, some of it late, twice, out of order or refunded, is landed and computed three times, each
time in a lake of its own: in parts cut at random, each computed before the next comes; in one go; and in one go, shuffled. Each is
compared with the oracle on the events as they were made, table by table. Exits 1 if any row differs.
"""

import argparse
import os
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

sys.path.extend(
    str(Path(__file__).resolve().parents[1] / folder) for folder in ("include", "spark_apps", "tests")
)

from hdfs_native import Client
from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table

from factories import raw_tables, shop_events
from shopnow.events import Event
from shopnow.local_stack import java, spark
from shopnow.settings import Settings
from shopnow.traffic.run_config import Faults
from shopnow_spark import jobs
from support.lake_oracle import compare

TROUBLE = Faults(late=0.1, duplicate=0.05, out_of_order=0.1, schema_v1=0.3, clock_skew_seconds=60)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--sessions", type=int, default=3000)
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--parts", type=int, default=6)
    parser.add_argument(
        "--lake", default="hdfs://127.0.0.1:9820/benchmark", help="tables are made and removed below it"
    )
    options = parser.parse_args()
    console, rows, different = Console(stderr=True), Counter[str](), Counter[str]()
    lake = f"{options.lake.rstrip('/')}/oracle-{uuid.uuid4().hex[:8]}"
    with ExitStack() as stack:
        session = start(Settings(data_dir=Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        stack.callback(session.stop)
        stack.callback(remove, lake)
        for seed in options.seeds:
            sent = shop_events.events(
                shop_events.a_run(sessions=options.sessions, seed=seed, days=options.days, faults=TROUBLE)
            )
            ways: dict[str, list[Sequence[Event]]] = {
                "parts": shop_events.in_parts(sent, options.parts, Random(seed)),
                "one go": [sent],
                "shuffled": [shop_events.shuffled(sent, Random(seed))],
            }
            for way, parts in ways.items():
                here = f"{lake}/{seed}-{way.replace(' ', '-')}"
                for number, part in enumerate(parts):
                    with console.status(
                        f"seed {seed}, {way}: {number + 1} of {len(parts)}, {len(part):,} events"
                    ):
                        raw_tables.land(here, part)
                        jobs.refresh(here, lambda: session)
                for name, found in compare(here, {event.event_id: event for event in sent}.values()).items():
                    rows[name] += found.rows
                    different[name] += found.different
                    if found.first:
                        print(f"seed {seed}, {way}: {found.first}", file=sys.stderr)
    table = Table("table", "rows compared", "different")
    for name, count in rows.items():
        table.add_row(name, f"{count:,}", f"{different[name]:,}")
    Console().print(table)
    return 1 if different.total() else 0


def start(settings: Settings) -> SparkSession:
    """A session with the settings of the stack."""
    os.environ |= spark.environment(settings, java.java_home(settings.data_dir))
    return (
        SparkSession.builder.master(spark.MASTER)
        .appName("benchmark")
        .config(map=spark.conf(settings))
        .getOrCreate()
    )


def remove(lake: str) -> None:
    address = urlsplit(lake)
    Client(f"hdfs://{address.netloc}").delete(address.path, recursive=True)


if __name__ == "__main__":
    sys.exit(main())
