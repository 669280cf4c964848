"""What receipts and digests cost: the rate of landing with them and without, side by side in one run.

    python benchmarks/receipts.py --events 1000000 --bootstrap-servers 127.0.0.1:9092 --lake hdfs://127.0.0.1:9820/benchmark

Lands the same topic again and again, each time into a lake of its own, in turns with receipts and without, and compares the
medians. Exits 1 if landing with them keeps less than 0.85 of the rate without.
"""

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))

import workbench
from confluent_kafka import KafkaException
from rich.console import Console
from rich.table import Table

from shopnow.errors import UserError
from shopnow.lake.delta.checksum import Bytes, Digest
from shopnow.lake.ingest.landing import land

LEAST_SHARE = 0.85


def main() -> int:
    parser = workbench.arguments(__doc__, events=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    conf = {"bootstrap.servers": options.bootstrap_servers}
    console = Console(stderr=True)
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    try:
        with workbench.bench(conf, options.lake, options.partitions) as (name, lake):
            with console.status(f"producing {options.events:,} events"):
                workbench.in_process(workbench.produce, conf, name, options.events)
            for number in range(options.rounds):
                # The one that goes second finds the machine warmer: each in turn.
                for kind in ("without", "with") if number % 2 else ("with", "without"):
                    with console.status(f"round {number + 1} of {options.rounds}: landing {kind} receipts"):
                        step = land_with if kind == "with" else land_without
                        run = workbench.in_process(step, conf, name, f"{lake}/{kind}-{number}")
                    if run.result != options.events:
                        print(f"error: {run.result:,} rows landed of {options.events:,}", file=sys.stderr)
                        return 1
                    seconds[kind].append(run.seconds)
    except (UserError, KafkaException) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1

    table = Table("receipts", "events/s, median", "slowest", "fastest")
    rates = {kind: sorted(options.events / each for each in times) for kind, times in seconds.items()}
    for kind, found in rates.items():
        table.add_row(kind, *(f"{rate:,.0f}" for rate in (statistics.median(found), found[0], found[-1])))
    Console().print(table)
    share = statistics.median(rates["with"]) / statistics.median(rates["without"])
    print(f"landing with receipts keeps {share:.2f} of its rate without, {LEAST_SHARE:.2f} is asked")
    return 0 if share >= LEAST_SHARE else 1


def land_with(conf: dict[str, str], name: str, lake: str) -> int:
    return land(conf, lake, workbench.TOPIC, kafka_topic=name).rows


def land_without(conf: dict[str, str], name: str, lake: str) -> int:
    """The same landing, told to count the rows only, and to say nothing of them in its commits."""
    with (
        mock.patch("shopnow.lake.delta.raw_encoding.digest", count_only),
        mock.patch("shopnow.lake.ingest.receipts.dumps", return_value="null"),
    ):
        return land_with(conf, name, lake)


def count_only(partition: int, offsets: Sequence[int], keys: Bytes, values: Bytes) -> Digest:
    return Digest(len(keys))


if __name__ == "__main__":
    sys.exit(main())
