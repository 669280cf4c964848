"""The money at risk of a product that runs out before an order arrives."""

from datetime import date

import pyarrow as pa
from deltalake import write_deltalake

from shopnow.alerts import money_at_risk
from shopnow.lake.delta.tables import Table

COVER = {"product_id": "mug", "demand_per_day": 4.0, "lead_time_days": 2.5}
ORDERS = {"product_id": "mug", "currency": "EUR", "units": 10, "gmv_cents": 5_000}


def test_the_pieces_missing_until_the_delivery_count_at_the_average_price():
    orders = [ORDERS, {**ORDERS, "units": 30, "gmv_cents": 35_000}]
    assert money_at_risk.estimate([COVER], orders, {"mug": 0}) == {"mug": (10 * 1_000, "EUR")}
    assert money_at_risk.estimate([COVER], orders, {"mug": 4}) == {"mug": (6 * 1_000, "EUR")}
    assert money_at_risk.estimate([COVER], orders, {"mug": 50}) == {"mug": (0, "EUR")}


def test_a_product_without_demand_price_or_alert_has_no_figure():
    assert money_at_risk.estimate([{**COVER, "demand_per_day": None}], [ORDERS], {"mug": 0}) == {}
    assert money_at_risk.estimate([COVER], [], {"mug": 0}) == {}
    assert money_at_risk.estimate([COVER], [ORDERS], {"bowl": 0}) == {}
    unknown_lead_time = money_at_risk.estimate([{**COVER, "lead_time_days": None}], [ORDERS], {"mug": 0})
    assert unknown_lead_time == {"mug": (4 * 500, "EUR")}


def test_only_the_orders_of_the_newest_days_give_the_price(tmp_path):
    lake = tmp_path.as_uri()
    assert money_at_risk.cents_at_risk(lake, {"mug": 0}) == {}
    write_deltalake(Table(lake, "kpi/stock_cover").uri, pa.Table.from_pylist([COVER]))
    assert money_at_risk.cents_at_risk(lake, {"mug": 0}) == {}
    orders = [
        {**ORDERS, "date": date(2026, 6, 1), "gmv_cents": 1_000_000},
        {**ORDERS, "date": date(2026, 7, 3)},
        {**ORDERS, "date": date(2026, 7, 30)},
    ]
    uri = Table(lake, "kpi/top_products").uri
    write_deltalake(uri, pa.Table.from_pylist(orders), partition_by=["date"])
    assert money_at_risk.cents_at_risk(lake, {"mug": 0}) == {"mug": (10 * 500, "EUR")}


def test_the_price_is_that_of_the_currency_with_most_pieces():
    yen = {**ORDERS, "currency": "JPY", "units": 11, "gmv_cents": 11_000_000}
    assert money_at_risk.estimate([COVER], [ORDERS, yen], {"mug": 0}) == {"mug": (10 * 1_000_000, "JPY")}
