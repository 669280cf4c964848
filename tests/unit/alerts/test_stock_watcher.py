"""Which stock events wake the alerts."""

from datetime import UTC, datetime

import pytest

from factories.alert_factory import cover
from shopnow.alerts import stock_watcher
from shopnow.alerts.stock_watcher import Limits
from shopnow.events import SCHEMA_VERSION, StockAdjusted

LIMITS = Limits(frozenset({0, 5, 7}), {"p": frozenset({20})})


def counted(before: int, after: int, product: str = "q") -> StockAdjusted:
    return StockAdjusted(
        event_id="e" * 36,
        event_time=datetime(2026, 7, 1, tzinfo=UTC),
        schema_version=SCHEMA_VERSION,
        product_id=product,
        product_name="Mug",
        quantity_change=after - before,
        quantity_after=after,
        reason="counted",
    )


@pytest.mark.parametrize(("before", "after"), [(1, 0), (9, 0), (6, 5), (0, 1), (7, 8), (0, 100)])
def test_a_limit_that_is_crossed_either_way_wakes(before, after):
    assert stock_watcher.crosses(counted(before, after), LIMITS)


@pytest.mark.parametrize(("before", "after"), [(5, 4), (4, 1), (30, 8), (20, 19), (8, 30), (0, 0)])
def test_what_stays_on_its_side_of_every_limit_does_not(before, after):
    assert not stock_watcher.crosses(counted(before, after), LIMITS)


@pytest.mark.parametrize(("before", "after"), [(21, 20), (20, 21)])
def test_a_product_has_a_limit_of_its_own_in_its_reorder_point(before, after):
    assert stock_watcher.crosses(counted(before, after, "p"), LIMITS)
    assert not stock_watcher.crosses(counted(before, after, "q"), LIMITS)


def test_limits_are_those_of_rules_about_the_stock_in_pieces(lake, table):
    rare = cover(product_id="rare", demand_per_day=None, days_of_cover=None, reorder_point=None)
    table("kpi/stock_cover", [cover(reorder_point=20, demand_per_day=3.0, lead_time_days=4.0), rare])
    found = stock_watcher.limits(lake)
    assert found.common == {0, 2, 5, 7}
    assert found.own == {"p-1": {20, 22, 12, 15}, "rare": set()}
