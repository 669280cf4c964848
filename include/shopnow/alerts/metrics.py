"""The figures that rules look at: each a small pure function from rows of a table to observations, and where its rows come from.

A new figure is one function and one entry of `FIGURES`. Rows are dicts; a table that is not there has none.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from shopnow.alerts.engine import Observation
from shopnow.audit import audit_log
from shopnow.kpis import ANOMALIES, DELIVERIES, PAYMENTS, SALES_HOURLY, STOCK_COVER, STOCK_POSITION

Row = dict[str, Any]

WAITING = "waiting"
"""No table: what has landed and is in no event yet, as `observing` works it out."""

HOURS = 2
"""Of payments: so many hours, the running one among them, tell more than one and forget soon enough."""
WATCHED = ("orders", "net_revenue_cents")
"""The figures of `kpi/anomalies` of which too little is a drop in sales."""


class Figure(NamedTuple):
    """What a rule can look at."""

    definition: str
    about: str
    """The kind of thing it is a figure of."""
    source: str
    columns: Sequence[str]
    """Those that are read; none of the stock, which `shelves` knows."""
    time: str | None
    """The column that says which rows there were at some time in the past; None if the table tells only of now."""
    observe: Callable[[str, Sequence[Row], datetime], list[Observation]]
    """From the figure's name, the rows and the time."""
    newest_days: int | None = None
    """So many of the newest dates are read; all if None."""


