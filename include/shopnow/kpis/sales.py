"""Sales KPIs: gross merchandise value by order date, net revenue by payment date."""

import pyarrow as pa

from shopnow.kpis.definition import CURRENCY, DATE, PROVENANCE, Kpi, events, figure, key, total
from shopnow.schemas import TIMESTAMP

ORDER_DAYS = 14
"""Maximum days between an order and the payments and deliveries that are attributed to it."""

UNKNOWN = "unknown"
"""Country or category of payments whose order is missing."""

_ORDERS = (
    total("orders", "orders placed", "orders"),
    total("units", "Σ quantity of orders placed", "pieces"),
    total(
        "gmv_cents",
        "gross merchandise value: Σ quantity × unit price of orders placed, before discounts",
        "cents",
    ),
    total("discount_cents", "Σ discount of orders placed", "cents"),
)
_PAYMENTS = (
    total("payments_succeeded", "payments succeeded", "payments"),
    total("payments_failed", "payment attempts failed", "payments"),
    total("paid_cents", "Σ amount of payments succeeded", "cents"),
    total("refunds", "payments refunded", "payments"),
    total("refunds_cents", "Σ amount of payments refunded", "cents"),
    total("net_revenue_cents", "payments succeeded − refunds, each by its own event date", "cents"),
)
_AVERAGE = figure(
    "average_order_cents",
    pa.int64(),
    "average order value: (gmv − discount) ÷ orders, halves rounded up; null without orders",
    "cents",
)
FIGURES = (*_ORDERS, *_PAYMENTS, _AVERAGE)

SALES_HOURLY = Kpi(
    "kpi/sales_hourly",
    "Sales by hour",
    "an hour and currency with orders or payments",
    (events("orders"), events("payments")),
    pa.schema([key("hour", TIMESTAMP, "start of the hour, UTC"), DATE, CURRENCY, *FIGURES, *PROVENANCE]),
    tracks_restatements=True,
)
SALES_DAILY = Kpi(
    "kpi/sales_daily",
    "Sales by day",
    "a day and currency with orders or payments",
    (events("orders"), events("payments")),
    pa.schema([DATE, CURRENCY, *FIGURES, *PROVENANCE]),
    tracks_restatements=True,
)
SALES_BY_COUNTRY = Kpi(
    "kpi/sales_by_country",
    "Sales by country",
    "a day, currency and country with orders or payments",
    (events("payments"), events("orders", back=ORDER_DAYS, forward=1)),
    pa.schema(
        [
            DATE,
            CURRENCY,
            key(
                "country",
                pa.string(),
                "country of the order; for a payment, that of the first order placed with its order id from "
                "14 days before to the day after; `unknown` without such an order",
            ),
            *FIGURES,
            *PROVENANCE,
        ]
    ),
    tracks_restatements=True,
)
SALES_BY_CATEGORY = Kpi(
    "kpi/sales_by_category",
    "Sales by category",
    "a day, currency and category with orders or payments",
    (events("payments"), events("orders", back=ORDER_DAYS, forward=1)),
    pa.schema(
        [
            DATE,
            CURRENCY,
            key("category", pa.string(), "category of the order items; for payments as for country"),
            total(
                "orders", "orders placed with items of the category; an order can count in several", "orders"
            ),
            total("units", "Σ quantity of the category's items in orders placed", "pieces"),
            total(
                "gmv_cents",
                "Σ quantity × unit price of the category's items in orders placed, before discounts",
                "cents",
            ),
            total(
                "discount_cents",
                "share of the category in the discounts of orders placed (see paid_cents)",
                "cents",
            ),
            total(
                "paid_cents",
                "share of the category in the payments succeeded, in proportion to the order's gross value "
                "(its pieces, if that is zero), to the cent: by category name, each the rounded-down "
                "cumulative share minus the previous one",
                "cents",
            ),
            total(
                "refunds_cents", "share of the category in the payments refunded (see paid_cents)", "cents"
            ),
            total("net_revenue_cents", "paid − refunds, each by its own event date", "cents"),
            figure(
                "average_order_cents",
                pa.int64(),
                "(gmv − discount) ÷ orders, halves rounded up; null without orders",
                "cents",
            ),
            *PROVENANCE,
        ]
    ),
    tracks_restatements=True,
)
TOP_PRODUCTS = Kpi(
    "kpi/top_products",
    "Top products",
    "a product ordered on a day, by currency",
    (events("orders", back=1),),
    pa.schema(
        [
            DATE,
            CURRENCY,
            figure(
                "rank",
                pa.int32(),
                "rank by gmv_cents in the day and currency, 1 for the highest; ties by units, then by id",
            ),
            figure(
                "rank_change",
                pa.int32(),
                "ranks gained since the previous day, negative if lost; null if not ordered that day",
            ),
            figure(
                "units_rank",
                pa.int32(),
                "rank by units in the day and currency, 1 for the highest; ties by gmv_cents, then by id",
            ),
            figure("units_rank_change", pa.int32(), "as rank_change, for units_rank"),
            key("product_id", pa.string(), "the product"),
            figure("product_name", pa.string(), "name in the day's latest order"),
            figure("category", pa.string(), "category in the day's latest order"),
            total("orders", "orders placed that contain the product", "orders"),
            total("units", "Σ quantity in orders placed", "pieces"),
            total("gmv_cents", "Σ quantity × unit price in orders placed", "cents"),
            *PROVENANCE,
        ]
    ),
    tracks_restatements=True,
)
