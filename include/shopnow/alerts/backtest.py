"""A dry run: what rules would have told of, had somebody looked at the lake every hour in the past. Nothing is sent or written."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from shopnow.alerts import alert_log, collect
from shopnow.alerts.engine import AlertStatus, Change, Observation, changes
from shopnow.alerts.metrics import FIGURES, Figure, Row
from shopnow.alerts.rules import Rule
from shopnow.errors import UserError
from shopnow.kpis import STOCK_POSITION
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table

HOUR = timedelta(hours=1)
STOCK_EVENTS = "events/stock"


class Told(NamedTuple):
    """A change that a look would have told of."""

    at: datetime
    change: Change


class Replay(NamedTuple):
    """What was looked at, from when to when, and what would have been told."""

    since: datetime
    until: datetime
    looks: int
    told: list[Told]
    not_replayed: list[str]
    """Rules whose tables tell only of now."""


def run(
    rules: Mapping[str, Rule], looks: Iterable[tuple[datetime, list[Observation]]]
) -> Iterator[tuple[datetime, list[Change]]]:
    """What each look changes, beginning with no alert at all."""
    standings: dict[str, AlertStatus] = {}
    for number, (at, observations) in enumerate(looks):
        found = changes(rules, standings, observations, at)
        for change in found:
            alert = change.alert._replace(
                thread=change.alert.thread or (str(number) if change.announced else None)
            )
            alert_log.follow(standings, alert, at if change.announced else None)
        yield at, found


def over(lake: str, rules: Mapping[str, Rule], since: datetime | None = None) -> Replay:
    """The dry run over what the lake holds, hour by hour, since then or since its beginning.

    Raises:
        UserError: it holds nothing that these rules look at.
    """
    past = {
        name: _past(lake, FIGURES[name]) for name in dict.fromkeys(rule.looks_at for rule in rules.values())
    }
    kept = {name: each for name, each in past.items() if each}
    if not kept:
        raise UserError("the lake holds nothing of the past that these rules look at; see ./shopnow demo")
    first, last = min(each.times[0] for each in kept.values()), max(each.times[-1] for each in kept.values())
    begin = max(since or first, first).replace(minute=0, second=0, microsecond=0) + HOUR
    hours = [begin + number * HOUR for number in range(int((last - begin) / HOUR) + 2)]
    looks = (
        (at, [seen for name, each in kept.items() for seen in FIGURES[name].observe(name, each.at(at), at)])
        for at in hours
    )
    told = [Told(at, change) for at, found in run(rules, looks) for change in found if change.announced]
    not_replayed = [name for name, rule in rules.items() if FIGURES[rule.looks_at].time is None]
    return Replay(begin, hours[-1] if hours else begin, len(hours), told, not_replayed)


class _Rows:
    """A table's rows in the order of time."""

    def __init__(self, rows: list[Row], time: str, days: int | None) -> None:
        self.rows = sorted(rows, key=lambda row: _moment(row[time]))
        self.times = [_moment(row[time]) for row in self.rows]
        self.days = days

    def at(self, now: datetime) -> list[Row]:
        """Those there were by then: hours and days that were over, but for those too old to be looked at."""
        first = bisect_left(self.times, now - timedelta(days=self.days)) if self.days else 0
        return self.rows[first : bisect_left(self.times, now)]


class _Shelves:
    """The stock after each event, in the order of event time and offset."""

    def __init__(self, lake: str) -> None:
        columns = ["event_time", "source_offset", "product_id", "product_name", "quantity_after"]
        events = tables.read(Table(lake, STOCK_EVENTS).open(), columns)
        self.events = events.sort_by([("event_time", "ascending"), ("source_offset", "ascending")])
        self.times = self.events["event_time"].to_pylist()
        self.done = 0
        self.shelves: dict[str, Row] = {}

    def at(self, now: datetime) -> list[Row]:
        """Every product's newest row by then; times only ever go on."""
        upto = bisect_left(self.times, now, self.done)
        for row in self.events.slice(self.done, upto - self.done).to_pylist():
            self.shelves[row["product_id"]] = {
                **row,
                "quantity": row["quantity_after"],
                "last_event_time": row["event_time"],
            }
        self.done = upto
        return list(self.shelves.values())


def _past(lake: str, figure: Figure) -> "_Rows | _Shelves | None":
    """What the lake holds of a figure's past; None if nothing."""
    if figure.source == STOCK_POSITION.name:
        found = _Shelves(lake) if Table(lake, STOCK_EVENTS).exists() else None
        return found if found and found.times else None
    rows = collect.rows(lake, figure._replace(newest_days=None)) if figure.time else []
    return _Rows(rows, str(figure.time), figure.newest_days) if rows else None


def _moment(value: datetime | date) -> datetime:
    """When a row was there to be seen: a day when it was over, an hour, which is named by its start, from then on."""
    return (
        value
        if isinstance(value, datetime)
        else datetime.combine(value + timedelta(days=1), datetime.min.time(), UTC)
    )
