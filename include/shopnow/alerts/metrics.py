"""Metrics that rules watch: pure functions from rows of a table to observations.

A new metric is one function and one entry of `METRICS`. Rows are dicts; a missing table has none.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from shopnow.alerts.data_state import (
    HELD_BACK,
    INVALID_RECORDS,
    UNPROCESSED,
    broken_checks,
    minutes_held_back,
    minutes_landed_unused,
    missing_rows,
    records_possibly_lost,
)
from shopnow.alerts.invalid_records import MAX_LANDINGS, MIN_INVALID, share_of_quarantine_limit
from shopnow.alerts.model import Observation
from shopnow.alerts.rows import Row, group, start_of_day
from shopnow.audit import audit_log
from shopnow.kpis import ANOMALIES, DELIVERIES, PAYMENTS, SALES_HOURLY, STOCK_COVER, STOCK_POSITION
from shopnow.lake.ingest.receipts import RECEIPTS

PAYMENT_WINDOW_HOURS = 2
"""Hours of payments evaluated, the current one included: enough data, without keeping old failures long."""
SALES_DROP_FIGURES = ("orders", "net_revenue_cents")
"""The figures of `kpi/anomalies` whose low values are a drop in sales."""


class Metric(NamedTuple):
    """A value that a rule can watch."""

    definition: str
    about: str
    """The kind of its subjects."""
    source: str
    columns: Sequence[str]
    """Columns that are read; none for the stock, which `live_stock` supplies."""
    time: str | None
    """The column by which past rows are selected; None if the table has only the present."""
    observe: Callable[[str, Sequence[Row], datetime], list[Observation]]
    """Function of the metric's name, the rows and the time."""
    newest_days: int | None = None
    """Number of newest dates that are read; all if None."""


