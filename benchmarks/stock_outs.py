"""Stock-outs and lost sales as `compute_kpis` estimates them from events, beside what the simulated shop knows.

    python benchmarks/stock_outs.py
    python benchmarks/stock_outs.py --scenario supplier_delay --seeds 1 2 3 4 --days 56

Simulates weeks of the shop for each seed, without Kafka, makes events and KPI tables of what it sends in a local Spark, and prints how
many stock-outs there were, were missed, and never were, by how much the start and end of those found are off at most, and the units lost:
in all, and the median of the products' errors, with and without their signs. Exits 1 if a stock-out was missed or never was.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "spark_apps"))

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from rich.console import Console
from rich.table import Table

from shopnow.events import TOPICS
from shopnow.local_stack import java
from shopnow.local_stack import spark as platform_spark
from shopnow.settings import Settings
from shopnow.traffic.arrivals import DAY
from shopnow.traffic.run_config import RunConfig
from shopnow.traffic.simulation import simulate
from shopnow.traffic.state import Run, State, StockOut
from shopnow_spark.events import typed
from shopnow_spark.kpis.sales import top_products
from shopnow_spark.kpis.stock import stock_daily
from shopnow_spark.kpis.stock_outs import stock_outs
from shopnow_spark.lake_reader import WORTH_COMPILING, compile_if_worth

START = 1_767_225_600_000
"""2026-01-01, in ms."""


class Estimate(NamedTuple):
    """A stock-out as found in events; times in ms."""

    product_id: str
    start: int
    end: int | None
    lost: float


class Compared(NamedTuple):
    """What was found of the stock-outs there were: seconds off of those found, and lost units by product: estimated, true."""

    there: int
    missed: int
    extra: int
    start_off: float
    end_off: float
    lost: dict[str, tuple[float, int]]


def main() -> int:
    options = arguments()
    table = Table(
        "seed",
        "stock-outs",
        "missed",
        "extra",
        "off by (s)",
        "lost",
        "estimated",
        "error",
        "median",
        "± median",
    )
    results = []
    with tempfile.TemporaryDirectory() as folder, Console(stderr=True).status("simulating"):
        spark = session(Settings(data_dir=Path(folder)))
        for seed in options.seeds:
            sessions = options.sessions_per_day * options.days
            asked = RunConfig(scenario=options.scenario, sessions=sessions, seed=seed)
            run = Run(f"seed {seed}", asked, sessions, START, START + options.days * DAY)
            stock, orders = (events(spark, topic, values) for topic, values in sent(run).items())
            results.append(compared(run, estimates(stock, orders)))
            table.add_row(str(seed), *in_words(results[-1]))
        spark.stop()
    if len(results) > 1:
        table.add_row("all", *in_words(together(results)))
    Console().print(table)
    print(f"{options.scenario}, {options.days} days of {options.sessions_per_day:,} sessions")
    return 0 if all(not (each.missed or each.extra) for each in results) else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--scenario", default="normal_day")
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--sessions-per-day", type=int, default=1_000)
    return parser.parse_args()


def session(settings: Settings) -> SparkSession:
    os.environ |= platform_spark.environment(settings, java.java_home(settings.data_dir))
    builder = SparkSession.builder.master(platform_spark.MASTER).appName("stock_outs")
    spark = builder.config(map=platform_spark.conf(settings)).getOrCreate()
    compile_if_worth(spark, WORTH_COMPILING)
    return spark


def sent(run: Run) -> dict[str, list[bytes]]:
    """What the shop sends about stock and orders while the run is simulated."""
    values: dict[str, list[bytes]] = {"stock": [], "orders": []}
    for chunk in simulate(State(), run, 20_000):
        for topic, value in zip(chunk.batch.topics, chunk.batch.values, strict=True):
            if topic in values:
                values[topic].append(value)
    return values


def events(spark: SparkSession, topic: str, values: list[bytes]) -> DataFrame:
    """Rows of `events/{topic}` of these records."""
    nothing = pa.nulls(len(values))
    columns = {
        **{
            "topic_id": pa.repeat(pa.scalar(topic), len(values)),
            "partition": pa.repeat(pa.scalar(0, pa.int32()), len(values)),
        },
        **{"offset": pa.array(range(len(values)), pa.int64()), "value": pa.array(values, pa.binary())},
        **{"problem": nothing.cast(pa.string()), "correction": nothing.cast(pa.binary())},
    }
    return typed(spark.createDataFrame(pa.table(columns)), TOPICS[topic])


def estimates(stock: DataFrame, orders: DataFrame) -> list[Estimate]:
    rows = stock_outs(None, None, stock, stock_daily(stock), top_products(orders)).toArrow().to_pylist()
    return [
        Estimate(
            row["product_id"],
            ms(row["started_at"]),
            row["ended_at"] and ms(row["ended_at"]),
            row["lost_units"] or 0.0,
        )
        for row in rows
    ]


def ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def compared(run: Run, found: Iterable[Estimate]) -> Compared:
    """The estimates beside what the run knows; a stock-out is found if something of the same product overlaps with it."""
    left = sorted(found)
    lost = {product_id: (0.0, demand.lost) for product_id, demand in run.totals.demand.items()}
    for each in left:
        lost[each.product_id] = lost[each.product_id][0] + each.lost, lost[each.product_id][1]
    missed, starts, ends = 0, [0], [0]
    for out in run.stock_outs:
        match = next((each for each in left if overlap(each, out, run.end)), None)
        if match is None:
            missed += 1
            continue
        left.remove(match)
        starts.append(abs(match.start - out.start))
        ends.append(abs((match.end or run.end) - (out.end or run.end)))
    return Compared(len(run.stock_outs), missed, len(left), max(starts) / 1000, max(ends) / 1000, lost)


def overlap(one: Estimate, other: StockOut, end: int) -> bool:
    return one.product_id == other.product_id and max(one.start, other.start) < min(
        one.end or end, other.end or end
    )


def together(results: Iterable[Compared]) -> Compared:
    """Stock-outs added up; each seed's products are products of their own."""
    all_ = list(results)
    lost = {f"{nth} {name}": pieces for nth, each in enumerate(all_) for name, pieces in each.lost.items()}
    there, missed, extra = (sum(values) for values in zip(*(each[:3] for each in all_), strict=True))
    return Compared(
        there, missed, extra, max(each.start_off for each in all_), max(each.end_off for each in all_), lost
    )


def in_words(result: Compared) -> Iterator[str]:
    estimated, true = (sum(pieces) for pieces in zip(*result.lost.values(), strict=True))
    errors = [one / other - 1 for one, other in result.lost.values() if other]
    yield from (f"{number:,}" for number in (result.there, result.missed, result.extra))
    yield f"{result.start_off:g}, {result.end_off:g}"
    yield from (f"{pieces:,.0f}" for pieces in (true, estimated))
    yield from (f"{share:+.1%}" for share in (estimated / true - 1, median(errors)))
    yield f"{median(map(abs, errors)):.1%}"


if __name__ == "__main__":
    sys.exit(main())
