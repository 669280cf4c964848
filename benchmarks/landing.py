"""How fast events get from Kafka into a committed Delta table on HDFS, beside the bare consume rate of the same run.

    python benchmarks/landing.py --events 2000000 --bootstrap-servers 127.0.0.1:9092 --lake hdfs://127.0.0.1:9820/benchmark

Fills a topic of its own with payments of about 300 bytes, reads it once without touching the records, lands it with one process,
prints both rates and the memory it took, and removes the topic and the table. Exits 1 if landing is below a third of the
bare rate, or a record is missing.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))

import workbench
from confluent_kafka import Consumer, KafkaException, TopicPartition
from rich.console import Console
from rich.table import Table

from shopnow.broker import reader
from shopnow.errors import UserError
from shopnow.lake.ingest.landing import Landed, land

LEAST_SHARE = 1 / 3


def main() -> int:
    options = arguments()
    conf = {"bootstrap.servers": options.bootstrap_servers}
    console = Console(stderr=True)
    try:
        with workbench.bench(conf, options.lake, options.partitions) as (name, lake):
            with console.status(f"producing {options.events:,} events"):
                produced = workbench.in_process(workbench.produce, conf, name, options.events)
            with console.status("consuming them untouched"):
                consumed = workbench.in_process(consume, conf, name, options.events)
            with console.status("landing them"):
                landing = workbench.in_process(land_all, conf, name, lake, options.queue_mib << 20)
    except (UserError, KafkaException) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1

    table = Table("step", "events/s", "seconds", "peak memory (MiB)")
    for step, run in (("produce", produced), ("bare consume", consumed), ("landing", landing)):
        table.add_row(
            step, f"{options.events / run.seconds:,.0f}", f"{run.seconds:.1f}", f"{run.memory:,.0f}"
        )
    Console().print(table)
    landed, share = landing.result, consumed.seconds / landing.seconds
    print(
        f"{landed.rows:,} rows in {landed.commits} commits; landing reached {share:.2f} of the bare rate, {LEAST_SHARE:.2f} is asked"
    )
    return 0 if share >= LEAST_SHARE and landed.rows == options.events and landed.quarantined == 0 else 1


def arguments() -> argparse.Namespace:
    parser = workbench.arguments(__doc__, events=2_000_000)
    parser.add_argument(
        "--queue-mib", type=int, default=reader.QUEUE_BYTES >> 20, help="how much is fetched ahead"
    )
    return parser.parse_args()


def consume(conf: dict[str, str], name: str, count: int) -> None:
    consumer = Consumer(
        {
            **conf,
            "group.id": name,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "queued.min.messages": 200_000,
            "queued.max.messages.kbytes": 128 << 10,
            "max.partition.fetch.bytes": 8 << 20,
            "fetch.wait.max.ms": 50,
        }
    )
    partitions = consumer.list_topics(name).topics[name].partitions
    consumer.assign([TopicPartition(name, partition, 0) for partition in partitions])
    while count > 0:
        count -= len(consumer.consume(4000, timeout=1.0))
    consumer.close()


def land_all(conf: dict[str, str], name: str, lake: str, queue_bytes: int) -> Landed:
    return land(conf, lake, workbench.TOPIC, kafka_topic=name, queue_bytes=queue_bytes)


if __name__ == "__main__":
    sys.exit(main())
