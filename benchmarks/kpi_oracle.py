"""Check that every KPI agrees with the oracle, to the cent, in whatever order the events arrive.

    python benchmarks/kpi_oracle.py --seeds 1 2 3 --lake hdfs://127.0.0.1:9820/benchmark

For each seed, the events that a shop sends in a month, some of them late, repeated, out of order or refunded,
are landed and computed three times, each time in a new lake: in parts cut at random with a run after each
part, at once, and at once in shuffled order. Each lake is compared table by table with the oracle's result
for the generated events. Exits 1 if any row differs.
"""

import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random

import workbench
from rich.console import Console
from rich.table import Table

from factories import raw_tables, shop_events
from shopnow.events import Event
from shopnow.traffic.run_config import Faults
from shopnow_spark import jobs
from support.lake_oracle import compare

FAULTS = Faults(late=0.1, duplicate=0.05, out_of_order=0.1, schema_v1=0.3, clock_skew_seconds=60)


def main() -> int:
    parser = workbench.parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--sessions", type=int, default=3000)
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--parts", type=int, default=6)
    workbench.add_lake(parser)
    options = parser.parse_args()
    console, rows, different = Console(stderr=True), Counter[str](), Counter[str]()
    lake = f"{options.lake.rstrip('/')}/oracle-{uuid.uuid4().hex[:8]}"
    with ExitStack() as stack:
        spark = workbench.spark_session(
            "kpi_oracle", Path(stack.enter_context(tempfile.TemporaryDirectory()))
        )
        stack.callback(spark.stop)
        stack.callback(workbench.delete_lake, lake)
        for seed in options.seeds:
            sent = shop_events.events(
                shop_events.make_run(sessions=options.sessions, seed=seed, days=options.days, faults=FAULTS)
            )
            arrivals: dict[str, list[Sequence[Event]]] = {
                "parts": shop_events.split(sent, options.parts, Random(seed)),
                "one go": [sent],
                "shuffled": [shop_events.shuffle(sent, Random(seed))],
            }
            unique = {event.event_id: event for event in sent}.values()
            for arrival, parts in arrivals.items():
                seed_lake = f"{lake}/{seed}-{arrival.replace(' ', '-')}"
                for number, part in enumerate(parts, 1):
                    with console.status(
                        f"seed {seed}, {arrival}: {number} of {len(parts)}, {len(part):,} events"
                    ):
                        raw_tables.land(seed_lake, part)
                        jobs.refresh(seed_lake, lambda: spark)
                for name, differences in compare(seed_lake, unique).items():
                    rows[name] += differences.rows
                    different[name] += differences.different
                    if differences.first:
                        print(f"seed {seed}, {arrival}: {differences.first}", file=sys.stderr)
    table = Table("table", "rows compared", "different")
    for name, count in rows.items():
        table.add_row(name, f"{count:,}", f"{different[name]:,}")
    workbench.show(table)
    return 1 if different.total() else 0


if __name__ == "__main__":
    workbench.run(main)
