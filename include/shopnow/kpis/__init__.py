"""Definitions of the KPI tables; their building blocks are in `shopnow.kpis.definition`."""

from shopnow.kpis.customers import COHORTS, CUSTOMER_ORDERS, CUSTOMERS, FUNNEL
from shopnow.kpis.definition import Kpi
from shopnow.kpis.fulfilment import DELIVERIES, PAYMENTS
from shopnow.kpis.sales import SALES_BY_CATEGORY, SALES_BY_COUNTRY, SALES_DAILY, SALES_HOURLY, TOP_PRODUCTS
from shopnow.kpis.stock import STOCK_COVER, STOCK_DAILY, STOCK_OUTS, STOCK_POSITION
from shopnow.kpis.trends import ANOMALIES, TRENDS

__all__ = [
    "ANOMALIES",
    "COHORTS",
    "CUSTOMERS",
    "CUSTOMER_ORDERS",
    "DELIVERIES",
    "FUNNEL",
    "KPIS",
    "PAYMENTS",
    "SALES_BY_CATEGORY",
    "SALES_BY_COUNTRY",
    "SALES_DAILY",
    "SALES_HOURLY",
    "STOCK_COVER",
    "STOCK_DAILY",
    "STOCK_OUTS",
    "STOCK_POSITION",
    "TOP_PRODUCTS",
    "TRENDS",
    "Kpi",
]

KPIS = (
    SALES_HOURLY,
    SALES_DAILY,
    SALES_BY_CATEGORY,
    SALES_BY_COUNTRY,
    TOP_PRODUCTS,
    FUNNEL,
    PAYMENTS,
    DELIVERIES,
    CUSTOMER_ORDERS,
    CUSTOMERS,
    COHORTS,
    STOCK_POSITION,
    STOCK_DAILY,
    STOCK_OUTS,
    STOCK_COVER,
    TRENDS,
    ANOMALIES,
)
"""All KPI tables, each after its sources."""
