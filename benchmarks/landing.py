"""How fast events get from Kafka into a committed Delta table on HDFS, beside the bare consume rate of the same run.

    python benchmarks/landing.py --events 2000000 --bootstrap-servers 127.0.0.1:9092 --lake hdfs://127.0.0.1:9820/benchmark

Fills a topic of its own with payments of about 300 bytes, reads it once without touching the records, lands it with one process,
prints both rates and the memory it took, and removes the topic and the table. Exits 1 if landing is below a third of the
bare rate, or a record is missing.
"""

import argparse
import resource
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import NewTopic
from hdfs_native import Client
from rich.console import Console
from rich.table import Table

from shopnow import events
from shopnow.broker import client, reader, topics
from shopnow.errors import UserError
from shopnow.lake.landing import Landed, land

TOPIC = events.TOPICS["payments"]
LEAST_SHARE = 1 / 3


def main() -> int:
    options = arguments()
    conf = {"bootstrap.servers": options.bootstrap_servers}
    name = f"benchmark-{uuid.uuid4().hex[:8]}"
    lake = f"{options.lake.rstrip('/')}/{name}"
    console = Console(stderr=True)
    try:
        topics.create(conf, [NewTopic(name, options.partitions, config=topics.event_config())])
        try:
            with console.status(f"producing {options.events:,} events"):
                _, produced, _ = in_process(produce, conf, name, options.events)
            with console.status("consuming them untouched"):
                _, consumed, consume_memory = in_process(consume, conf, name, options.events)
            with console.status("landing them"):
                landed, landing, landing_memory = in_process(land_all, conf, name, lake, options.queue_mib << 20)
        finally:
            admin = client.admin(conf)
            admin.delete_topics([name])[name].result()
            address = urlsplit(lake)
            Client(f"hdfs://{address.netloc}").delete(address.path, recursive=True)
    except (UserError, KafkaException) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1

    rates = {"produce": options.events / produced, "bare consume": options.events / consumed, "landing": options.events / landing}
    memory = {"bare consume": consume_memory, "landing": landing_memory}
    table = Table("step", "events/s", "seconds", "peak memory (MiB)")
    for step, rate in rates.items():
        table.add_row(step, f"{rate:,.0f}", f"{options.events / rate:.1f}", f"{memory[step]:,.0f}" if step in memory else "")
    Console().print(table)
    share = rates["landing"] / rates["bare consume"]
    print(f"{landed.rows:,} rows in {landed.commits} commits; landing reached {share:.2f} of the bare rate, {LEAST_SHARE:.2f} is asked")
    return 0 if share >= LEAST_SHARE and landed.rows == options.events and landed.quarantined == 0 else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--queue-mib", type=int, default=reader.QUEUE_BYTES >> 20, help="how much is fetched ahead")
    parser.add_argument("--bootstrap-servers", default="127.0.0.1:9092")
    parser.add_argument("--lake", default="hdfs://127.0.0.1:9820/benchmark", help="a table is made and removed below it")
    return parser.parse_args()


def in_process(step: Callable[..., Any], *args: Any) -> tuple[Any, float, float]:
    """What a step returns, its seconds, and the peak memory, in MiB, of the process of its own it ran in."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(measured, step, *args).result()


def measured(step: Callable[..., Any], *args: Any) -> tuple[Any, float, float]:
    start = time.perf_counter()
    result = step(*args)
    return result, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def payments(count: int) -> Iterator[events.PaymentSucceeded]:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(count):
        yield events.PaymentSucceeded(
            event_id=str(uuid.UUID(int=number)),
            event_time=began + timedelta(milliseconds=number),
            schema_version=events.SCHEMA_VERSION,
            payment_id=f"payment-{uuid.UUID(int=number)}",
            order_id=str(uuid.UUID(int=number * 7919 % count)),
            method=("card", "debit", "paypal", "transfer")[number % 4],
            amount_cents=100 + number % 50_000,
            currency="EUR",
            attempt=1,
        )


def produce(conf: dict[str, str], name: str, count: int) -> None:
    producer = Producer({**conf, "enable.idempotence": True, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000})
    for number, event in enumerate(payments(count)):
        while True:
            try:
                producer.produce(name, events.encode(event), events.key(event))
                break
            except BufferError:
                producer.poll(0.1)
        if number % 1000 == 0:
            producer.poll(0)
    producer.flush()


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
    return land(conf, lake, TOPIC, kafka_topic=name, queue_bytes=queue_bytes)


if __name__ == "__main__":
    sys.exit(main())
