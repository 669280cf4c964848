"""How true the stock alerts are: what the rules tell of simulated weeks, beside what truly sold out in them.

    python benchmarks/alert_truth.py                          # three seeds, two weeks each: a few minutes
    python benchmarks/alert_truth.py --seeds 1 --hours 168 --every 60

Simulates the shop, feeds its stock events to the alert engine and the rules in force, in looks so many seconds apart, as watch_stock
would have seen them, and compares with the stock-outs the simulated shop kept itself. All of it in this process, without Kafka, lake or
Airflow: the delay is that of looking, what the way there takes comes on top (`./shopnow bench alerts` measures that). Prints

    recall       stock-outs during which, or at whose end, the look found the alert firing ÷ stock-outs that a look could see
    unseen       stock-outs that began and ended between two looks: read from the data, they never were
    precision    alerts that fired while the product was sold out ÷ alerts that fired
    delay        from the piece that was the last to the look that told of it, its median and 95th percentile
    messages     a day, on each channel, reminders alone among them; beside it how often a day products sold out or came back

Exits 1 if a stock-out that could be seen was not told, or an alert was false.
"""

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))

from rich.console import Console
from rich.table import Table

from shopnow.alerts import backtest, rules
from shopnow.alerts.engine import Change, Observation, State
from shopnow.alerts.metrics import FIGURES
from shopnow.events import TOPICS
from shopnow.traffic.catalogue import PRODUCTS
from shopnow.traffic.run_config import RunConfig
from shopnow.traffic.simulation import simulate
from shopnow.traffic.state import Run, StockOut
from shopnow.traffic.state import State as Memory

BEGIN = 1_767_225_600_000
"""2026-01-01, in ms."""
HOUR = 3_600_000
FIGURE = "stock_quantity"
RULE = "stock_out"


class Level(NamedTuple):
    """A product's stock from a time on, in ms."""

    at: int
    product_id: str
    quantity: int


class Score(NamedTuple):
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
    """Times that a product went to or from nothing."""
    days: float


def main() -> int:
    options = arguments()
    rule_set = {name: rule for name, rule in rules.load().items() if rule.looks_at == FIGURE}
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
    true = True
    for seed in range(1, options.seeds + 1):
        levels, stock_outs = simulated(
            RunConfig(seed=seed, scenario=options.scenario), options.sessions, options.hours
        )
        score = judged(rule_set, levels, stock_outs, options.every)
        true = true and not score.missed and not score.false
        table.add_row(str(seed), *cells(score))
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    print(
        f"{options.hours:g} hours of {options.sessions:,} sessions a seed, a look every {options.every} s, rules: {', '.join(rule_set)}"
    )
    return 0 if true else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--hours", type=float, default=336, help="the period that is simulated")
    parser.add_argument("--sessions", type=int, default=14_000, help="shoppers in that period")
    parser.add_argument("--scenario", default="normal_day", help="one of docs/scenarios.md")
    parser.add_argument("--every", type=int, default=60, help="seconds from one look to the next")
    return parser.parse_args()


def simulated(asked: RunConfig, sessions: int, hours: float) -> tuple[list[Level], list[StockOut]]:
    """What the stock topic would hold, in the order of time, and what the shop itself knows of its stock-outs."""
    run = Run("benchmark", asked, sessions, BEGIN, BEGIN + int(hours * HOUR))
    decode = TOPICS["stock"].decoder().decode
    levels = []
    for chunk in simulate(Memory(), run, 2_000):
        for topic, value in zip(chunk.batch.topics, chunk.batch.values, strict=True):
            if topic == "stock":
                event = decode(value)
                levels.append(
                    Level(round(event.event_time.timestamp() * 1000), event.product_id, event.quantity_after)
                )
    return sorted(levels), run.stock_outs


