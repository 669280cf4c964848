"""Measure how accurate the stock alerts are, against the true stock-outs of simulated weeks.

    python benchmarks/alert_truth.py                          # three seeds, two weeks each: a few minutes
    python benchmarks/alert_truth.py --seeds 1 --hours 168 --every 60

Simulates the shop, feeds its stock events to the alert engine with the rules in force, one evaluation every
`--every` seconds as watch_stock would run them, and compares the alerts with the stock-outs that the
simulated shop recorded. It runs in this process, without Kafka, lake or Airflow, so the delay is only that of
the evaluation interval; `./shopnow bench alerts` measures the delivery on top of it. Prints

    recall       stock-outs whose alert fired at the first evaluation after their start ÷ visible stock-outs
    unseen       stock-outs that began and ended between two evaluations, which the data does not show
    precision    alerts that fired while the product was sold out ÷ alerts that fired
    delay        from the last piece sold to the evaluation that fired, its median and 95th percentile
    messages     per day and channel, the reminders among them, and how often products sold out or came back

Exits 1 if a visible stock-out raised no alert, or an alert was false.
"""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles
from typing import NamedTuple

import workbench
from rich.table import Table

from shopnow.alerts import backtest, rules
from shopnow.alerts.metrics import METRICS
from shopnow.alerts.model import Change, Observation, State
from shopnow.events import TOPICS
from shopnow.traffic.catalogue import PRODUCTS
from shopnow.traffic.run_config import RunConfig
from shopnow.traffic.simulation import simulate
from shopnow.traffic.state import Run, StockOut
from shopnow.traffic.state import State as ShopState

START = 1_767_225_600_000
"""2026-01-01, in ms."""
HOUR = 3_600_000
METRIC = "stock_quantity"
RULE = "stock_out"


class Level(NamedTuple):
    """A product's stock from a time on, in ms."""

    at: int
    product_id: str
    quantity: int


class Score(NamedTuple):
    """What the alerts of a simulated period were worth."""

    stock_outs: int
    unseen: int
    missed: int
    alerts: int
    false: int
    delays: list[float]
    """Seconds."""
    messages: int
    reminders: int
    changes: int
    """Number of times that a product sold out or came back."""
    days: float


def main() -> int:
    options = arguments()
    stock_rules = {name: rule for name, rule in rules.load().items() if rule.metric == METRIC}
    table = Table(
        "seed",
        "stock-outs",
        "unseen",
        "recall",
        "alerts",
        "precision",
        "delay, median",
        "95 %",
        "messages a day",
        "reminders",
        "changes a day",
    )
    is_accurate = True
    for seed in range(1, options.seeds + 1):
        config = RunConfig(seed=seed, scenario=options.scenario)
        levels, stock_outs = simulate_stock(config, options.sessions, options.hours)
        score = judge(stock_rules, levels, stock_outs, options.every)
        is_accurate = is_accurate and not score.missed and not score.false
        table.add_row(str(seed), *cells(score))
    workbench.show(table)
    print(
        f"{options.hours:g} hours of {options.sessions:,} sessions per seed, "
        f"an evaluation every {options.every} s, rules: {', '.join(stock_rules)}"
    )
    return 0 if is_accurate else 1


def arguments() -> argparse.Namespace:
    parser = workbench.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from 1")
    parser.add_argument("--hours", type=float, default=336, help="length of the simulated period")
    parser.add_argument("--sessions", type=int, default=14_000, help="number of shoppers in that period")
    parser.add_argument("--scenario", default="normal_day", help="one of docs/scenarios.md")
    parser.add_argument("--every", type=int, default=60, help="seconds between two evaluations")
    return parser.parse_args()


def simulate_stock(config: RunConfig, sessions: int, hours: float) -> tuple[list[Level], list[StockOut]]:
    """Simulate the shop.

    Returns:
        The stock levels of its events in order of time, and the stock-outs that the shop itself recorded.
    """
    run = Run("benchmark", config, sessions, START, START + int(hours * HOUR))
    decode = TOPICS["stock"].decoder().decode
    levels = []
    for chunk in simulate(ShopState(), run, 2_000):
        for topic, value in zip(chunk.batch.topics, chunk.batch.values, strict=True):
            if topic == "stock":
                event = decode(value)
                at = round(event.event_time.timestamp() * 1000)
                levels.append(Level(at, event.product_id, event.quantity_after))
    return sorted(levels), run.stock_outs


