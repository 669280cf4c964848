"""Measure how well `compute_kpis` estimates stock-outs and lost sales, against what the simulated shop knows.

    python benchmarks/stock_outs.py
    python benchmarks/stock_outs.py --scenario supplier_delay --seeds 1 2 3 4 --days 56

For each seed, simulates weeks of the shop without Kafka and computes events and KPI tables from its records
in a local Spark. Prints how many stock-outs there were, how many were missed and how many were invented, the
largest error of the start and end of those found, and the lost units: in total, and the median of the errors
per product, signed and absolute. Exits 1 if a stock-out was missed or invented.
"""

import argparse
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pyarrow as pa
import workbench
from pyspark.sql import DataFrame, SparkSession
from rich.console import Console
from rich.table import Table

from shopnow.events import TOPICS
from shopnow.traffic.arrivals import DAY
from shopnow.traffic.run_config import RunConfig
from shopnow.traffic.simulation import simulate
from shopnow.traffic.state import Run, State, StockOut
from shopnow_spark.events import parse_events
from shopnow_spark.kpis.sales import top_products
from shopnow_spark.kpis.stock import stock_daily
from shopnow_spark.kpis.stock_outs import stock_outs
from shopnow_spark.lake_reader import CODEGEN_MIN_RECORDS, enable_codegen_if_worth

START = 1_767_225_600_000
"""2026-01-01, in ms."""


class Estimate(NamedTuple):
    """A stock-out estimated from events; times in ms."""

    product_id: str
    start: int
    end: int | None
    lost: float


class Comparison(NamedTuple):
    """Estimated against true stock-outs; errors in seconds, lost units by product as (estimated, true)."""

    actual: int
    missed: int
    extra: int
    max_start_error: float
    max_end_error: float
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
    comparisons = []
    with tempfile.TemporaryDirectory() as folder, Console(stderr=True).status("simulating"):
        spark = workbench.spark_session("stock_outs", Path(folder))
        enable_codegen_if_worth(spark, CODEGEN_MIN_RECORDS)
        for seed in options.seeds:
            sessions = options.sessions_per_day * options.days
            config = RunConfig(scenario=options.scenario, sessions=sessions, seed=seed)
            run = Run(f"seed {seed}", config, sessions, START, START + options.days * DAY)
            stock, orders = (typed_events(spark, topic, values) for topic, values in records(run).items())
            comparisons.append(compare(run, estimate(stock, orders)))
            table.add_row(str(seed), *cells(comparisons[-1]))
        spark.stop()
    if len(comparisons) > 1:
        table.add_row("all", *cells(combine(comparisons)))
    workbench.show(table)
    print(f"{options.scenario}, {options.days} days of {options.sessions_per_day:,} sessions")
    return 1 if any(comparison.missed or comparison.extra for comparison in comparisons) else 0


def arguments() -> argparse.Namespace:
    parser = workbench.parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--scenario", default="normal_day")
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--sessions-per-day", type=int, default=1_000)
    return parser.parse_args()


def records(run: Run) -> dict[str, list[bytes]]:
    """Simulate the run; returns the values it sends to the topics `stock` and `orders`."""
    values: dict[str, list[bytes]] = {"stock": [], "orders": []}
    for chunk in simulate(State(), run, 20_000):
        for topic, value in zip(chunk.batch.topics, chunk.batch.values, strict=True):
            if topic in values:
                values[topic].append(value)
    return values


def typed_events(spark: SparkSession, topic: str, values: list[bytes]) -> DataFrame:
    """The rows of `events/{topic}` for these record values."""
    count = len(values)
    columns = {
        "topic_id": pa.repeat(pa.scalar(topic), count),
        "partition": pa.repeat(pa.scalar(0, pa.int32()), count),
        "offset": pa.array(range(count), pa.int64()),
        "value": pa.array(values, pa.binary()),
        "problem": pa.nulls(count, pa.string()),
        "correction": pa.nulls(count, pa.binary()),
    }
    return parse_events(spark.createDataFrame(pa.table(columns)), TOPICS[topic])


def estimate(stock: DataFrame, orders: DataFrame) -> list[Estimate]:
    rows = stock_outs(None, None, stock, stock_daily(stock), top_products(orders)).toArrow().to_pylist()
    return [
        Estimate(
            row["product_id"],
            milliseconds(row["started_at"]),
            row["ended_at"] and milliseconds(row["ended_at"]),
            row["lost_units"] or 0.0,
        )
        for row in rows
    ]


def milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def compare(run: Run, estimates: Iterable[Estimate]) -> Comparison:
    """Match the run's stock-outs with estimates for the same product that overlap them in time."""
    unmatched = sorted(estimates)
    lost = {product_id: (0.0, demand.lost) for product_id, demand in run.totals.demand.items()}
    for estimate in unmatched:
        estimated, actual = lost[estimate.product_id]
        lost[estimate.product_id] = estimated + estimate.lost, actual
    missed, start_errors, end_errors = 0, [0], [0]
    for stock_out in run.stock_outs:
        match = next((estimate for estimate in unmatched if overlap(estimate, stock_out, run.end)), None)
        if match is None:
            missed += 1
            continue
        unmatched.remove(match)
        start_errors.append(abs(match.start - stock_out.start))
        end_errors.append(abs((match.end or run.end) - (stock_out.end or run.end)))
    return Comparison(
        len(run.stock_outs),
        missed,
        len(unmatched),
        max(start_errors) / 1000,
        max(end_errors) / 1000,
        lost,
    )


def overlap(estimate: Estimate, stock_out: StockOut, end: int) -> bool:
    """True if both are about one product and share some time; `end` replaces an open end."""
    return estimate.product_id == stock_out.product_id and max(estimate.start, stock_out.start) < min(
        estimate.end or end, stock_out.end or end
    )


def combine(comparisons: Sequence[Comparison]) -> Comparison:
    """The comparisons of all seeds as one; the same product of two seeds counts as two products."""
    lost = {
        f"{number} {product_id}": units
        for number, comparison in enumerate(comparisons)
        for product_id, units in comparison.lost.items()
    }
    return Comparison(
        sum(comparison.actual for comparison in comparisons),
        sum(comparison.missed for comparison in comparisons),
        sum(comparison.extra for comparison in comparisons),
        max(comparison.max_start_error for comparison in comparisons),
        max(comparison.max_end_error for comparison in comparisons),
        lost,
    )


def cells(comparison: Comparison) -> Iterator[str]:
    """The cells of a row of the table, without the seed."""
    estimated, actual = (sum(units) for units in zip(*comparison.lost.values(), strict=True))
    errors = [guess / truth - 1 for guess, truth in comparison.lost.values() if truth]
    yield from (f"{count:,}" for count in (comparison.actual, comparison.missed, comparison.extra))
    yield f"{comparison.max_start_error:g}, {comparison.max_end_error:g}"
    yield from (f"{units:,.0f}" for units in (actual, estimated))
    yield from (f"{error:+.1%}" for error in (estimated / actual - 1, median(errors)))
    yield f"{median(map(abs, errors)):.1%}"


if __name__ == "__main__":
    workbench.run(main)