def judged(
    rule_set: dict[str, rules.Rule], levels: list[Level], stock_outs: list[StockOut], every: int
) -> Score:
    end = levels[-1].at + every * 1000
    told = [
        (round(at.timestamp() * 1000), change)
        for at, found in backtest.run(rule_set, looks(levels, every))
        for change in found
    ]
    firing = spans(told, end)
    seen = [each for each in stock_outs if next_look(each.start, every) < (each.end or end)]
    delays, missed = [], 0
    for each in seen:
        look = next_look(each.start, every)
        begun = [since for since, until in firing.get(each.product_id, ()) if since <= look < until]
        missed += not begun
        # An alert that goes on because the product hovers has told already.
        delays += [(max(begun[0], each.start) - each.start) / 1000] if begun else []
    true = {(each.product_id, next_look(each.start, every)) for each in seen}
    alerts = [(product, since) for product, found in firing.items() for since, _ in found]
    announced = [(at, change) for at, change in told if change.announced]
    return Score(
        stock_outs=len(stock_outs),
        unseen=len(stock_outs) - len(seen),
        missed=missed,
        alerts=len(alerts),
        false=sum(place not in true for place in alerts),
        delays=delays,
        messages=len({at for at, _ in announced}),
        reminders=len({at for at, change in announced if change.repeated}),
        changes=sum(1 + (each.end is not None) for each in stock_outs),
        days=(end - BEGIN) / HOUR / 24,
    )


def looks(levels: list[Level], every: int) -> Iterator[tuple[datetime, list[Observation]]]:
    """What each look sees; what nothing happened to since the last is not looked at again, but for reminders, once an hour."""
    shelves: dict[str, Level] = {}
    changed: set[str] = set()
    left = iter(levels)
    upcoming = next(left, None)
    step = every * 1000
    for at in range(next_look(levels[0].at, every), levels[-1].at + 2 * step, step):
        while upcoming and upcoming.at <= at:
            shelves[upcoming.product_id] = upcoming
            changed.add(upcoming.product_id)
            upcoming = next(left, None)
        those = shelves if at % HOUR < step else changed
        if those:
            yield (
                moment(at),
                FIGURES[FIGURE].observe(FIGURE, [row(shelves[each]) for each in sorted(those)], moment(at)),
            )
        changed.clear()


def spans(told: list[tuple[int, Change]], end: int) -> dict[str, list[tuple[int, int]]]:
    """From when to when the alert about each product's stock-out fired."""
    found: dict[str, list[tuple[int, int]]] = {}
    since: dict[str, int] = {}
    for at, (alert, _, repeated) in told:
        if alert.rule != RULE or repeated:
            continue
        if alert.state == State.FIRING:
            since[alert.subject] = at
        elif alert.state == State.RESOLVED:
            found.setdefault(alert.subject, []).append((since.pop(alert.subject), at))
    for product, begun in since.items():
        found.setdefault(product, []).append((begun, end))
    return found


def next_look(at: int, every: int) -> int:
    step = every * 1000
    return -(-at // step) * step


def row(level: Level) -> dict[str, object]:
    name = PRODUCTS[level.product_id].name
    return {
        "product_id": level.product_id,
        "product_name": name,
        "quantity": level.quantity,
        "last_event_time": moment(level.at),
    }


def moment(at: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at)


def cells(score: Score) -> list[str]:
    seen = score.stock_outs - score.unseen
    return [
        f"{score.stock_outs:,}",
        f"{score.unseen:,}",
        f"{1 - score.missed / seen:.3f}" if seen else "–",
        f"{score.alerts:,}",
        f"{1 - score.false / score.alerts:.3f}" if score.alerts else "–",
        f"{median(score.delays):.0f} s" if score.delays else "–",
        f"{quantiles(score.delays, n=20)[-1]:.0f} s" if len(score.delays) > 1 else "–",
        f"{score.messages / score.days:.1f}",
        f"{score.reminders / score.days:.1f}",
        f"{score.changes / score.days:.1f}",
    ]


if __name__ == "__main__":
    sys.exit(main())