def judge(
    stock_rules: dict[str, rules.Rule], levels: list[Level], stock_outs: list[StockOut], every: int
) -> Score:
    """Evaluate the rules on the levels every `every` seconds and score the alerts against the stock-outs."""
    end = levels[-1].at + every * 1000
    changes = [
        (round(at.timestamp() * 1000), change)
        for at, evaluation in backtest.simulate(stock_rules, evaluations(levels, every))
        for change in evaluation
    ]
    firing = firing_spans(changes, end)
    visible = [
        stock_out
        for stock_out in stock_outs
        if next_evaluation(stock_out.start, every) < (stock_out.end or end)
    ]
    delays, missed = [], 0
    for stock_out in visible:
        at = next_evaluation(stock_out.start, every)
        starts = [start for start, stop in firing.get(stock_out.product_id, ()) if start <= at < stop]
        if starts:
            # The alert of an earlier stock-out may still be firing: then there is no delay.
            delays.append((max(starts[0], stock_out.start) - stock_out.start) / 1000)
        else:
            missed += 1
    expected = {(stock_out.product_id, next_evaluation(stock_out.start, every)) for stock_out in visible}
    alerts = [(product_id, start) for product_id, spans in firing.items() for start, _ in spans]
    announced = [(at, change) for at, change in changes if change.announced]
    return Score(
        stock_outs=len(stock_outs),
        unseen=len(stock_outs) - len(visible),
        missed=missed,
        alerts=len(alerts),
        false=sum(alert not in expected for alert in alerts),
        delays=delays,
        messages=len({at for at, _ in announced}),
        reminders=len({at for at, change in announced if change.repeated}),
        changes=sum(1 + (stock_out.end is not None) for stock_out in stock_outs),
        days=(end - START) / HOUR / 24,
    )


def evaluations(levels: list[Level], every: int) -> Iterator[tuple[datetime, list[Observation]]]:
    """The observations of each evaluation: the products that changed, and once an hour all, for reminders."""
    current: dict[str, Level] = {}
    changed: set[str] = set()
    remaining = iter(levels)
    upcoming = next(remaining, None)
    step = every * 1000
    for at in range(next_evaluation(levels[0].at, every), levels[-1].at + 2 * step, step):
        while upcoming and upcoming.at <= at:
            current[upcoming.product_id] = upcoming
            changed.add(upcoming.product_id)
            upcoming = next(remaining, None)
        product_ids = current if at % HOUR < step else changed
        if product_ids:
            rows = [stock_row(current[product_id]) for product_id in sorted(product_ids)]
            yield to_datetime(at), METRICS[METRIC].observe(METRIC, rows, to_datetime(at))
        changed.clear()


def firing_spans(changes: list[tuple[int, Change]], end: int) -> dict[str, list[tuple[int, int]]]:
    """The spans [start, stop) in ms during which the stock-out alert of each product fired."""
    spans: dict[str, list[tuple[int, int]]] = {}
    since: dict[str, int] = {}
    for at, (alert, _, repeated) in changes:
        if alert.rule != RULE or repeated:
            continue
        if alert.state == State.FIRING:
            since[alert.subject] = at
        elif alert.state == State.RESOLVED:
            spans.setdefault(alert.subject, []).append((since.pop(alert.subject), at))
    for product_id, start in since.items():
        spans.setdefault(product_id, []).append((start, end))
    return spans


def next_evaluation(at: int, every: int) -> int:
    """The time of the first evaluation at or after `at`, in ms."""
    step = every * 1000
    return -(-at // step) * step


def stock_row(level: Level) -> dict[str, object]:
    return {
        "product_id": level.product_id,
        "product_name": PRODUCTS[level.product_id].name,
        "quantity": level.quantity,
        "last_event_time": to_datetime(level.at),
    }


def to_datetime(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)


def cells(score: Score) -> list[str]:
    """The cells of a row of the table, without the seed."""
    visible = score.stock_outs - score.unseen
    return [
        f"{score.stock_outs:,}",
        f"{score.unseen:,}",
        f"{1 - score.missed / visible:.3f}" if visible else "–",
        f"{score.alerts:,}",
        f"{1 - score.false / score.alerts:.3f}" if score.alerts else "–",
        f"{median(score.delays):.0f} s" if score.delays else "–",
        f"{quantiles(score.delays, n=20)[-1]:.0f} s" if len(score.delays) > 1 else "–",
        f"{score.messages / score.days:.1f}",
        f"{score.reminders / score.days:.1f}",
        f"{score.changes / score.days:.1f}",
    ]


if __name__ == "__main__":
    workbench.run(main)
