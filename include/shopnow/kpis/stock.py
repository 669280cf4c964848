"""Stock KPIs: stock on hand, days of cover, stock-outs and their estimated cost."""

import pyarrow as pa

from shopnow.kpis.definition import DATE, PROVENANCE, Kpi, events, figure, key, rows_of, total
from shopnow.kpis.sales import TOP_PRODUCTS
from shopnow.schemas import TIMESTAMP

DEMAND_DAYS = 28
"""Number of days over which demand is measured."""

_PRODUCT = key("product_id", pa.string(), "the product")
_NAME = figure("product_name", pa.string(), "name in the latest stock event")

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
                "on hand after the latest stock event, by event time, then offset",
                "pieces",
            ),
            total("sold_units", "Σ units sold since the first stock event", "pieces"),
            figure("last_event_time", TIMESTAMP, "time of the latest stock event"),
            figure("last_offset", pa.int64(), "offset of the latest stock event"),
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
                "name in the day's latest stock event, by event time, then offset",
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
                "Σ time with stock on hand, in whole seconds: from midnight to the latest stock event of "
                "any product that day, with the state between two events being that after the first one "
                "(before the first event: opening)",
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
                "Σ units sold, of all products, during the times in stock: each interval without its start "
                "and with its end (an interval from midnight with both)",
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
    "a period without a product on hand; none if it ends when it starts",
    (events("stock"), rows_of(STOCK_DAILY, back=DEMAND_DAYS), rows_of(TOP_PRODUCTS, back=DEMAND_DAYS)),
    pa.schema(
        [
            _PRODUCT,
            key(
                "started_at",
                TIMESTAMP,
                "time of the stock event that left nothing on hand, by event time, then offset",
            ),
            figure("product_name", pa.string(), "name in that event"),
            figure(
                "ended_at",
                TIMESTAMP,
                "time of the next stock event that left some on hand; null while the stock-out lasts",
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
                "Σ units sold, of all products, after started_at and not after ended_at (no limit if null), "
                "as a measure of traffic",
                "pieces",
            ),
            figure("shop_sold_first_day", pa.int64(), "of these: sold on the day of started_at", "pieces"),
            figure(
                "demand_share",
                pa.float64(),
                "pieces sold per piece of other products while in stock: Σ sold ÷ (Σ shop_sold_in_stock − Σ "
                "sold) of `kpi/stock_daily`, from 28 days before the day of started_at to that day; null "
                "unless the divisor is positive",
            ),
            figure("lost_units", pa.float64(), "estimated lost sales: demand_share × shop_sold", "pieces"),
            figure(
                "currency",
                pa.string(),
                "currency with most units ordered, by `kpi/top_products` from 28 days before the day of "
                "started_at to that day; ties by name",
            ),
            figure(
                "unit_price_cents", pa.float64(), "Σ gmv_cents ÷ Σ units in that currency and period", "cents"
            ),
            figure(
                "lost_cents",
                pa.int64(),
                "estimated lost gross merchandise value: lost_units × unit_price_cents, halves rounded up",
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
                "latest day in `kpi/stock_daily` that is not in the future; demand is measured over the 28 "
                "days up to it",
            ),
            figure("quantity", pa.int64(), "on hand, from `kpi/stock_position`", "pieces"),
            figure(
                "demand_per_day",
                pa.float64(),
                "Σ sold × 86,400 ÷ Σ in_stock_seconds over those days; null if never in stock. A day with "
                "stock events of other products only counts after the product's first one: nothing sold, "
                "and in stock for the whole observed time or not at all, as at the last closing",
                "pieces a day",
            ),
            figure(
                "demand_sd",
                pa.float64(),
                "population standard deviation of the pieces sold per day, over those days with any time in "
                "stock; null without any: √(n Σx² − (Σx)²) ÷ n",
                "pieces",
            ),
            figure(
                "lead_time_days",
                pa.float64(),
                "mean duration of the ended stock-outs that started in those 28 days (Σ duration_seconds ÷ "
                "their number ÷ 86,400), at least the setting SHOPNOW_LEAD_TIME_DAYS",
                "days",
            ),
            figure(
                "lead_time_sd_days",
                pa.float64(),
                "population standard deviation of these durations, in seconds as for demand_sd, ÷ 86,400; 0 "
                "without any",
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
                "z √(lead_time_days × demand_sd² + demand_per_day² × lead_time_sd_days²), rounded to six "
                "decimals and then up to whole pieces, where z is the quantile of the normal distribution "
                "at the setting SHOPNOW_SERVICE_LEVEL; null without demand_per_day",
                "pieces",
            ),
            figure(
                "reorder_point",
                pa.int64(),
                "demand_per_day × lead_time_days + safety_stock before rounding, rounded likewise; null "
                "without demand_per_day",
                "pieces",
            ),
            figure("below_reorder_point", pa.bool_(), "quantity ≤ reorder_point; null without reorder_point"),
            *PROVENANCE,
        ]
    ),
    partition_by=(),
)
