import pytest

from shopnow_spark.refreshed import Refreshed


@pytest.mark.parametrize(
    ("done", "line"),
    [
        (Refreshed("events/orders", 1200, 1100, ["2026-11-01"]), "events/orders: 1,200 new events, 1,100 rows written (2026-11-01)"),
        (
            Refreshed("kpi/sales_daily", None, 4, ["2026-11-01", "2026-11-02", "2026-11-04", "2026-11-09"]),
            "kpi/sales_daily: 4 rows written (4 dates, 2026-11-01 to 2026-11-09)",
        ),
        (Refreshed("kpi/stock_position", None, 42), "kpi/stock_position: 42 rows written"),
    ],
)
def test_summary(done, line):
    assert done.summary() == line
