"""Sales that are not in the proved KPI tables yet: on their topics, or landed and not computed.

They are the differences between `sales_now`, which has every event, and `kpi/sales_hourly`, in the hours of
which it has more events. So a sale is counted once whether or not its KPI row has been computed by now.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from shopnow_tab_app.pages.period import Period
from shopnow_tab_app.pages.sales import Rows
from shopnow_tab_app.replica.client import LakeReplica

COLUMNS = ("orders", "payments_succeeded", "payments_failed", "net_revenue_cents")
MAX = 2**63 - 1


class ProvisionalSales(NamedTuple):
    """The provisional part of the figures in `COLUMNS`, of each hour that has one."""

    hours: Rows

    @property
    def days(self) -> Rows:
        """The sums of each day."""
        days: dict[date, dict[str, Any]] = {}
        for row in self.hours:
            day = row["hour"].date()
            sums = days.setdefault(day, {"date": day, **dict.fromkeys(COLUMNS, 0)})
            for name in COLUMNS:
                sums[name] += row[name]
        return list(days.values())

    @property
    def total(self) -> Mapping[str, int]:
        """The sums of all hours, by column."""
        return {name: sum(row[name] for row in self.hours) for name in COLUMNS}


def read(lake: LakeReplica, currency: str | None, period: Period) -> ProvisionalSales:
    """Return the provisional sales of a period."""
    differences = ", ".join(
        f"least(greatest(now.{name} - coalesce(proved.{name}, 0), -{MAX}), {MAX})::BIGINT AS {name}"
        for name in COLUMNS
    )
    hours = lake.query(
        f"""
        SELECT hour, {differences}
        FROM sales_now AS now LEFT JOIN "kpi/sales_hourly" AS proved USING (hour, currency)
        WHERE currency = $currency AND hour >= $first::DATE::TIMESTAMPTZ
            AND hour < $last::DATE::TIMESTAMPTZ + INTERVAL 1 DAY
            AND now.events > coalesce(
                proved.orders + proved.payments_succeeded + proved.payments_failed + proved.refunds, 0
            )
        ORDER BY 1
        """,  # noqa: S608  (names of our own; values are bound)
        {"currency": currency, "first": period.first, "last": period.last},
    )
    return ProvisionalSales(hours)


def add(proved: Rows, provisional: Rows, label: str) -> Rows:
    """Return proved rows with the provisional figures added, ordered by `label`, the hour or the date."""
    rows = {row[label]: dict(row) for row in proved}
    for part in provisional:
        row = rows.setdefault(part[label], {label: part[label]})
        for name in COLUMNS:
            row[name] = (row.get(name) or 0) + part[name]
    return [rows[key] for key in sorted(rows)]
