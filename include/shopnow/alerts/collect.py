"""Collect observations: read the rows of the rules' metrics from the lake and compute the metrics."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from deltalake import DeltaTable

from shopnow.alerts import invalid_records, live_stock
from shopnow.alerts.data_state import HELD_BACK, INVALID_RECORDS, UNPROCESSED
from shopnow.alerts.live_stock import StockLevel
from shopnow.alerts.metrics import METRICS, Metric
from shopnow.alerts.model import Observation
from shopnow.alerts.rows import Row
from shopnow.alerts.rules import Rule
from shopnow.broker import held_back
from shopnow.broker.client import Conf
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.kpis import STOCK_COVER, STOCK_POSITION
from shopnow.lake.delta import log, tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.lineage import lineage
from shopnow.text_format import one_line

_log = logging.getLogger(__name__)


class Observed(NamedTuple):
    """The observations, and what could not be evaluated with the reason."""

    observations: list[Observation]
    failures: list[str]


def observe(
    lake: str,
    rules: Mapping[str, Rule],
    now: datetime,
    conf: Conf | None = None,
    quarantine_limit: float = invalid_records.DEFAULT_LIMIT,
) -> Observed:
    """Return the observations of all metrics of the rules; a missing table gives none.

    A metric, or a product, whose evaluation fails blocks no other: it is named in `failures`, and the state
    of its alerts does not change.

    Args:
        conf: with it, stock levels include the records in the topic that the lake does not have yet, and
            topics are observed in Kafka.
        quarantine_limit: share of invalid records from which on they are an alert.
    """
    metrics = {rule.metric: METRICS[rule.metric] for rule in rules.values()}
    observed = Observed([], [])
    levels: list[StockLevel] = []
    if stock_metrics := [name for name, metric in metrics.items() if metric.about == "product"]:
        try:
            levels = live_stock.current_levels(conf, lake)
        except Exception as error:
            _add_failure(observed, "stock levels", error)
            metrics = {name: metric for name, metric in metrics.items() if name not in stock_metrics}
    for name, metric in metrics.items():
        try:
            rows = until(now, read_rows(lake, metric, levels, conf, quarantine_limit))
        except Exception as error:
            _add_failure(observed, name, error)
        else:
            _observe_rows(observed, name, metric, rows, now)
    return observed


def _observe_rows(observed: Observed, name: str, metric: Metric, rows: list[Row], now: datetime) -> None:
    try:
        observed.observations.extend(metric.observe(name, rows, now))
    except Exception as error:
        is_product = metric.about == "product" and len(rows) > 0
        if not is_product or len(rows) == 1:
            subject = f"{name} of {rows[0].get('product_id')!r}" if is_product else name
            _add_failure(observed, subject, error)
            return
        # Each row is about one product, so the others can be evaluated alone.
        for row in rows:
            _observe_rows(observed, name, metric, [row], now)


def _add_failure(observed: Observed, what: str, error: Exception) -> None:
    _log.error("%s cannot be evaluated", what, exc_info=error)
    reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    observed.failures.append(one_line(f"{what}: {reason}", max_length=300))


def until(now: datetime, rows: Sequence[Row]) -> list[Row]:
    """Return the rows whose hour or date has begun: no clock ahead of ours decides which is the newest."""
    return [row for row in rows if row.get("hour", now) <= now and row.get("date", now.date()) <= now.date()]


def read_rows(
    lake: str,
    metric: Metric,
    levels: Sequence[StockLevel] = (),
    conf: Conf | None = None,
    quarantine_limit: float = invalid_records.DEFAULT_LIMIT,
) -> list[Row]:
    """Return the rows of a metric; rows about products have the quantities of `levels`.

    Without `conf` there are no rows about topics in Kafka.
    """
    if metric.source == HELD_BACK:
        return _held_back(conf) if conf else []
    if metric.source == INVALID_RECORDS:
        return invalid_records.read_rows(lake, quarantine_limit, datetime.now(UTC))
    if metric.source == STOCK_POSITION.name:
        return [{**level._asdict(), "last_event_time": level.at} for level in levels]
    if metric.source == STOCK_COVER.name:
        return _with_levels(_read(lake, metric), levels)
    return _read(lake, metric)


def _held_back(conf: Conf) -> list[Row]:
    """Return each topic's records behind an open transaction; `since` is None if there is none."""
    held = {topic.topic: topic._asdict() for topic in held_back.read(conf, TOPICS)}
    return [held.get(topic, {"topic": topic, "records": 0, "since": None}) for topic in TOPICS]


def _with_levels(cover: list[Row], levels: Sequence[StockLevel]) -> list[Row]:
    """Combine the rows of stock cover, whose reorder points change slowly, with the current quantities."""
    level_of = {level.product_id: level for level in levels}
    rows = []
    for row in cover:
        if level := level_of.get(row["product_id"]):
            days = level.quantity / row["demand_per_day"] if row["demand_per_day"] else None
            row = {**row, "quantity": level.quantity, "days_of_cover": days, "computed_at": level.at}
        rows.append(row)
    return rows


def _read(lake: str, metric: Metric) -> list[Row]:
    if metric.source == UNPROCESSED:
        return _unprocessed(lake)
    table = Table(lake, metric.source).open_if_exists()
    if table is None:
        return []
    if missing := set(metric.columns) - {field.name for field in table.schema().fields}:
        _log.warning(
            "table %s lacks columns %s: its metrics are skipped until compute_kpis adds them",
            metric.source,
            ", ".join(sorted(missing)),
        )
        return []
    predicate = None
    if metric.newest_days and "date" in table.metadata().partition_columns:
        today = str(datetime.now(UTC).date())
        days = sorted(day for day in {part["date"] for part in table.partitions()} if day <= today)
        predicate = f"date >= '{days[-metric.newest_days :][0]}'" if days else None
    return tables.read(table, list(metric.columns), predicate).to_pylist()


def _unprocessed(lake: str) -> list[Row]:
    """Return each topic's commit time of its oldest records without events; None if all have events."""
    rows = []
    for topic in TOPICS:
        if (raw := Table(lake, f"raw/{topic}").open_if_exists()) is not None:
            events = Table(lake, f"events/{topic}").open_if_exists()
            # Comparing commit times first avoids reading lineage, which takes many times as long. A
            # compaction of the events may hide unprocessed records until the next landing.
            may_lag = events is None or _committed_at(events) < _committed_at(raw)
            since = _oldest_unprocessed(lake, topic, raw, events) if may_lag else None
            rows.append({"topic": topic, "since": since})
    return rows


def _committed_at(table: DeltaTable) -> datetime:
    """Return the time of the table's newest commit."""
    return datetime.fromtimestamp(table.history(1)[0]["timestamp"] / 1000, UTC)


def _oldest_unprocessed(lake: str, topic: str, raw: DeltaTable, events: DeltaTable | None) -> datetime | None:
    """Return the time of the first raw commit whose records are not in the events; None if there is none."""
    raw_table, newest = Table(lake, f"raw/{topic}"), raw.version()
    source_version = 0
    if events is not None:
        sources = lineage.sources(Table(lake, f"events/{topic}"), events.version())
        source_version = sources.get(raw_table.name, 0)
    processed = lineage.latest_equivalent_version(raw_table, source_version, newest)
    # Commits without records, such as those of retention, need no processing.
    if processed == newest or lineage.new_offsets(raw_table, processed, newest) == []:
        return None
    first = next((actions for _, actions in raw_table.commits(processed + 1, processed + 1)), [])
    return datetime.fromtimestamp(log.info(first)["timestamp"] / 1000, UTC) if first else None
