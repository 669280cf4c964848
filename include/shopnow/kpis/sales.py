"""Sales: gross merchandise value by order, net revenue by payment, each when it happened."""

import pyarrow as pa

from shopnow.kpis.definition import CURRENCY, DATE, PROVENANCE, Kpi, events, figure, key, total
from shopnow.schemas import TIMESTAMP

ORDER_DAYS = 14
"""A payment or a parcel is put to an order placed at most so many days before it."""

UNKNOWN = "unknown"
"""Country or category of payments whose order is not on record."""

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
    total("net_revenue_cents", "payments succeeded − refunds, each when it happened", "cents"),
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
    restated=True,
)
SALES_DAILY = Kpi(
    "kpi/sales_daily",
    "Sales by day",
    "a day and currency with orders or payments",
    (events("orders"), events("payments")),
    pa.schema([DATE, CURRENCY, *FIGURES, *PROVENANCE]),
    restated=True,
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
                "of the order; a payment's is that of the first order placed with its id, from 14 days before to the day after; "
                "`unknown` if there is none",
            ),
            *FIGURES,
            *PROVENANCE,
        ]
    ),
    restated=True,
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
            key("category", pa.string(), "of the order's items; of payments as for country"),
            total(
                "orders", "orders placed with items of the category; an order may count in several", "orders"
            ),
            total("units", "Σ quantity of its items in orders placed", "pieces"),
            total(
                "gmv_cents",
                "Σ quantity × unit price of its items in orders placed, before discounts",
                "cents",
            ),
            total("discount_cents", "its part of the discounts of orders placed (see paid_cents)", "cents"),
            total(
                "paid_cents",
                "its part of the payments succeeded: by what its items are of the order's gross value (of its pieces, if that is "
                "zero), to the cent: categories in order of name, each the rounded-down running total less that before",
                "cents",
            ),
            total("refunds_cents", "its part of the payments refunded (see paid_cents)", "cents"),
            total("net_revenue_cents", "paid − refunds, each when it happened", "cents"),
            figure(
                "average_order_cents",
                pa.int64(),
                "(gmv − discount) ÷ orders, halves rounded up; null without orders",
                "cents",
            ),
            *PROVENANCE,
        ]
    ),
    restated=True,
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
                "1 for the highest gmv_cents of the day and currency; then by units, then by id",
            ),
            figure(
                "rank_change",
                pa.int32(),
                "places climbed since the day before, negative if it fell; null if not ordered then",
            ),
            figure(
                "units_rank",
                pa.int32(),
                "1 for the most units of the day and currency; then by gmv_cents, then by id",
            ),
            figure("units_rank_change", pa.int32(), "the same for units_rank"),
            key("product_id", pa.string(), "the product"),
            figure("product_name", pa.string(), "its name in the day's latest order"),
            figure("category", pa.string(), "its category in the day's latest order"),
            total("orders", "orders placed that contain it", "orders"),
            total("units", "Σ quantity in orders placed", "pieces"),
            total("gmv_cents", "Σ quantity × unit price in orders placed", "cents"),
            *PROVENANCE,
        ]
    ),
    restated=True,
)
