"""Sales that are not in the proved KPI tables yet: on their topics, or landed and not computed.

They are the differences between `sales_now`, which has every event, and a KPI table, on the days or in the
hours of which it has more events. So a sale is counted once whether or not its KPI row has been computed by
now. The tables are copied one after the other, so figures by day and by hour each have their own difference.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from shopnow.kpis import SALES_DAILY, SALES_HOURLY
from shopnow_tab_app.pages.period import Period
from shopnow_tab_app.replica.client import LakeReplica

Rows = list[dict[str, Any]]

COLUMNS = ("orders", "payments_succeeded", "payments_failed", "net_revenue_cents")
MAX = 2**63 - 1


class Resolution(NamedTuple):
    """A KPI table of sales, and the column that has its rows' time."""

    table: str
    label: str
    """Also the SQL expression of that time for a row of `sales_now`."""


DAILY = Resolution(SALES_DAILY.name, "date")
HOURLY = Resolution(SALES_HOURLY.name, "hour")


def read(lake: LakeReplica, currency: str | None, period: Period, resolution: Resolution) -> Rows:
    """Return the provisional part of the figures in `COLUMNS`, of each day or hour that has one."""
    table, label = resolution
    differences = ", ".join(
        f"least(greatest(now.{name} - coalesce(proved.{name}, 0), -{MAX}), {MAX})::BIGINT AS {name}"
        for name in COLUMNS
    )
    sums = ", ".join(f"sum({name}) AS {name}" for name in (*COLUMNS, "events"))
    return lake.query(
        f"""
        WITH now AS (
            SELECT {label}, {sums} FROM (SELECT *, hour::DATE AS date FROM sales_now)
            WHERE currency = $currency AND hour >= $first::DATE::TIMESTAMPTZ
                AND hour < $last::DATE::TIMESTAMPTZ + INTERVAL 1 DAY
            GROUP BY 1
        )
        SELECT {label}, {differences}
        FROM now LEFT JOIN (SELECT * FROM "{table}" WHERE currency = $currency) AS proved USING ({label})
        WHERE now.events > coalesce(
            proved.orders + proved.payments_succeeded + proved.payments_failed + proved.refunds, 0
        )
        ORDER BY 1
        """,  # noqa: S608  (names of our own; values are bound)
        {"currency": currency, "first": period.first, "last": period.last},
    )


def add(proved: Rows, provisional: Rows, label: str) -> Rows:
    """Return proved rows with the provisional figures added, ordered by `label`, the hour or the date."""
    rows = {row[label]: dict(row) for row in proved}
    for part in provisional:
        row = rows.setdefault(part[label], {label: part[label]})
        for name in COLUMNS:
            row[name] = (row.get(name) or 0) + part[name]
    return [rows[key] for key in sorted(rows)]


def total(provisional: Rows) -> Mapping[str, int]:
    """Return the sums of all rows, by column."""
    return {name: sum(row[name] for row in provisional) for name in COLUMNS}
