"""What the benchmarks share: services or a topic and a lake that are gone afterwards, payments, steps in processes of their own."""

import argparse
import os
import resource
import socket
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic
from hdfs_native import Client

from shopnow import events
from shopnow.broker import client, topics
from shopnow.local_stack import stack
from shopnow.settings import ROOT, Settings

TOPIC = events.TOPICS["payments"]


class Measured(NamedTuple):
    """What a step returned, its seconds, those of CPU time, and the peak memory, in MiB, of the process of its own it ran in."""

    result: Any
    seconds: float
    cpu_seconds: float
    memory: float


def arguments(doc: str | None, events: int) -> argparse.ArgumentParser:
    """The options every one of them has."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=events)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--bootstrap-servers", default="127.0.0.1:9092")
    parser.add_argument(
        "--lake", default="hdfs://127.0.0.1:9820/benchmark", help="tables are made and removed below it"
    )
    return parser


@contextmanager
def services(names: Collection[str]) -> Iterator[Settings]:
    """These services, this benchmark's own, on free ports."""
    os.environ["PYTHONPATH"] = str(ROOT / "include")
    with tempfile.TemporaryDirectory() as folder:
        settings = on_free_ports(Path(folder))
        try:
            stack.up(settings, lambda subject, what: None, names)
            yield settings
        finally:
            stack.down(settings)


def on_free_ports(data_dir: Path) -> Settings:
    names = [name for name in Settings.model_fields if name.endswith("_port")]
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in names]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return Settings(
            data_dir=data_dir, **dict(zip(names, (each.getsockname()[1] for each in sockets), strict=True))
        )


@contextmanager
def bench(conf: dict[str, str], lake: str, partitions: int) -> Iterator[tuple[str, str]]:
    """A topic, empty, and the address of a lake, both of this benchmark's own."""
    name = f"benchmark-{uuid.uuid4().hex[:8]}"
    lake = f"{lake.rstrip('/')}/{name}"
    topics.create(conf, [NewTopic(name, partitions, config=topics.event_config())])
    try:
        yield name, lake
    finally:
        admin = client.admin(conf)
        admin.delete_topics([name])[name].result()
        address = urlsplit(lake)
        Client(f"hdfs://{address.netloc}").delete(address.path, recursive=True)


def in_process(step: Callable[..., Any], *args: Any) -> Measured:
    """Runs a step in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(measured, step, *args).result()


def measured(step: Callable[..., Any], *args: Any) -> Measured:
    start, cpu = time.perf_counter(), time.process_time()
    result = step(*args)
    return Measured(
        result,
        time.perf_counter() - start,
        time.process_time() - cpu,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def payments(count: int) -> Iterator[events.PaymentSucceeded]:
    """Valid events of about 300 bytes."""
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
    """Puts that many payments into the topic."""
    producer = Producer(
        {**conf, "enable.idempotence": True, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000}
    )
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
