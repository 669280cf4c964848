"""Measure two concurrent landings of the same backlog against one alone: correctness, and the extra time.

    python benchmarks/two_landings.py --events 1000000 --bootstrap-servers 127.0.0.1:9092 --lake hdfs://127.0.0.1:9820/benchmark

Lands the same topic several times, each time into a new lake, alternately by one process and by two that
start together, and compares the medians of the time until the last one ends. Exits 1 if a pair takes more
than 1.3 × the time of one alone, or if an event is not in the lake exactly once.
"""

import statistics
import time

import workbench
from rich.console import Console
from rich.table import Table

from shopnow.audit import digests
from shopnow.broker import topic_state
from shopnow.errors import UserError
from shopnow.lake.delta.tables import Table as LakeTable
from shopnow.lake.ingest.landing import land

MAX_RATIO = 1.3


def main() -> int:
    parser = workbench.storage_parser(__doc__, events=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    conf = {"bootstrap.servers": options.bootstrap_servers}
    console = Console(stderr=True)
    seconds: dict[int, list[float]] = {1: [], 2: []}
    splits: list[str] = []
    with workbench.topic_of_payments(options, conf, console) as (topic, root, _):
        for number in range(options.rounds):
            for runs in (1, 2) if number % 2 else (2, 1):
                lake = f"{root}/{runs}-{number}"
                with console.status(f"round {number + 1} of {options.rounds}: {runs} at once"):
                    rows, duration = land_concurrently(runs, conf, topic, lake)
                check_exactly_once(conf, topic, lake, options.events)
                seconds[runs].append(duration)
                if runs == 2:
                    splits.append("/".join(f"{count:,}" for count in rows))

    table = Table("landings", "seconds, median", "fastest", "slowest")
    for runs, times in seconds.items():
        summary = (statistics.median(times), min(times), max(times))
        table.add_row(str(runs), *(f"{duration:.1f}" for duration in summary))
    workbench.show(table)
    ratio = statistics.median(seconds[2]) / statistics.median(seconds[1])
    print(f"rows landed by the two of a pair: {', '.join(splits)}; each event exactly once in every round")
    print(f"two at once take {ratio:.2f} × the time of one; at most {MAX_RATIO} is required")
    return 0 if ratio <= MAX_RATIO else 1


def land_concurrently(runs: int, conf: dict[str, str], topic: str, lake: str) -> tuple[list[int], float]:
    """Land the topic in several processes at once.

    Returns:
        The rows that each process landed, and the seconds until the last one ended.
    """
    with workbench.warm_pool(runs) as pool:
        start = time.perf_counter()
        landings = [pool.submit(land_payments, conf, topic, lake) for _ in range(runs)]
        return [landing.result() for landing in landings], time.perf_counter() - start


def land_payments(conf: dict[str, str], topic: str, lake: str) -> int:
    """Land the topic; returns the number of rows."""
    return land(conf, lake, workbench.TOPIC, kafka_topic=topic).rows


def check_exactly_once(conf: dict[str, str], topic: str, lake: str, events: int) -> None:
    """Compare the raw table with the topic.

    Raises:
        UserError: a record is missing, repeated or different.
    """
    state = topic_state.describe(conf, [topic])[topic]
    table = LakeTable(lake, f"raw/{workbench.TOPIC.name}").open()
    if table.count() != events:
        raise UserError(f"{table.count():,} rows in the lake of {events:,} events")
    landed = digests.raw_digests(table, state.topic_id, state.partitions)
    if landed != digests.kafka_digests(conf, topic, state.partitions):
        raise UserError("the digest of the rows in the lake is not that of the records in Kafka")


if __name__ == "__main__":
    workbench.run(main)
