"""The oracle of stock on a few events each, with figures reckoned by hand."""

from datetime import date, timedelta
from math import ceil

import pytest

from factories.events import order_item
from factories.oracle_events import at, order, rows, select, stock
from shopnow.events import (
    StockAdjusted,
    StockRestocked,
    StockSold,
)

MOST = 2**63 - 1

STOCKED = [
    stock(StockAdjusted, at(1, 6), 10, 10),
    stock(StockSold, at(1, 12), -4, 6),
    stock(StockSold, at(2, 6), -6, 0),
    stock(StockRestocked, at(4, 6), 8, 8, name="New"),
    stock(StockSold, at(4, 6), -1, 7),
    stock(StockAdjusted, at(4, 18), 5, 5, "q"),
    stock(StockAdjusted, at(5, 12), 0, 5, "q"),
]


def test_stock():
    position = (
        "product_id",
        "product_name",
        "quantity",
        "sold_units",
        "last_event_time",
        "last_offset",
        "stock_out",
    )
    assert select(rows("stock_position", STOCKED), *position) == [
        ("p", "P", 7, 11, at(4, 6), 4, False),
        ("q", "P", 5, 0, at(5, 12), 6, False),
    ]
    daily = (
        "product_id",
        "opening",
        "sold",
        "restocked",
        "adjusted",
        "closing",
        "in_stock_seconds",
        "observed_seconds",
    )
    result = rows("stock_daily", STOCKED)
    assert select(result, "date", *daily) == [
        (date(2026, 1, 1), "p", 0, 4, 0, 10, 6, 6 * 3600, 12 * 3600),
        (date(2026, 1, 2), "p", 6, 6, 0, 0, 0, 6 * 3600, 6 * 3600),
        (date(2026, 1, 4), "p", 0, 1, 8, 0, 7, 12 * 3600, 18 * 3600),
        (date(2026, 1, 4), "q", 0, 0, 0, 5, 5, 0, 18 * 3600),
        (date(2026, 1, 5), "q", 5, 0, 0, 0, 5, 12 * 3600, 12 * 3600),
    ]
    assert select(result, "sold_per_day_in_stock") == [(16,), (24,), (2,), (None,), (0,)]


def test_shop_sales_count_only_while_a_product_is_in_stock():
    events = [
        *(stock(StockSold, at(1, hour), -1, 50, "other") for hour in (0, 1, 2, 3, 4, 5, 6)),
        stock(StockSold, at(1, 2), -1, 0),  # in stock from midnight until the last unit was sold
        stock(StockRestocked, at(1, 4), 9, 9),  # from then on, without the beginning
        stock(StockSold, at(1, 6), -2, 7),
    ]
    other, p = rows("stock_daily", events)
    assert select([other, p], "shop_sold_in_stock") == [(10,), (3 + 1 + 2 + 2,)]


def test_stock_outs():
    events = [
        *STOCKED,
        stock(StockSold, at(1, 8), -2, 90, "r"),
        stock(StockSold, at(2, 6), -100, 90, "r"),
        stock(StockSold, at(2, 7), -8, 90, "r"),
        stock(StockSold, at(4, 6), -16, 90, "r"),
        stock(StockSold, at(4, 7), -32, 90, "r"),
        order(at(2, 1), order_item(quantity=3, price=100)),
        order(at(1), order_item(quantity=3, price=9), currency="AUD"),
    ]
    out = ("started_at", "product_name", "ended_at", "duration_seconds", "shop_sold", "shop_sold_first_day")
    [result] = rows("stock_outs", events)
    assert select([result], *out) == [(at(2, 6), "P", at(4, 6), 48 * 3600, 8 + 16 + 1, 8)]
    # While it was in stock, 10 units of it and 102 of other products were sold.
    worth = ("demand_share", "lost_units", "currency", "unit_price_cents", "lost_cents")
    assert select([result], *worth) == [(10 / 102, 10 / 102 * 25, "AUD", 9, 22)]
    at_once = [
        stock(StockRestocked, at(2, 6), 1, 1),
        stock(StockSold, at(2, 6), -1, 0),
    ]  # in stock for no time, so only the second stock-out counts
    [result] = rows("stock_outs", [*STOCKED[:3], *at_once])
    assert select([result], "started_at", "ended_at") == [(at(2, 6), None)]
    [result] = rows("stock_outs", STOCKED[:3])
    assert select([result], *out, *worth) == [(at(2, 6), "P", None, 0, 0, 0, None, None, None, None, None)]


def test_stock_cover():
    p, q = rows("stock_cover", STOCKED)
    # On four days in 6, 6, 12 and, as it closed with something left, 12 hours: 11 sold, by day 4, 6, 1 and 0.
    demand, deviation, lead = 11 / 1.5, (4 * 53 - 11**2) ** 0.5 / 4, 2.0
    assert select([p], "as_of", "quantity", "lead_time_days", "lead_time_sd_days") == [
        (date(2026, 1, 5), 7, lead, 0)
    ]
    assert select([p], "demand_per_day", "demand_sd", "days_of_cover")[0] == pytest.approx(
        (demand, deviation, 7 / demand)
    )
    buffer = 1.959964 * (lead * deviation**2) ** 0.5
    assert select([p], "safety_stock", "reorder_point", "below_reorder_point") == [
        (ceil(buffer), ceil(demand * lead + buffer), True)
    ]
    assert select(
        [q], "quantity", "demand_per_day", "days_of_cover", "safety_stock", "below_reorder_point"
    ) == [(5, 0, None, 0, False)]
    [before] = rows("stock_cover", STOCKED[:5], now=at(2, 0))
    assert select([before], "as_of", "quantity", "demand_per_day") == [(date(2026, 1, 2), 7, 20)]
    [never] = rows("stock_cover", STOCKED[:5], now=at(1, 0) - timedelta(1))
    assert select(
        [never], "as_of", "demand_per_day", "safety_stock", "lead_time_days", "below_reorder_point"
    ) == [(None, None, None, 2, None)]
