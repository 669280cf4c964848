"""Two landings at once over the same backlog, beside one alone: each event once, and how much longer the pair takes.

    python benchmarks/two_landings.py --events 1000000 --bootstrap-servers 127.0.0.1:9092 --lake hdfs://127.0.0.1:9820/benchmark

Lands the same topic into lakes of their own, by one process and by two that start together, in turns, and compares the
medians of the time until the last is done. Exits 1 if a pair takes more than 1.3 × the time of one alone, or if any event
is not in the lake exactly once.
"""

import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))

import workbench
from confluent_kafka import KafkaException
from rich.console import Console
from rich.table import Table

from shopnow.audit import digests
from shopnow.broker import topics
from shopnow.errors import UserError
from shopnow.lake.delta.tables import Table as LakeTable
from shopnow.lake.ingest.landing import land

MOST = 1.3


def main() -> int:
    parser = workbench.arguments(__doc__, events=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    conf = {"bootstrap.servers": options.bootstrap_servers}
    console = Console(stderr=True)
    seconds: dict[int, list[float]] = {1: [], 2: []}
    shares: list[str] = []
    try:
        with workbench.bench(conf, options.lake, options.partitions) as (name, lake):
            with console.status(f"producing {options.events:,} events"):
                workbench.in_process(workbench.produce, conf, name, options.events)
            for number in range(options.rounds):
                for runs in (1, 2) if number % 2 else (2, 1):
                    with console.status(f"round {number + 1} of {options.rounds}: {runs} at once"):
                        rows, taken = land_at_once(runs, conf, name, f"{lake}/{runs}-{number}")
                    if problem := found_wrong(conf, name, f"{lake}/{runs}-{number}", options.events):
                        print(f"error: {problem}", file=sys.stderr)
                        return 1
                    seconds[runs].append(taken)
                    if runs == 2:
                        shares.append("/".join(f"{each:,}" for each in rows))
    except (UserError, KafkaException) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1

    table = Table("landings", "seconds, median", "fastest", "slowest")
    for runs, times in seconds.items():
        table.add_row(
            str(runs), *(f"{each:.1f}" for each in (statistics.median(times), min(times), max(times)))
        )
    Console().print(table)
    ratio = statistics.median(seconds[2]) / statistics.median(seconds[1])
    print(f"rows landed by the two of a pair: {', '.join(shares)}; every event once, each time")
    print(f"two at once take {ratio:.2f} × the time of one, at most {MOST} is asked")
    return 0 if ratio <= MOST else 1


def land_at_once(runs: int, conf: dict[str, str], name: str, lake: str) -> tuple[list[int], float]:
    """The rows that each landed, and the seconds until the last was done; starting Python is not counted."""
    with ProcessPoolExecutor(runs, mp_context=get_context("spawn")) as pool:
        context = [pool.submit(time.sleep, 1) for _ in range(runs)]
        for each in context:
            each.result()
        start = time.perf_counter()
        landings = [pool.submit(land_all, conf, name, lake) for _ in range(runs)]
        return [each.result() for each in landings], time.perf_counter() - start


def land_all(conf: dict[str, str], name: str, lake: str) -> int:
    return land(conf, lake, workbench.TOPIC, kafka_topic=name).rows


def found_wrong(conf: dict[str, str], name: str, lake: str, events: int) -> str | None:
    """What is not in the lake exactly as it is in Kafka, in words."""
    state = topics.describe(conf, [name])[name]
    table = LakeTable(lake, f"raw/{workbench.TOPIC.name}").open()
    if table.count() != events:
        return f"{table.count():,} rows of {events:,} events"
    if digests.raw_digests(table, state.topic_id, state.partitions) != digests.kafka_digests(
        conf, name, state.partitions
    ):
        return "the rows are not the events"
    return None


if __name__ == "__main__":
    sys.exit(main())
