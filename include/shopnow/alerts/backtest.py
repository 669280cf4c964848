"""Backtest alert rules: replay the lake's history hour by hour and report what would have been notified.

Nothing is sent or written.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from shopnow.alerts import alert_log, collect
from shopnow.alerts.engine import compute_changes
from shopnow.alerts.metrics import METRICS, Metric
from shopnow.alerts.model import AlertStatus, Change, Observation
from shopnow.alerts.rows import Row
from shopnow.alerts.rules import Rule
from shopnow.errors import UserError
from shopnow.kpis import STOCK_POSITION
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table

HOUR = timedelta(hours=1)
STOCK_EVENTS = "events/stock"


class Notification(NamedTuple):
    """A change that an evaluation would have notified."""

    at: datetime
    change: Change


class Backtest(NamedTuple):
    """Result of a backtest."""

    since: datetime
    until: datetime
    evaluations: int
    """Number of hourly evaluations from `since` to `until`."""
    notifications: list[Notification]
    skipped_rules: list[str]
    """Rules whose metrics have no history in the lake."""


def simulate(
    rules: Mapping[str, Rule], evaluations: Iterable[tuple[datetime, list[Observation]]]
) -> Iterator[tuple[datetime, list[Change]]]:
    """Yield the changes of each evaluation, starting without any alert.

    Args:
        evaluations: time and observations of each evaluation, in order.
    """
    statuses: dict[str, AlertStatus] = {}
    for number, (at, observations) in enumerate(evaluations):
        changes = compute_changes(rules, statuses, observations, at)
        for change in changes:
            thread = change.alert.thread or (str(number) if change.announced else None)
            alert_log.update_status(
                statuses, change.alert._replace(thread=thread), at if change.announced else None
            )
        yield at, changes


def run(lake: str, rules: Mapping[str, Rule], since: datetime | None = None) -> Backtest:
    """Backtest the rules over the lake's history, hour by hour.

    Args:
        lake: the lake's address.
        since: start of the period; the beginning of the history by default.

    Raises:
        UserError: the lake has no history of these rules' metrics.
    """
    history_of = {
        name: _history(lake, METRICS[name]) for name in dict.fromkeys(rule.metric for rule in rules.values())
    }
    histories = {name: history for name, history in history_of.items() if history}
    if not histories:
        raise UserError(
            "the lake has no history of the metrics in these rules; run ./shopnow demo first to create one"
        )
    first = min(history.times[0] for history in histories.values())
    last = max(history.times[-1] for history in histories.values())
    begin = max(since or first, first).replace(minute=0, second=0, microsecond=0) + HOUR
    hours = [begin + number * HOUR for number in range(int((last - begin) / HOUR) + 2)]
    evaluations = (
        (
            at,
            [
                observation
                for name, history in histories.items()
                for observation in METRICS[name].observe(name, history.rows_at(at), at)
            ],
        )
        for at in hours
    )
    notifications = [
        Notification(at, change)
        for at, changes in simulate(rules, evaluations)
        for change in changes
        if change.announced
    ]
    skipped_rules = [name for name, rule in rules.items() if METRICS[rule.metric].time is None]
    return Backtest(begin, hours[-1] if hours else begin, len(hours), notifications, skipped_rules)


class _TableHistory:
    """A table's rows ordered by time."""

    def __init__(self, rows: list[Row], time: str, days: int | None) -> None:
        self.rows = sorted(rows, key=lambda row: _visible_from(row[time]))
        self.times = [_visible_from(row[time]) for row in self.rows]
        self.days = days

    def rows_at(self, now: datetime) -> list[Row]:
        """Return the rows that were visible at `now`, at most `days` old."""
        first = bisect_left(self.times, now - timedelta(days=self.days)) if self.days else 0
        return self.rows[first : bisect_left(self.times, now)]


class _StockHistory:
    """Stock levels over time, from stock events ordered by event time and offset."""

    def __init__(self, lake: str) -> None:
        columns = ["event_time", "source_offset", "product_id", "product_name", "quantity_after"]
        events = tables.read(Table(lake, STOCK_EVENTS).open(), columns)
        self.events = events.sort_by([("event_time", "ascending"), ("source_offset", "ascending")])
        self.times = self.events["event_time"].to_pylist()
        self._applied = 0
        self._levels: dict[str, Row] = {}

    def rows_at(self, now: datetime) -> list[Row]:
        """Return every product's newest row before `now`, which must not decrease between calls."""
        end = bisect_left(self.times, now, self._applied)
        for row in self.events.slice(self._applied, end - self._applied).to_pylist():
            self._levels[row["product_id"]] = {
                **row,
                "quantity": row["quantity_after"],
                "last_event_time": row["event_time"],
            }
        self._applied = end
        return list(self._levels.values())


def _history(lake: str, metric: Metric) -> _TableHistory | _StockHistory | None:
    """Return a metric's history; None if the lake has none."""
    if metric.source == STOCK_POSITION.name:
        stock = _StockHistory(lake) if Table(lake, STOCK_EVENTS).exists() else None
        return stock if stock and stock.times else None
    rows = collect.read_rows(lake, metric._replace(newest_days=None)) if metric.time else []
    return _TableHistory(rows, str(metric.time), metric.newest_days) if rows else None


def _visible_from(value: datetime | date) -> datetime:
    """Return when a row became visible: an hour's row from its start, a day's row from the end of the day."""
    return (
        value
        if isinstance(value, datetime)
        else datetime.combine(value + timedelta(days=1), datetime.min.time(), UTC)
    )
