"""Measure the rate of landing from Kafka into a Delta table on HDFS, against bare consuming in the same run.

    python benchmarks/landing.py --events 2000000 --bootstrap-servers 127.0.0.1:9092 --lake hdfs://127.0.0.1:9820/benchmark

Fills a new topic with payments of about 300 bytes, consumes it once without touching the records, lands it
with one process, prints both rates and the peak memory, and removes the topic and the table. Exits 1 if
landing is below a third of the bare rate, or a record is missing.
"""

import argparse

import workbench
from confluent_kafka import Consumer, TopicPartition
from rich.console import Console
from rich.table import Table

from shopnow.broker import reader
from shopnow.lake.ingest.landing import LandingResult, land

MIN_SHARE = 1 / 3


def main() -> int:
    options = arguments()
    conf = {"bootstrap.servers": options.bootstrap_servers}
    console = Console(stderr=True)
    with workbench.topic_of_payments(options, conf, console) as (topic, lake, produced):
        with console.status("consuming them untouched"):
            consumed = workbench.in_process(consume, conf, topic, options.events)
        with console.status("landing them"):
            landing = workbench.in_process(land_payments, conf, topic, lake, options.queue_mib << 20)

    table = Table("step", "events/s", "seconds", "peak memory (MiB)")
    for step, run in (("produce", produced), ("bare consume", consumed), ("landing", landing)):
        rate = options.events / run.seconds
        table.add_row(step, f"{rate:,.0f}", f"{run.seconds:.1f}", f"{run.memory:,.0f}")
    workbench.show(table)
    landed, share = landing.result, consumed.seconds / landing.seconds
    print(
        f"{landed.rows:,} rows in {landed.commits} commits; landing reached {share:.2f} of the bare rate, "
        f"at least {MIN_SHARE:.2f} is required"
    )
    return 0 if share >= MIN_SHARE and landed.rows == options.events and landed.quarantined == 0 else 1


def arguments() -> argparse.Namespace:
    parser = workbench.storage_parser(__doc__, events=2_000_000)
    parser.add_argument(
        "--queue-mib",
        type=int,
        default=reader.QUEUE_BYTES >> 20,
        help="size of the prefetch queue of the landing consumer, in MiB",
    )
    return parser.parse_args()


def consume(conf: dict[str, str], topic: str, count: int) -> None:
    """Read `count` records of the topic and drop them."""
    consumer = Consumer(
        {
            **conf,
            "group.id": topic,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "queued.min.messages": 200_000,
            "queued.max.messages.kbytes": 128 << 10,
            "max.partition.fetch.bytes": 8 << 20,
            "fetch.wait.max.ms": 50,
        }
    )
    partitions = consumer.list_topics(topic).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    while count > 0:
        count -= len(consumer.consume(4000, timeout=1.0))
    consumer.close()


def land_payments(conf: dict[str, str], topic: str, lake: str, queue_bytes: int) -> LandingResult:
    return land(conf, lake, workbench.TOPIC, kafka_topic=topic, queue_bytes=queue_bytes)


if __name__ == "__main__":
    workbench.run(main)
