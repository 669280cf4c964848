"""Customer KPIs: customers, cohorts and the conversion funnel."""

import pyarrow as pa

from shopnow.kpis.definition import DATE, PROVENANCE, Kpi, events, figure, key, rows_of, total
from shopnow.kpis.sales import ORDER_DAYS
from shopnow.schemas import TIMESTAMP

CUSTOMER_ORDERS = Kpi(
    "kpi/customer_orders",
    "Customers",
    "a customer who ever placed an order",
    (events("orders"),),
    pa.schema(
        [
            key("customer_id", pa.string(), "the customer; a pseudonym after an erasure"),
            figure("first_order_at", TIMESTAMP, "time of their first order placed"),
            figure("last_order_at", TIMESTAMP, "time of their latest order placed"),
            total("orders", "orders placed", "orders"),
            *PROVENANCE,
        ]
    ),
    partition_by=(),
)
CUSTOMERS = Kpi(
    "kpi/customers",
    "Customers by day",
    "a day with orders",
    (events("orders", is_cumulative=True), rows_of(CUSTOMER_ORDERS)),
    pa.schema(
        [
            DATE,
            figure("customers", pa.int64(), "customers who placed an order that day", "customers"),
            figure("new", pa.int64(), "of these: first order ever on that day", "customers"),
            figure("returning", pa.int64(), "customers − new", "customers"),
            figure("repeat_rate", pa.float64(), "returning ÷ customers", "share"),
            *PROVENANCE,
        ]
    ),
)
COHORTS = Kpi(
    "kpi/cohorts",
    "Monthly cohorts",
    "a month and a cohort of customers that placed orders in it",
    (events("orders", is_cumulative=True), rows_of(CUSTOMER_ORDERS)),
    pa.schema(
        [
            key("date", pa.date32(), "first day of the month, UTC"),
            key("cohort", pa.date32(), "first day of the month of these customers' first order"),
            figure("months_since", pa.int64(), "months from cohort to date", "months"),
            figure(
                "customers",
                pa.int64(),
                "customers of the cohort who placed an order in the month",
                "customers",
            ),
            figure("cohort_size", pa.int64(), "customers of the cohort", "customers"),
            figure("retention", pa.float64(), "customers ÷ cohort_size", "share"),
            *PROVENANCE,
        ]
    ),
    is_monthly=True,
)
FUNNEL = Kpi(
    "kpi/funnel",
    "Conversion funnel",
    "a day on which sessions began",
    (
        events("views", back=1),
        events("carts", forward=1),
        events("orders", forward=1),
        events("payments", forward=ORDER_DAYS),
        events("deliveries", forward=ORDER_DAYS),
    ),
    pa.schema(
        [
            DATE,
            total(
                "viewed",
                "sessions with a product view that day and none the day before; they begin with the first "
                "view of the day",
                "sessions",
            ),
            total(
                "carted",
                "of these: an item added to the cart that day or the next, not before the session began",
                "sessions",
            ),
            total(
                "ordered",
                "of these: an order placed that day or the next, not before the first item was added",
                "sessions",
            ),
            total(
                "paid",
                "of these: a payment of the first such order succeeded, not before the order, up to 14 days "
                "after the day",
                "sessions",
            ),
            total(
                "delivered",
                "of these: a delivery of that order, not before the first such payment, up to 14 days after "
                "the day",
                "sessions",
            ),
            total("carts_abandoned", "carted − ordered", "sessions"),
            total("checkouts_abandoned", "ordered − paid", "sessions"),
            figure("cart_abandonment", pa.float64(), "carts_abandoned ÷ carted; null without carts", "share"),
            figure(
                "checkout_abandonment",
                pa.float64(),
                "checkouts_abandoned ÷ ordered; null without orders",
                "share",
            ),
            figure("conversion", pa.float64(), "paid ÷ viewed", "share"),
            *PROVENANCE,
        ]
    ),
)
