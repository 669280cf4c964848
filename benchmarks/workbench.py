"""Shared set-up of the benchmarks: services, a topic and a lake of their own, payments, measured processes.

A benchmark imports this module before the project's packages, because it puts their folders on `sys.path`.
"""

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn
from urllib.parse import urlsplit

sys.path.extend(
    str(Path(__file__).resolve().parents[1] / folder)
    for folder in ("include", "plugins", "spark_apps", "tests")
)

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import NewTopic
from hdfs_native import Client
from rich.console import Console
from rich.table import Table

from shopnow import events
from shopnow.broker import client, topics
from shopnow.cli import output
from shopnow.errors import UserError
from shopnow.ids import uuid7
from shopnow.local_stack import jvm, stack
from shopnow.local_stack import spark as local_spark
from shopnow.settings import ROOT, Settings
from support.free_ports import settings_on_free_ports

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TOPIC = events.TOPICS["payments"]
LAKE = "hdfs://127.0.0.1:9820/benchmark"


class Measurement(NamedTuple):
    """The result of a step, its wall-clock and CPU seconds, and the peak memory of its process in MiB."""

    result: Any
    seconds: float
    cpu_seconds: float
    memory: float


def show(table: Table) -> None:
    """Print a table; in a file or a pipe with whole figures, where rich would cut it to 80 columns."""
    output.show(table)


def run(main: Callable[[], int]) -> NoReturn:
    """Exit with the status that `main` returns; an expected error becomes one line on stderr and status 1.

    A benchmark that is interrupted or terminated stops the services that it started.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        status = main()
    except (UserError, KafkaException) as error:
        print(f"error: {error}", file=sys.stderr)
        status = 1
    sys.exit(status)


def parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser that shows a benchmark's docstring as it is written."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def storage_parser(doc: str | None, events: int) -> argparse.ArgumentParser:
    """A parser with the options of a benchmark that uses a running Kafka and HDFS; `events` is a default."""
    options = parser(doc)
    options.add_argument("--events", type=int, default=events)
    options.add_argument("--partitions", type=int, default=4)
    options.add_argument("--bootstrap-servers", default="127.0.0.1:9092")
    add_lake(options)
    return options


def add_lake(options: argparse.ArgumentParser) -> None:
    options.add_argument("--lake", default=LAKE, help="tables are created and removed below this URI")


@contextmanager
def services(names: Collection[str], **changes: Any) -> Iterator[Settings]:
    """Start these services for the benchmark alone, on free ports, and stop and delete them afterwards.

    Args:
        changes: settings other than the defaults.
    """
    os.environ["PYTHONPATH"] = str(ROOT / "include")
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_on_free_ports(Path(folder)).model_copy(update=changes)
        try:
            stack.up(settings, lambda subject, what: None, names)
            yield settings
        finally:
            stack.down(settings)


@contextmanager
def topic_and_lake(conf: dict[str, str], lake: str, partitions: int) -> Iterator[tuple[str, str]]:
    """Create an empty topic; yield its name and the URI of an empty lake, and delete both afterwards."""
    name = f"benchmark-{uuid.uuid4().hex[:8]}"
    lake = f"{lake.rstrip('/')}/{name}"
    topics.create(conf, [NewTopic(name, partitions, config=topics.event_config())])
    try:
        yield name, lake
    finally:
        admin = client.admin_client(conf)
        admin.delete_topics([name])[name].result()
        delete_lake(lake)


@contextmanager
def topic_of_payments(
    options: argparse.Namespace, conf: dict[str, str], console: Console
) -> Iterator[tuple[str, str, Measurement]]:
    """Fill a new topic with `--events` payments; yield its name, an empty lake, and what producing took."""
    with topic_and_lake(conf, options.lake, options.partitions) as (name, lake):
        with console.status(f"producing {options.events:,} events"):
            produced = in_process(produce_payments, conf, name, options.events)
        yield name, lake, produced


def delete_lake(lake: str) -> None:
    address = urlsplit(lake)
    Client(f"hdfs://{address.netloc}").delete(address.path, recursive=True)


def spark_session(application: str, data_dir: Path) -> "SparkSession":
    """Start Spark with the settings of the local stack and its scratch files below `data_dir`."""
    # Imported here: the measured processes import this module, and pyspark would add to their memory.
    from pyspark.sql import SparkSession

    settings = Settings(data_dir=data_dir)
    os.environ |= local_spark.environment(settings, jvm.java_home(settings.data_dir))
    builder = SparkSession.builder.master(local_spark.MASTER).appName(application)
    return builder.config(map=local_spark.local_conf(settings)).getOrCreate()


@contextmanager
def warm_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool whose processes have all started, so that starting Python is not measured."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        # Each task keeps its process busy, so that the pool starts another process for the next task.
        for task in [pool.submit(time.sleep, 1) for _ in range(workers)]:
            task.result()
        yield pool


def in_process(step: Callable[..., Any], *args: Any) -> Measurement:
    """Run a step in a new process and measure it there."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(measure, step, *args).result()


def measure(step: Callable[..., Any], *args: Any) -> Measurement:
    """Run a step in this process and measure it; the peak memory is that of the process so far."""
    start, cpu = time.perf_counter(), time.process_time()
    result = step(*args)
    return Measurement(
        result,
        time.perf_counter() - start,
        time.process_time() - cpu,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def percentile(values: Sequence[float], percent: int) -> float:
    """The percentile of at least one value; values between two measured ones are interpolated."""
    if len(values) == 1:
        return values[0]
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def payments(count: int) -> Iterator[events.PaymentSucceeded]:
    """Valid events of about 300 bytes, the same ones on every call."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(count):
        yield events.PaymentSucceeded(
            event_id=uuid7(number, f"{number:019x}"),
            event_time=start + timedelta(milliseconds=number),
            schema_version=events.SCHEMA_VERSION,
            payment_id=f"payment-{uuid.UUID(int=number)}",
            order_id=str(uuid.UUID(int=number * 7919 % count)),
            method=("card", "debit", "paypal", "transfer")[number % 4],
            amount_cents=100 + number % 50_000,
            currency="EUR",
            attempt=1,
        )


def produce_payments(conf: dict[str, str], topic: str, count: int) -> None:
    """Produce `count` payments to the topic and wait until all are acknowledged."""
    produce(conf, topic, ((events.encode(event), events.key(event)) for event in payments(count)))


def produce(conf: dict[str, str], topic: str, records: Iterable[tuple[bytes, bytes]]) -> None:
    """Produce records, given as value and key, to the topic and wait until all are acknowledged."""
    producer = Producer(
        {**conf, "enable.idempotence": True, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000}
    )
    for number, (value, key) in enumerate(records):
        while True:
            try:
                producer.produce(topic, value, key)
                break
            except BufferError:
                producer.poll(0.1)
        if number % 1000 == 0:
            producer.poll(0)
    producer.flush()