def stock_quantity(figure: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    return [
        Observation(
            figure,
            row["product_id"],
            row["product_name"],
            row["quantity"],
            row["last_event_time"],
            f"{row['quantity']} left",
        )
        for row in rows
    ]


def share_of_reorder_point(figure: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    return [
        _of_product(
            figure,
            row,
            row["quantity"] / row["reorder_point"],
            now,
            f"its reorder point is {row['reorder_point']}",
        )
        for row in rows
        if row["reorder_point"]
    ]


def share_of_lead_time(figure: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    return [
        _of_product(
            figure,
            row,
            row["days_of_cover"] / row["lead_time_days"],
            now,
            f"enough for {row['days_of_cover']:.1f} days; a delivery takes {row['lead_time_days']:.1f}",
        )
        for row in rows
        if row["lead_time_days"] and row["days_of_cover"] is not None
    ]


def _of_product(figure: str, row: Row, value: float, now: datetime, facts: str) -> Observation:
    return Observation(
        figure,
        row["product_id"],
        row["product_name"],
        value,
        row["computed_at"] or now,
        f"{row['quantity']} left, {facts}",
    )


def share_of_expected(figure: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    found = []
    for row in _newest(rows, "hour", ("currency", "figure")):
        if row["figure"] in WATCHED and row["expected"] and row["value"] is not None:
            # What differs no more than chance would is as expected, however few there are.
            share = row["value"] / row["expected"] if row["anomaly"] else 1.0
            name = f"{row['figure'].removesuffix('_cents').replace('_', ' ')}, {row['currency']}"
            unit = 100 if row["figure"].endswith("_cents") else 1
            facts = f"{row['value'] / unit:,.0f} in the hour from {row['hour']:%H:%M} UTC, {row['expected'] / unit:,.0f} expected"
            found.append(
                Observation(
                    figure,
                    f"{row['figure']}/{row['currency']}",
                    name,
                    share,
                    row["hour"] + timedelta(hours=1),
                    facts,
                )
            )
    return found


def share_of_payments_failed(figure: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    found = []
    for currency, of_currency in _grouped(rows, "currency").items():
        newest = max(row["hour"] for row in of_currency)
        last = [row for row in of_currency if row["hour"] > newest - timedelta(hours=HOURS)]
        failed = sum(row["payments_failed"] for row in last)
        attempts = failed + sum(row["payments_succeeded"] for row in last)
        facts = f"{failed:,} of {attempts:,} failed in {HOURS} hours"
        found += _share(figure, str(currency), f"all methods, {currency}", failed, attempts, newest, facts)
    return found


def share_of_method_failed(figure: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    found = []
    for row in _newest(rows, "date", ("currency", "method")):
        facts = f"{row['failed']:,} of {row['attempts']:,} failed on {row['date']}"
        subject, name = f"{row['method']}/{row['currency']}", f"{row['method']}, {row['currency']}"
        found += _share(figure, subject, name, row["failed"], row["attempts"], _start(row["date"]), facts)
    return found


def share_of_deliveries_overdue(figure: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    if not rows:
        return []
    row = max(rows, key=lambda row: row["date"])  # each date's are all that were open then
    under_way = row["pending"] + row["in_transit"]
    facts = f"{row['overdue']:,} of {under_way:,} open deliveries are overdue"
    return _share(figure, "all", "all carriers", row["overdue"], under_way, row["as_of"], facts)


def minutes_landed_unused(figure: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    found = []
    for row in rows:
        minutes = (now - row["since"]).total_seconds() / 60 if row["since"] else 0.0
        facts = f"records wait since {row['since']:%H:%M} UTC" if row["since"] else "nothing waits"
        found.append(
            Observation(figure, row["topic"], f"topic {row['topic']}", minutes, row["since"] or now, facts)
        )
    return found


def missing_rows(figure: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    if not rows:
        return []
    day = max(row["date"] for row in rows)
    missing = [row["missing_rows"] for row in rows if row["date"] == day]
    known = max((each for each in missing if each is not None), default=0)
    facts = (
        f"nobody knows how many records of {day} are missing"
        if None in missing
        else f"at most {known:,} records of {day} are missing"
    )
    # Not known is not none.
    return [
        Observation(
            figure,
            SALES_HOURLY.name,
            SALES_HOURLY.name,
            max(known, 1) if None in missing else known,
            _start(day),
            facts,
        )
    ]


def broken_checks(figure: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    if not rows:
        return []
    at = max(row["audited_at"] for row in rows)
    broken = [row for row in rows if row["audited_at"] == at and not row["ok"]]
    facts = "; ".join(f"{row['check']}: {row['detail']}" for row in broken) or "every check holds"
    return [Observation(figure, "lake", "the lake", len(broken), at, facts[:400])]


def _share(
    figure: str, subject: str, name: str, part: int, whole: int, at: datetime, facts: str
) -> list[Observation]:
    return (
        [Observation(figure, subject, name, part / whole, at, f"{part / whole:.0%}: {facts}", whole)]
        if whole
        else []
    )


def _grouped(rows: Iterable[Row], *by: str) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        key = tuple(row[name] for name in by)
        groups.setdefault(key if len(by) > 1 else key[0], []).append(row)
    return groups


def _newest(rows: Iterable[Row], time: str, by: tuple[str, ...]) -> list[Row]:
    """The newest row of each group."""
    return [max(group, key=lambda row: row[time]) for group in _grouped(rows, *by).values()]


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


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

FIGURES: dict[str, Figure] = {
    "stock_quantity": Figure(
        "pieces of a product on hand",
        "product",
        STOCK_POSITION.name,
        (),
        "last_event_time",
        stock_quantity,
    ),
    "share_of_reorder_point": Figure(
        "pieces on hand ÷ reorder point", "product", STOCK_COVER.name, _COVER, None, share_of_reorder_point
    ),
    "share_of_lead_time": Figure(
        "days that the pieces on hand last ÷ days a delivery takes",
        "product",
        STOCK_COVER.name,
        _COVER,
        None,
        share_of_lead_time,
    ),
    "share_of_expected": Figure(
        "orders, or net revenue, of the newest hour ÷ what is expected of it; 1 while the difference is within chance",
        "sales figure",
        ANOMALIES.name,
        ("hour", "currency", "figure", "value", "expected", "anomaly"),
        "hour",
        share_of_expected,
        newest_days=2,
    ),
    "share_of_payments_failed": Figure(
        f"payments failed ÷ payments tried, in the newest {HOURS} hours, the running one among them",
        "currency",
        SALES_HOURLY.name,
        ("hour", "currency", "payments_failed", "payments_succeeded"),
        "hour",
        share_of_payments_failed,
        newest_days=2,
    ),
    "share_of_method_failed": Figure(
        "payments failed ÷ payments tried by one method, on the newest day",
        "payment method",
        PAYMENTS.name,
        ("date", "currency", "method", "attempts", "failed"),
        "date",
        share_of_method_failed,
        newest_days=7,
    ),
    "share_of_deliveries_overdue": Figure(
        "deliveries overdue ÷ deliveries pending or in transit, as of the newest delivery event",
        "shop",
        DELIVERIES.name,
        ("date", "as_of", "overdue", "pending", "in_transit"),
        "date",
        share_of_deliveries_overdue,
        newest_days=1,
    ),
    "minutes_landed_unused": Figure(
        "minutes since the oldest landing of a topic whose records are in no event table yet",
        "topic",
        WAITING,
        ("topic", "since"),
        None,
        minutes_landed_unused,
    ),
    "missing_rows": Figure(
        "records, at most, that were lost before the sales of the newest day were made of them; at least 1 if nobody knows",
        "table",
        SALES_HOURLY.name,
        ("date", "missing_rows"),
        None,
        missing_rows,
        newest_days=1,
    ),
    "broken_checks": Figure(
        "checks of the newest audit that do not hold",
        "lake",
        audit_log.TABLE,
        ("audited_at", "ok", "check", "detail"),
        "audited_at",
        broken_checks,
    ),
}
