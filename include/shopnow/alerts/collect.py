"""Looking at the lake: the rows that the rules' figures are made of, and what they show."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from deltalake import DeltaTable

from shopnow.alerts import live_stock
from shopnow.alerts.engine import Observation
from shopnow.alerts.live_stock import Shelf
from shopnow.alerts.metrics import FIGURES, WAITING, Figure, Row
from shopnow.alerts.rules import Rule
from shopnow.broker.client import Conf
from shopnow.events import TOPICS
from shopnow.kpis import STOCK_COVER, STOCK_POSITION
from shopnow.lake.delta import log, tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.lineage import lineage

_log = logging.getLogger(__name__)


def look(lake: str, rules: Mapping[str, Rule], now: datetime, conf: Conf | None = None) -> list[Observation]:
    """Everything the rules look at, as the lake shows it; of a table that is not there, nothing.

    Args:
        conf: with it, the stock is brought up to date with what the topic has beyond the lake.
    """
    looked_at = {rule.looks_at: FIGURES[rule.looks_at] for rule in rules.values()}
    on_hand = (
        live_stock.current(conf, lake)
        if any(figure.about == "product" for figure in looked_at.values())
        else []
    )
    return [
        seen
        for name, figure in looked_at.items()
        for seen in figure.observe(name, rows(lake, figure, on_hand), now)
    ]


def rows(lake: str, figure: Figure, on_hand: Sequence[Shelf] = ()) -> list[Row]:
    """The rows a figure is made of, those about products as of what is on hand."""
    if figure.source == STOCK_POSITION.name:
        return [{**shelf._asdict(), "last_event_time": shelf.at} for shelf in on_hand]
    if figure.source == STOCK_COVER.name:
        return _as_of(_rows(lake, figure), on_hand)
    return _rows(lake, figure)


def _as_of(cover: list[Row], on_hand: Sequence[Shelf]) -> list[Row]:
    """The rows of cover, whose reorder points change slowly, with the quantities that are on hand, which change fast."""
    now = {shelf.product_id: shelf for shelf in on_hand}
    found = []
    for row in cover:
        if shelf := now.get(row["product_id"]):
            days = shelf.quantity / row["demand_per_day"] if row["demand_per_day"] else None
            row = {**row, "quantity": shelf.quantity, "days_of_cover": days, "computed_at": shelf.at}
        found.append(row)
    return found


def _rows(lake: str, figure: Figure) -> list[Row]:
    if figure.source == WAITING:
        return _waiting(lake)
    if not Table(lake, figure.source).exists():
        return []
    table = Table(lake, figure.source).open()
    if missing := set(figure.columns) - {field.name for field in table.schema().fields}:
        _log.warning("%s has no %s: nothing is looked at there", figure.source, ", ".join(sorted(missing)))
        return []
    predicate = None
    if figure.newest_days and "date" in table.metadata().partition_columns:
        days = sorted({each["date"] for each in table.partitions()})[-figure.newest_days :]
        predicate = f"date >= '{days[0]}'" if days else None
    return tables.read(table, list(figure.columns), predicate).to_pylist()


def _waiting(lake: str) -> list[Row]:
    """Since when each topic's raw table holds records that no event was made from; None if it holds none."""
    found = []
    for topic in TOPICS:
        if Table(lake, f"raw/{topic}").exists():
            raw = Table(lake, f"raw/{topic}").open()
            events = Table(lake, f"events/{topic}").open_if_exists()
            # Reading lineage takes many times as long. Compaction of the events may hide what waits, until the next landing.
            behind = events is None or _committed(events) < _committed(raw)
            found.append(
                {"topic": topic, "since": _oldest_unused(lake, topic, raw, events) if behind else None}
            )
    return found


def _committed(table: DeltaTable) -> datetime:
    """When the table's newest commit was made."""
    return datetime.fromtimestamp(table.history(1)[0]["timestamp"] / 1000, UTC)


def _oldest_unused(lake: str, topic: str, raw: DeltaTable, events: DeltaTable | None) -> datetime | None:
    """When the first commit was made that brought records of which there are no events; None if there is none."""
    name, newest = f"raw/{topic}", raw.version()
    made = lineage.sources(Table(lake, f"events/{topic}"), events.version()).get(name, 0) if events else 0
    used = lineage.latest_equivalent_version(Table(lake, name), made, newest)
    # Of commits that bring no record, such as those of retention, nothing is to be made.
    if used == newest or lineage.new_offsets(Table(lake, name), used, newest) == []:
        return None
    first = next((actions for _, actions in Table(lake, name).commits(used + 1, used + 1)), [])
    return datetime.fromtimestamp(log.info(first)["timestamp"] / 1000, UTC) if first else None