def stock_quantity(metric: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    return [
        Observation(
            metric,
            row["product_id"],
            row["product_name"],
            row["quantity"],
            row["last_event_time"],
            f"{row['quantity']} left",
        )
        for row in rows
    ]


def share_of_reorder_point(metric: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    return [
        _product_observation(
            metric,
            row,
            row["quantity"] / row["reorder_point"],
            now,
            f"its reorder point is {row['reorder_point']}",
        )
        for row in rows
        if row["reorder_point"]
    ]


def share_of_lead_time(metric: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    return [
        _product_observation(
            metric,
            row,
            row["days_of_cover"] / row["lead_time_days"],
            now,
            f"enough for {row['days_of_cover']:.1f} days; a delivery takes {row['lead_time_days']:.1f}",
        )
        for row in rows
        if row["lead_time_days"] and row["days_of_cover"] is not None
    ]


def _product_observation(metric: str, row: Row, value: float, now: datetime, facts: str) -> Observation:
    return Observation(
        metric,
        row["product_id"],
        row["product_name"],
        value,
        row["computed_at"] or now,
        f"{row['quantity']} left, {facts}",
    )


def share_of_expected(metric: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    observations = []
    for row in _newest(rows, "hour", ("currency", "figure")):
        if row["figure"] in SALES_DROP_FIGURES and row["expected"] and row["value"] is not None:
            # A difference within chance counts as expected, however low the numbers are.
            share = row["value"] / row["expected"] if row["anomaly"] else 1.0
            name = f"{row['figure'].removesuffix('_cents').replace('_', ' ')}, {row['currency']}"
            unit = 100 if row["figure"].endswith("_cents") else 1
            value, expected = row["value"] / unit, row["expected"] / unit
            facts = f"{value:,.0f} in the hour from {row['hour']:%H:%M} UTC, {expected:,.0f} expected"
            observations.append(
                Observation(
                    metric,
                    f"{row['figure']}/{row['currency']}",
                    name,
                    share,
                    row["hour"] + timedelta(hours=1),
                    facts,
                )
            )
    return observations


def share_of_payments_failed(metric: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    observations = []
    for currency, currency_rows in group(rows, "currency").items():
        newest = max(row["hour"] for row in currency_rows)
        last = [row for row in currency_rows if row["hour"] > newest - timedelta(hours=PAYMENT_WINDOW_HOURS)]
        failed = sum(row["payments_failed"] for row in last)
        attempts = failed + sum(row["payments_succeeded"] for row in last)
        facts = f"{failed:,} of {attempts:,} failed in {PAYMENT_WINDOW_HOURS} hours"
        observations += _ratio(
            metric, str(currency), f"all methods, {currency}", failed, attempts, newest, facts
        )
    return observations


def share_of_method_failed(metric: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    observations = []
    for row in _newest(rows, "date", ("currency", "method")):
        facts = f"{row['failed']:,} of {row['attempts']:,} failed on {row['date']}"
        subject, name = f"{row['method']}/{row['currency']}", f"{row['method']}, {row['currency']}"
        observations += _ratio(
            metric, subject, name, row["failed"], row["attempts"], start_of_day(row["date"]), facts
        )
    return observations


def share_of_deliveries_overdue(metric: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    if not rows:
        return []
    # The row of a date counts all deliveries that were open then.
    row = max(rows, key=lambda row: row["date"])
    open_deliveries = row["pending"] + row["in_transit"]
    facts = f"{row['overdue']:,} of {open_deliveries:,} open deliveries are overdue"
    return _ratio(metric, "all", "all carriers", row["overdue"], open_deliveries, row["as_of"], facts)


def _ratio(
    metric: str, subject: str, name: str, part: int, whole: int, at: datetime, facts: str
) -> list[Observation]:
    return (
        [Observation(metric, subject, name, part / whole, at, f"{part / whole:.0%}: {facts}", whole)]
        if whole
        else []
    )


def _newest(rows: Iterable[Row], time: str, by: tuple[str, ...]) -> list[Row]:
    """Return the newest row of each group."""
    return [max(of_group, key=lambda row: row[time]) for of_group in group(rows, *by).values()]


_COVER = (
    "product_id",
    "product_name",
    "quantity",
    "demand_per_day",
    "reorder_point",
    "days_of_cover",
    "lead_time_days",
    "computed_at",
)

METRICS: dict[str, Metric] = {
    "stock_quantity": Metric(
        "units of a product on hand",
        "product",
        STOCK_POSITION.name,
        (),
        "last_event_time",
        stock_quantity,
    ),
    "share_of_reorder_point": Metric(
        "units on hand ÷ reorder point", "product", STOCK_COVER.name, _COVER, None, share_of_reorder_point
    ),
    "share_of_lead_time": Metric(
        "days of cover ÷ lead time in days",
        "product",
        STOCK_COVER.name,
        _COVER,
        None,
        share_of_lead_time,
    ),
    "share_of_expected": Metric(
        "orders or net revenue of the newest hour ÷ expected value; 1 if the difference is within chance",
        "sales figure",
        ANOMALIES.name,
        ("hour", "currency", "figure", "value", "expected", "anomaly"),
        "hour",
        share_of_expected,
        newest_days=2,
    ),
    "share_of_payments_failed": Metric(
        f"payments failed ÷ attempts in the newest {PAYMENT_WINDOW_HOURS} hours, the current one included",
        "currency",
        SALES_HOURLY.name,
        ("hour", "currency", "payments_failed", "payments_succeeded"),
        "hour",
        share_of_payments_failed,
        newest_days=2,
    ),
    "share_of_method_failed": Metric(
        "payments failed ÷ payment attempts by one method, on the newest day",
        "payment method",
        PAYMENTS.name,
        ("date", "currency", "method", "attempts", "failed"),
        "date",
        share_of_method_failed,
        newest_days=7,
    ),
    "share_of_deliveries_overdue": Metric(
        "deliveries overdue ÷ deliveries pending or in transit, as of the newest delivery event",
        "shop",
        DELIVERIES.name,
        ("date", "as_of", "overdue", "pending", "in_transit"),
        "date",
        share_of_deliveries_overdue,
        newest_days=1,
    ),
    "minutes_landed_unused": Metric(
        "minutes since the oldest landing of a topic whose records are not in the event table yet",
        "topic",
        UNPROCESSED,
        ("topic", "since"),
        None,
        minutes_landed_unused,
    ),
    "minutes_held_back": Metric(
        "minutes since the oldest record of a topic that an open transaction holds back",
        "topic",
        HELD_BACK,
        ("topic", "records", "since"),
        None,
        minutes_held_back,
    ),
    "records_possibly_lost": Metric(
        "upper bound on the records of a compacted topic that Kafka removed before they landed, in a day",
        "topic",
        RECEIPTS.table,
        ("topic", "possibly_lost", "committed_at"),
        "committed_at",
        records_possibly_lost,
        newest_days=2,
    ),
    "share_of_quarantine_limit": Metric(
        f"share of invalid records in a topic's newest {MAX_LANDINGS} landings of a day ÷ "
        f"SHOPNOW_QUARANTINE_LIMIT; 0 for fewer than {MIN_INVALID} invalid records",
        "topic",
        INVALID_RECORDS,
        ("topic", "records", "invalid", "limit", "since", "description"),
        None,
        share_of_quarantine_limit,
    ),
    "missing_rows": Metric(
        "upper bound on lost records of the newest day's sales; at least 1 if the number is unknown",
        "table",
        SALES_HOURLY.name,
        ("date", "missing_rows"),
        None,
        missing_rows,
        newest_days=1,
    ),
    "broken_checks": Metric(
        "failed checks of the newest audit",
        "lake",
        audit_log.TABLE,
        ("audited_at", "ok", "check", "detail"),
        "audited_at",
        broken_checks,
    ),
}
