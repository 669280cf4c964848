"""KPI tables with a few plausible rows, without events, for code that only reads them.

`sample_lake` writes consistent tables of any size instead.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from shopnow import kpis
from shopnow.kpis import Kpi
from shopnow.lake.delta.tables import Table

DAY = date(2026, 11, 24)
PRODUCTS = (
    "Espresso Machine",
    "Running Shoes",
    "Desk Lamp",
    "Yoga Mat",
    "Bluetooth Speaker",
    "Cotton T-Shirt",
    "Chef's Knife",
    "Backpack",
)
CATEGORIES = ("Home", "Sports", "Electronics", "Fashion")
COUNTRIES = ("DE", "FR", "NL", "AT")

Rows = dict[str, list[dict[str, Any]]]


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def sample(day: date = DAY, currencies: Sequence[str] = ("EUR",), products: Sequence[str] = PRODUCTS) -> Rows:
    """Return rows of every KPI table for a day, and of the sales tables also for the day a week earlier."""
    rows: Rows = {kpi.name: [] for kpi in kpis.KPIS}
    for currency in currencies:
        for week, date_ in ((0, day - timedelta(days=7)), (1, day)):
            hourly = [_sales(midnight(date_), hour, currency, week) for hour in range(24)]
            rows["kpi/sales_hourly"] += hourly
            rows["kpi/sales_daily"].append(_total(hourly))
        _by_currency(rows, day, currency, products)
    _once(rows, day, products, currencies[0])
    return rows


def write(lake: str, rows: Rows, computed_at: datetime | None = None, **proof: Any) -> None:
    """Write the rows.

    Args:
        proof: Values of the proof columns; by default those of complete rows, computed an hour after the day.
    """
    defaults = {
        "raw_versions": '{"orders": 12, "payments": 9}',
        "computed_at": computed_at or midnight(DAY) + timedelta(days=1, hours=1),
        "missing_rows": 0,
        "losses": [],
        "audit": "holds",
    } | proof
    for kpi in kpis.KPIS:
        if kpi.name in rows:
            table = Table(lake, kpi.name).ensure(kpi.schema, kpi.partition_by)
            write_deltalake(table, as_table(kpi, [defaults | row for row in rows[kpi.name]]), mode="append")


def as_table(kpi: Kpi, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    assert all(row.keys() <= set(kpi.schema.names) for row in rows), kpi.name
    return pa.Table.from_pylist(list(rows), kpi.schema)


def _sales(begin: datetime, hour: int, currency: str, week: int) -> dict[str, Any]:
    orders = round(30 + 25 * math.sin((hour - 8) / 24 * 2 * math.pi)) + 2 * week
    figures = {
        "orders": orders,
        "units": 2 * orders,
        "gmv_cents": orders * 8_417,
        "discount_cents": orders * 310,
        "payments_succeeded": orders - 1,
        "payments_failed": 2,
        "paid_cents": (orders - 1) * 8_107,
        "refunds": 1,
        "refunds_cents": 4_390,
        "net_revenue_cents": (orders - 1) * 8_107 - 4_390,
        "average_order_cents": 8_107,
    }
    return {"hour": begin + timedelta(hours=hour), "date": begin.date(), "currency": currency, **figures}


def _total(hours: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    summed = {name: sum(hour[name] for hour in hours) for name in kpis.SALES_DAILY.additive_columns}
    return {
        "date": hours[0]["date"],
        "currency": hours[0]["currency"],
        **summed,
        "average_order_cents": 8_107,
    }


def _by_currency(rows: Rows, day: date, currency: str, products: Sequence[str]) -> None:
    at = {"date": day, "currency": currency}
    for name, split in (("category", CATEGORIES), ("country", COUNTRIES)):
        kpi = kpis.SALES_BY_CATEGORY if name == "category" else kpis.SALES_BY_COUNTRY
        for index, value in enumerate(split):
            figures = dict.fromkeys(kpi.additive_columns, 40000 // (index + 1)) | {
                "orders": 200 // (index + 1),
                "units": 400 // (index + 1),
            }
            money = {"gmv_cents": 2_100_000 // (index + 1), "net_revenue_cents": 1_800_000 // (index + 1)}
            rows[kpi.name].append(at | {name: value} | figures | money | {"average_order_cents": 8_107})
    for rank, product in enumerate(products, 1):
        ranks = {
            "rank": rank,
            "rank_change": (None, 2, -1, 0)[rank % 4],
            "units_rank": rank,
            "units_rank_change": None,
        }
        sold = {"orders": 90 // rank, "units": 120 // rank, "gmv_cents": 900_000 // rank}
        rows["kpi/top_products"].append(
            at
            | ranks
            | {"product_id": f"p-{rank:03}", "product_name": product, "category": CATEGORIES[rank % 4]}
            | sold
        )
    for rank, method in enumerate(("card", "paypal", "debit", "transfer"), 1):
        counts = {
            "attempts": 400 // rank,
            "succeeded": 380 // rank,
            "failed": 400 // rank - 380 // rank,
            "recovered": 9 // rank,
        }
        money = {
            "paid_cents": 3_000_000 // rank,
            "recovered_cents": 60_000 // rank,
            "refunds": 5,
            "refunds_cents": 20_000,
        }
        rows["kpi/payments"].append(at | {"method": method, "failure_rate": 0.05 * rank} | counts | money)
    for figure, this, before in (
        *(("orders", 5_312, 5_011), ("units", 10_624, 10_022), ("payments_failed", 336, 351)),
        *(
            ("gmv_cents", 44_711_104, 42_177_587),
            ("refunds_cents", 737_520, 737_520),
            ("net_revenue_cents", 41_428_142, 38_703_500),
        ),
    ):
        values = {"this_week": this, "week_before": before, "change": (this - before) / before}
        rows["kpi/trends"].append(
            at | {"figure": figure, "as_of": midnight(day) + timedelta(days=1)} | values
        )
    for hour, score in ((3, 0.4), (14, 6.2), (20, -4.8)):
        unusual = {
            "value": 98_000 if score > 0 else 12_000,
            "weeks": 8,
            "expected": 52_000.0,
            "deviation": 7_000.0,
            "score": score,
        }
        when = {
            "hour": midnight(day) + timedelta(hours=hour),
            "figure": "net_revenue_cents",
            "anomaly": abs(score) > 4,
        }
        rows["kpi/anomalies"].append(at | when | unusual)


def _once(rows: Rows, day: date, products: Sequence[str], currency: str) -> None:
    steps = {"viewed": 4_180, "carted": 1_320, "ordered": 744, "paid": 690, "delivered": 310}
    abandoned = {
        "carts_abandoned": 576,
        "checkouts_abandoned": 54,
        "cart_abandonment": 576 / 1320,
        "checkout_abandonment": 54 / 744,
    }
    rows["kpi/funnel"].append({"date": day, **steps, **abandoned, "conversion": 690 / 4180})
    events = {
        "created": 680,
        "shipped": 655,
        "delivered": 601,
        "on_time": 560,
        "on_time_rate": 560 / 601,
        "days_to_deliver": 2.43,
    }
    open_ = {
        "as_of": midnight(day) + timedelta(hours=23, minutes=58),
        "pending": 88,
        "in_transit": 1_204,
        "overdue": 17,
    }
    rows["kpi/deliveries"].append({"date": day, **events, **open_})
    rows["kpi/customers"].append(
        {"date": day, "customers": 690, "new": 212, "returning": 478, "repeat_rate": 478 / 690}
    )
    for number in range(3):
        first, last = midnight(day) - timedelta(days=40 * number), midnight(day) + timedelta(hours=9)
        rows["kpi/customer_orders"].append(
            {
                "customer_id": f"c-{number}",
                "first_order_at": first,
                "last_order_at": last,
                "orders": number + 1,
            }
        )
    month = day.replace(day=1)
    for back in range(4):
        cohort = (month - timedelta(days=31 * back)).replace(day=1)
        retention = {
            "months_since": back,
            "customers": 4000 // (back + 1),
            "cohort_size": 6000,
            "retention": 4000 / (back + 1) / 6000,
        }
        rows["kpi/cohorts"].append({"date": month, "cohort": cohort, **retention})
    for number, product in enumerate(products):
        _stock(rows, day, {"product_id": f"p-{number + 1:03}", "product_name": product}, number, currency)


def _stock(rows: Rows, day: date, product: dict[str, str], number: int, currency: str) -> None:
    out = number in {1, 3}
    quantity = 0 if out else 40 * number + 6
    last = midnight(day) + timedelta(hours=20)
    rows["kpi/stock_position"].append(
        product
        | {
            "quantity": quantity,
            "sold_units": 900,
            "last_event_time": last,
            "last_offset": number,
            "stock_out": out,
        }
    )
    moved = {"opening": quantity + 31, "sold": 31, "restocked": 0, "adjusted": 0, "closing": quantity}
    seconds = {
        "in_stock_seconds": 72_000,
        "observed_seconds": 86_000,
        "shop_sold_in_stock": 410,
        "sold_per_day_in_stock": 37.2,
    }
    rows["kpi/stock_daily"].append(product | {"date": day} | moved | seconds)
    if out:
        when = {
            "started_at": last,
            "ended_at": None if number == 3 else last + timedelta(hours=5, minutes=20),
            "duration_seconds": 19_200,
        }
        lost = {
            "shop_sold": 101,
            "shop_sold_first_day": 60,
            "demand_share": 31 / 379,
            "lost_units": 8.27,
            "currency": currency,
            "unit_price_cents": 4_590.5,
            "lost_cents": 37_963,
        }
        rows["kpi/stock_outs"].append(product | when | lost)
    demand = {
        "demand_per_day": 37.2,
        "demand_sd": 6.1,
        "lead_time_days": 2.0,
        "lead_time_sd_days": 0.4,
        "days_of_cover": quantity / 37.2,
    }
    points = {"safety_stock": 28, "reorder_point": 103, "below_reorder_point": quantity <= 103}
    rows["kpi/stock_cover"].append(product | {"as_of": day, "quantity": quantity} | demand | points)
