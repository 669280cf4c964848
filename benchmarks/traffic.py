"""How fast the simulated shop makes events that the broker has acknowledged and committed, beside the bare rate of producing such records.

    python benchmarks/traffic.py --sessions 400000 --hours 168
    python benchmarks/traffic.py --sessions 3700000 --hours 720     # a month of some 1 M orders: four minutes

Starts a Kafka of its own, which is gone afterwards. Produces records that were made before, without transactions, headers or reports,
then runs the generator with its ledger and state, each in a process of its own, and prints events a second of one core's CPU
time and of the clock on the wall, and the memory it took. Exits 1 if it made fewer than 100,000 events a second and core.
"""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))

import workbench
from confluent_kafka import KafkaException, Producer
from rich.console import Console
from rich.table import Table

from shopnow.errors import UserError
from shopnow.traffic import run_totals
from shopnow.traffic.generate import generate
from shopnow.traffic.run_config import RunConfig
from shopnow.traffic.simulation import simulate
from shopnow.traffic.state import Run, State

LEAST_RATE = 100_000
MEASURED_BARE = 1_000_000
"""Records that are produced for the bare rate."""
SAMPLE_SESSIONS = 8_000
"""Sessions whose records are produced for it, again and again."""


def main() -> int:
    options = arguments()
    console = Console(stderr=True)
    try:
        with ExitStack() as started:
            with console.status("starting Kafka"):
                conf = {
                    "bootstrap.servers": started.enter_context(
                        workbench.services(["kafka"])
                    ).bootstrap_servers
                }
            with console.status("producing bare records"):
                bare = workbench.in_process(produce, conf)
            with console.status("generating traffic"):
                made = workbench.in_process(make, conf, options.sessions, options.hours)
    except (UserError, KafkaException) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1

    orders, count = made.result
    table = Table("step", "records", "per second of CPU", "per second", "peak memory (MiB)")
    for step, records, run in (("bare producing", MEASURED_BARE, bare), ("generate_traffic", count, made)):
        table.add_row(
            step,
            f"{records:,}",
            f"{records / run.cpu_seconds:,.0f}",
            f"{records / run.seconds:,.0f}",
            f"{run.memory:,.0f}",
        )
    Console().print(table)
    rate = count / made.cpu_seconds
    print(
        f"{options.sessions:,} sessions, {orders:,} orders; {rate:,.0f} events a second and core, {LEAST_RATE:,} are asked"
    )
    return 0 if rate >= LEAST_RATE else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=400_000, help="about seven events each")
    parser.add_argument("--hours", type=float, default=168, help="the period they are spread over")
    return parser.parse_args()


def produce(conf: dict[str, str]) -> None:
    """Produces the same records as the generator, its own settings of the client included, and waits for them."""
    run = Run("sample", RunConfig(), SAMPLE_SESSIONS, 0, 86_400_000)
    batch = next(simulate(State(), run, SAMPLE_SESSIONS)).batch
    records = list(zip(batch.topics, batch.values, batch.keys, strict=True))
    producer = Producer(
        {
            **conf,
            "enable.idempotence": True,
            "linger.ms": 5,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    left = MEASURED_BARE
    while left:
        for topic, value, key in records[:left]:
            producer.produce(topic, value, key)
        left -= min(left, len(records))
        while len(producer) > 100_000:
            producer.poll(0.1)
    producer.flush()


def make(conf: dict[str, str], sessions: int, hours: float) -> tuple[int, int]:
    """Orders and records that were made."""
    summary = generate(conf, "benchmark", sessions, seed=1, hours=hours)
    return run_totals.combine(run_totals.read_runs(conf).runs).totals.orders, sum(summary.events.values())


if __name__ == "__main__":
    sys.exit(main())
