"""The function that computes each KPI, except `stock_outs`, which `planning` computes in its own way."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from pyspark.sql import DataFrame, SparkSession

from shopnow.kpis import (
    ANOMALIES,
    COHORTS,
    CUSTOMER_ORDERS,
    CUSTOMERS,
    DELIVERIES,
    FUNNEL,
    PAYMENTS,
    SALES_BY_CATEGORY,
    SALES_BY_COUNTRY,
    SALES_DAILY,
    SALES_HOURLY,
    STOCK_COVER,
    STOCK_DAILY,
    STOCK_POSITION,
    TOP_PRODUCTS,
    TRENDS,
    parameters,
)
from shopnow.settings import Settings
from shopnow_spark.kpis import customers, fulfilment, sales, stock, stock_cover, trends

SERVICE_LEVEL, LEAD_TIME_DAYS = (
    Settings.model_fields[name].default for name in ("service_level", "lead_time_days")
)
"""Defaults of the session's parameters."""


class KpiContext(NamedTuple):
    """Inputs of a computation other than source rows."""

    now: datetime
    service_level: float = SERVICE_LEVEL
    lead_time_days: float = LEAD_TIME_DAYS


def kpi_context(spark: SparkSession, now: datetime) -> KpiContext:
    """Return the context at `now` with the settings of a session."""
    level = spark.conf.get(parameters.SERVICE_LEVEL, str(SERVICE_LEVEL))
    lead_time = spark.conf.get(parameters.LEAD_TIME_DAYS, str(LEAD_TIME_DAYS))
    return KpiContext(now, float(level or SERVICE_LEVEL), float(lead_time or LEAD_TIME_DAYS))


KpiFunction = Callable[..., DataFrame]
"""Takes the context and a frame for each source, in their order, and returns the rows."""

BY_DATE: dict[str, KpiFunction] = {
    SALES_HOURLY.name: lambda _, orders, payments: sales.sales_hourly(orders, payments),
    SALES_DAILY.name: lambda _, orders, payments: sales.sales_daily(orders, payments),
    SALES_BY_CATEGORY.name: lambda _, payments, orders: sales.sales_by_category(payments, orders),
    SALES_BY_COUNTRY.name: lambda _, payments, orders: sales.sales_by_country(payments, orders),
    TOP_PRODUCTS.name: lambda _, orders: sales.top_products(orders),
    FUNNEL.name: lambda _, *events: customers.funnel(*events),
    PAYMENTS.name: lambda _, payments: fulfilment.payments(payments),
    DELIVERIES.name: lambda _, deliveries: fulfilment.deliveries(deliveries),
    CUSTOMERS.name: lambda _, orders, known: customers.customers(orders, known),
    COHORTS.name: lambda _, orders, known: customers.cohorts(orders, known),
    STOCK_DAILY.name: lambda _, changes: stock.stock_daily(changes),
    TRENDS.name: lambda context, hourly: trends.trends(hourly, now=context.now),
    ANOMALIES.name: lambda context, hourly: trends.anomalies(hourly, now=context.now),
}
"""Tables partitioned by date, of which only changed dates are recomputed."""

INCREMENTAL: dict[str, Callable[[DataFrame | None, DataFrame], DataFrame]] = {
    STOCK_POSITION.name: stock.stock_position,
    CUSTOMER_ORDERS.name: customers.customer_orders,
}
"""Tables updated incrementally: the existing rows, if any, merged with events they do not contain yet."""

FULL_REFRESH: dict[str, KpiFunction] = {
    STOCK_COVER.name: lambda context, position, daily, outs: stock_cover.stock_cover(
        position,
        daily,
        outs,
        today=context.now.date(),
        service_level=context.service_level,
        lead_time_days=context.lead_time_days,
    ),
}
"""Tables small enough to be recomputed as a whole."""
