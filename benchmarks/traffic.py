"""Measure how fast the simulated shop generates events that the broker commits, against bare producing.

    python benchmarks/traffic.py --sessions 400000 --hours 168
    python benchmarks/traffic.py --sessions 3700000 --hours 720     # a month of some 1 M orders: four minutes

Starts its own Kafka and deletes it afterwards. Produces prepared records without transactions, headers or
delivery reports, then runs the generator with its ledger and state, each in a new process. Prints events per
second of CPU time of one core and of wall-clock time, and the peak memory. Exits 1 below 100,000 events per
second and core.
"""

import argparse

import workbench
from confluent_kafka import Producer
from rich.console import Console
from rich.table import Table

from shopnow.traffic import run_totals
from shopnow.traffic.generate import generate
from shopnow.traffic.run_config import RunConfig
from shopnow.traffic.simulation import simulate
from shopnow.traffic.state import Run, State

MIN_RATE = 100_000
BARE_RECORDS = 1_000_000
"""Number of records produced for the bare rate."""
SAMPLE_SESSIONS = 8_000
"""Number of sessions whose records are produced repeatedly for the bare rate."""


def main() -> int:
    options = arguments()
    console = Console(stderr=True)
    with console.status("starting Kafka") as status, workbench.services(["kafka"]) as settings:
        conf = {"bootstrap.servers": settings.bootstrap_servers}
        status.update("producing bare records")
        bare = workbench.in_process(produce_bare, conf)
        status.update("generating traffic")
        generated = workbench.in_process(generate_traffic, conf, options.sessions, options.hours)

    orders, events = generated.result
    table = Table("step", "records", "per second of CPU", "per second", "peak memory (MiB)")
    for step, records, run in (
        ("bare producing", BARE_RECORDS, bare),
        ("generate_traffic", events, generated),
    ):
        table.add_row(
            step,
            f"{records:,}",
            f"{records / run.cpu_seconds:,.0f}",
            f"{records / run.seconds:,.0f}",
            f"{run.memory:,.0f}",
        )
    workbench.show(table)
    rate = events / generated.cpu_seconds
    print(
        f"{options.sessions:,} sessions, {orders:,} orders; {rate:,.0f} events per second and core, "
        f"at least {MIN_RATE:,} are required"
    )
    return 0 if rate >= MIN_RATE else 1


def arguments() -> argparse.Namespace:
    parser = workbench.parser(__doc__)
    parser.add_argument(
        "--sessions", type=int, default=400_000, help="number of sessions, of about seven events each"
    )
    parser.add_argument("--hours", type=float, default=168, help="length of the simulated period")
    return parser.parse_args()


def produce_bare(conf: dict[str, str]) -> None:
    """Produce the generator's records with its client settings, and wait until all are acknowledged."""
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
    remaining = BARE_RECORDS
    while remaining:
        for topic, value, key in records[:remaining]:
            producer.produce(topic, value, key)
        remaining -= min(remaining, len(records))
        while len(producer) > 100_000:
            producer.poll(0.1)
    producer.flush()


def generate_traffic(conf: dict[str, str], sessions: int, hours: float) -> tuple[int, int]:
    """Run the generator; returns the numbers of orders and of events."""
    summary = generate(conf, "benchmark", sessions, seed=1, hours=hours)
    return run_totals.combine(run_totals.read_runs(conf).runs).totals.orders, sum(summary.events.values())


if __name__ == "__main__":
    workbench.run(main)
