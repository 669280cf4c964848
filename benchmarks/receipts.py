"""Measure what receipts and digests cost: the rate of landing with and without them, side by side in one run.

    python benchmarks/receipts.py --events 1000000 --bootstrap-servers 127.0.0.1:9092 --lake hdfs://127.0.0.1:9820/benchmark

Lands the same topic several times, each time into a new lake, alternately with and without receipts, and
compares the medians. Exits 1 if landing with receipts reaches less than 0.85 of the rate without.
"""

import statistics
from collections.abc import Sequence
from unittest import mock

import workbench
from rich.console import Console
from rich.table import Table

from shopnow.errors import UserError
from shopnow.lake.delta.checksum import Bytes, Digest
from shopnow.lake.ingest.landing import land

MIN_SHARE = 0.85


def main() -> int:
    parser = workbench.storage_parser(__doc__, events=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    conf = {"bootstrap.servers": options.bootstrap_servers}
    console = Console(stderr=True)
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    with workbench.topic_of_payments(options, conf, console) as (topic, lake, _):
        for number in range(options.rounds):
            # The second landing of a round runs on a warmer machine, so the order alternates.
            for kind in ("without", "with") if number % 2 else ("with", "without"):
                with console.status(f"round {number + 1} of {options.rounds}: landing {kind} receipts"):
                    step = land_with_receipts if kind == "with" else land_without_receipts
                    landing = workbench.in_process(step, conf, topic, f"{lake}/{kind}-{number}")
                if landing.result != options.events:
                    raise UserError(f"{landing.result:,} rows landed of {options.events:,} events")
                seconds[kind].append(landing.seconds)

    table = Table("receipts", "events/s, median", "slowest", "fastest")
    rates = {kind: [options.events / duration for duration in times] for kind, times in seconds.items()}
    for kind, values in rates.items():
        summary = (statistics.median(values), min(values), max(values))
        table.add_row(kind, *(f"{rate:,.0f}" for rate in summary))
    workbench.show(table)
    share = statistics.median(rates["with"]) / statistics.median(rates["without"])
    print(
        f"landing with receipts reaches {share:.2f} of the rate without; at least {MIN_SHARE:.2f} is required"
    )
    return 0 if share >= MIN_SHARE else 1


def land_with_receipts(conf: dict[str, str], topic: str, lake: str) -> int:
    """Land the topic; returns the number of rows."""
    return land(conf, lake, workbench.TOPIC, kafka_topic=topic).rows


def land_without_receipts(conf: dict[str, str], topic: str, lake: str) -> int:
    """Land the topic with row counts in place of digests and commits without receipts."""
    with (
        mock.patch("shopnow.lake.ingest.raw_encoding.digest", count_only),
        mock.patch("shopnow.lake.ingest.receipts.dumps", return_value="null"),
    ):
        return land_with_receipts(conf, topic, lake)


def count_only(partition: int, offsets: Sequence[int], keys: Bytes, values: Bytes) -> Digest:
    return Digest(len(keys))


if __name__ == "__main__":
    workbench.run(main)
