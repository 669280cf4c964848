"""Stock: what is on hand, how long it lasts, when it was out and what that cost."""

import pyarrow as pa

from shopnow.kpis.definition import DATE, PROVENANCE, Kpi, events, figure, key, rows_of, total
from shopnow.kpis.sales import TOP_PRODUCTS
from shopnow.schemas import TIMESTAMP

DEMAND_DAYS = 28
"""Demand is that of so many days."""

_PRODUCT = key("product_id", pa.string(), "the product")
_NAME = figure("product_name", pa.string(), "its name in its latest stock event")

STOCK_POSITION = Kpi(
    "kpi/stock_position",
    "Stock on hand",
    "a product with stock events",
    (events("stock"),),
    pa.schema(
        [
            _PRODUCT,
            _NAME,
            figure(
                "quantity",
                pa.int64(),
                "on hand after its latest stock event, by event time, then offset",
                "pieces",
            ),
            total("sold_units", "Σ units sold since the first stock event", "pieces"),
            figure("last_event_time", TIMESTAMP, "time of its latest stock event"),
            figure("last_offset", pa.int64(), "offset of its latest stock event"),
            figure("stock_out", pa.bool_(), "whether nothing is left on hand"),
            *PROVENANCE,
        ]
    ),
    partition_by=(),
)
STOCK_DAILY = Kpi(
    "kpi/stock_daily",
    "Stock by day",
    "a product and a day on which its stock changed",
    (events("stock"),),
    pa.schema(
        [
            DATE,
            _PRODUCT,
            figure(
                "product_name",
                pa.string(),
                "its name in the day's latest stock event, by event time, then offset",
            ),
            figure(
                "opening",
                pa.int64(),
                "on hand before the day's first stock event: quantity after it − its change",
                "pieces",
            ),
            total("sold", "Σ units sold", "pieces"),
            total("restocked", "Σ units restocked", "pieces"),
            total("adjusted", "Σ changes by adjustments", "pieces"),
            figure("closing", pa.int64(), "on hand after the day's latest stock event", "pieces"),
            total(
                "in_stock_seconds",
                "Σ time with something on hand, in whole seconds: from midnight to the latest stock event of any product that day, "
                "the state between events being that after the earlier one (before the first: opening)",
                "seconds",
            ),
            total(
                "observed_seconds",
                "time from midnight to the latest stock event of any product that day, in whole seconds",
                "seconds",
            ),
            figure(
                "shop_sold_in_stock",
                pa.int64(),
                "Σ units sold, of all products, at the same times: each of them without its beginning and with its end (a time from "
                "midnight with both)",
                "pieces",
            ),
            figure(
                "sold_per_day_in_stock",
                pa.float64(),
                "sold × 86,400 ÷ in_stock_seconds; null if that is 0",
                "pieces a day",
            ),
            *PROVENANCE,
        ]
    ),
)
STOCK_OUTS = Kpi(
    "kpi/stock_outs",
    "Stock-outs",
    "a time without a product on hand; none if it ends the very moment it begins",
    (events("stock"), rows_of(STOCK_DAILY, back=DEMAND_DAYS), rows_of(TOP_PRODUCTS, back=DEMAND_DAYS)),
    pa.schema(
        [
            _PRODUCT,
            key(
                "started_at",
                TIMESTAMP,
                "time of the stock event after which nothing was left, by event time, then offset",
            ),
            figure("product_name", pa.string(), "its name in that event"),
            figure(
                "ended_at",
                TIMESTAMP,
                "time of the next stock event after which something was; null if there is none yet",
            ),
            figure(
                "duration_seconds",
                pa.int64(),
                "from started_at to ended_at, or to the latest stock event of any product, in whole seconds",
                "seconds",
            ),
            figure(
                "shop_sold",
                pa.int64(),
                "Σ units sold, of all products, after started_at and not after ended_at (any time, if that is null): how busy the shop was",
                "pieces",
            ),
            figure("shop_sold_first_day", pa.int64(), "of these: those of the day it started", "pieces"),
            figure(
                "demand_share",
                pa.float64(),
                "pieces sold for each piece of other products while it was in stock: Σ sold ÷ (Σ shop_sold_in_stock − Σ sold) of "
                "`kpi/stock_daily`, from 28 days before the day it started to that day; null unless the divisor is positive",
            ),
            figure("lost_units", pa.float64(), "estimated sales lost: demand_share × shop_sold", "pieces"),
            figure(
                "currency",
                pa.string(),
                "that in which most of its units were ordered, by `kpi/top_products` from 28 days before the day it started to that day; "
                "the first by name if several are",
            ),
            figure(
                "unit_price_cents", pa.float64(), "Σ gmv_cents ÷ Σ units in that currency and time", "cents"
            ),
            figure(
                "lost_cents",
                pa.int64(),
                "estimated gross merchandise value lost: lost_units × unit_price_cents, halves rounded up",
                "cents",
            ),
            *PROVENANCE,
        ]
    ),
    partition_by=(),
)
STOCK_COVER = Kpi(
    "kpi/stock_cover",
    "Days of cover and reorder points",
    "a product with stock events",
    (rows_of(STOCK_POSITION), rows_of(STOCK_DAILY), rows_of(STOCK_OUTS)),
    pa.schema(
        [
            _PRODUCT,
            _NAME,
            figure(
                "as_of",
                pa.date32(),
                "latest day in `kpi/stock_daily` that has begun when this is computed; demand is that of the 28 days up to it",
            ),
            figure("quantity", pa.int64(), "on hand, from `kpi/stock_position`", "pieces"),
            figure(
                "demand_per_day",
                pa.float64(),
                "Σ sold × 86,400 ÷ Σ in_stock_seconds over those days; null if it was never in stock. A day on which only others' stock "
                "changed counts once the product has had one: nothing sold, in stock all the time others are observed, or not at all, "
                "as it closed before",
                "pieces a day",
            ),
            figure(
                "demand_sd",
                pa.float64(),
                "standard deviation (of the population) of the pieces sold on the days among those with any time in stock; null if none: "
                "√(n Σx² − (Σx)²) ÷ n",
                "pieces",
            ),
            figure(
                "lead_time_days",
                pa.float64(),
                "the mean duration of its stock-outs that ended, started in those 28 days (Σ duration_seconds ÷ their number ÷ 86,400), "
                "but at least the setting SHOPNOW_LEAD_TIME_DAYS",
                "days",
            ),
            figure(
                "lead_time_sd_days",
                pa.float64(),
                "standard deviation (of the population) of these durations, in seconds as for demand_sd, ÷ 86,400; 0 if there are none",
                "days",
            ),
            figure(
                "days_of_cover",
                pa.float64(),
                "quantity ÷ demand_per_day; null unless that is positive",
                "days",
            ),
            figure(
                "safety_stock",
                pa.int64(),
                "z √(lead_time_days × demand_sd² + demand_per_day² × lead_time_sd_days²), rounded to six decimals and then up to whole "
                "pieces, where z is the quantile of the normal distribution at the setting SHOPNOW_SERVICE_LEVEL; null without "
                "demand_per_day",
                "pieces",
            ),
            figure(
                "reorder_point",
                pa.int64(),
                "demand_per_day × lead_time_days + the same before rounding, rounded likewise; null without demand_per_day",
                "pieces",
            ),
            figure("below_reorder_point", pa.bool_(), "quantity ≤ reorder_point; null without it"),
            *PROVENANCE,
        ]
    ),
    partition_by=(),
)
