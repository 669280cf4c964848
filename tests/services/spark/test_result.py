from datetime import date

import pytest

from shopnow.lake.lineage.restatements import Restatement
from shopnow_spark.result import Refreshed


@pytest.mark.parametrize(
    ("refreshed", "line"),
    [
        (
            Refreshed("events/orders", 1200, 1100, ["2026-11-01"]),
            "events/orders: 1,200 new events, 1,100 rows written (2026-11-01)",
        ),
        (
            Refreshed("kpi/sales_daily", None, 4, ["2026-11-01", "2026-11-02", "2026-11-04", "2026-11-09"]),
            "kpi/sales_daily: 4 rows written (4 dates, 2026-11-01 to 2026-11-09)",
        ),
        (Refreshed("kpi/stock_position", None, 42), "kpi/stock_position: 42 rows written"),
        (
            Refreshed("events/orders", 3, 2, ["2026-10-01", "2026-11-01"], late=1),
            "events/orders: 3 new events, 2 rows written (2026-10-01, 2026-11-01), 1 of them late",
        ),
    ],
)
def test_summary(refreshed, line):
    assert refreshed.summary() == line


def test_each_restated_date_has_a_line():
    def restated(day: int, figure: str, late: int, reason: str) -> Restatement:
        return Restatement("kpi/sales_daily", date(2026, 11, day), "EUR", figure, 10, 12, late, reason)

    restatements = [
        restated(20, "orders", 2, "…"),
        restated(20, "units", 2, "…"),
        restated(21, "orders", 0, "rebuild"),
    ]
    assert Refreshed(
        "kpi/sales_daily", None, 4, ["2026-11-20", "2026-11-21"], restated=restatements
    ).summary().splitlines()[1:] == [
        "kpi/sales_daily: 2026-11-20 EUR restated: orders 10 -> 12, units 10 -> 12 (2 late events)",
        "kpi/sales_daily: 2026-11-21 EUR restated: orders 10 -> 12 (rebuild)",
    ]
