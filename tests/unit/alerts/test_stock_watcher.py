"""Which stock events wake watch_stock."""

from datetime import UTC, datetime

import pytest

from factories.alert_factory import cover
from shopnow.alerts import stock_watcher
from shopnow.alerts.stock_watcher import Thresholds
from shopnow.events import SCHEMA_VERSION, StockAdjusted

THRESHOLDS = Thresholds(frozenset({0, 5, 7}), {"p": frozenset({20})})


def adjusted(before: int, after: int, product: str = "q") -> StockAdjusted:
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
def test_crossing_a_threshold_in_either_direction_wakes(before, after):
    assert stock_watcher.crosses_threshold(adjusted(before, after), THRESHOLDS)


@pytest.mark.parametrize(("before", "after"), [(5, 4), (4, 1), (30, 8), (20, 19), (8, 30), (0, 0)])
def test_staying_on_one_side_of_every_threshold_does_not_wake(before, after):
    assert not stock_watcher.crosses_threshold(adjusted(before, after), THRESHOLDS)


@pytest.mark.parametrize(("before", "after"), [(21, 20), (20, 21)])
def test_a_reorder_point_is_a_threshold_of_its_product_only(before, after):
    assert stock_watcher.crosses_threshold(adjusted(before, after, "p"), THRESHOLDS)
    assert not stock_watcher.crosses_threshold(adjusted(before, after, "q"), THRESHOLDS)


def test_thresholds_are_those_of_the_stock_rules_in_units(lake, table):
    rare = cover(product_id="rare", demand_per_day=None, days_of_cover=None, reorder_point=None)
    table("kpi/stock_cover", [cover(reorder_point=20, demand_per_day=3.0, lead_time_days=4.0), rare])
    thresholds = stock_watcher.load_thresholds(lake)
    assert thresholds.common == {0, 2, 5, 7}
    assert thresholds.by_product == {"p-1": {20, 22, 12, 15}, "rare": set()}
