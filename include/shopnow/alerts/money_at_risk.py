"""Money at risk: the sales that are expected to be lost before an order placed now arrives."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple

from shopnow.kpis import STOCK_COVER, TOP_PRODUCTS
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table

PRICE_DAYS = 28
"""Newest days of orders from which a product's price is computed, as for `kpi/stock_outs`."""
DEFAULT_LEAD_TIME_DAYS = 1.0
"""Lead time of a product without a known delivery."""

Row = Mapping[str, Any]


class AtRisk(NamedTuple):
    """Money at risk of a product."""

    cents: float
    currency: str
    """The currency in which most pieces of the product are ordered; ranking compares amounts of all."""


def cents_at_risk(lake: str, on_hand: Mapping[str, int]) -> dict[str, AtRisk]:
    """Return the money at risk by product id; a product without demand or orders is not in it.

    Args:
        lake: the lake's address.
        on_hand: pieces in stock by product id.
    """
    return estimate(_read_cover(lake), _read_orders(lake), on_hand)


def estimate(cover: Iterable[Row], orders: Iterable[Row], on_hand: Mapping[str, int]) -> dict[str, AtRisk]:
    """Estimate the money at risk: pieces missing during the lead time × average price, in cents.

    Args:
        cover: rows of `kpi/stock_cover`.
        orders: rows of `kpi/top_products`.
        on_hand: pieces in stock by product id; products that are not in it are ignored.
    """
    sales: dict[str, dict[str, tuple[int, int]]] = {}
    for row in orders:
        of_product = sales.setdefault(row["product_id"], {})
        units, cents = of_product.get(row["currency"], (0, 0))
        of_product[row["currency"]] = units + row["units"], cents + row["gmv_cents"]
    at_risk = {}
    for row in cover:
        product = row["product_id"]
        if product not in on_hand or not row["demand_per_day"] or product not in sales:
            continue
        currency, (units, cents) = max(sales[product].items(), key=lambda item: (item[1], item[0]))
        if units:
            demand = row["demand_per_day"] * (row["lead_time_days"] or DEFAULT_LEAD_TIME_DAYS)
            at_risk[product] = AtRisk(max(demand - on_hand[product], 0) * cents / units, currency)
    return at_risk


def _read_cover(lake: str) -> list[dict[str, Any]]:
    table = Table(lake, STOCK_COVER.name).open_if_exists()
    columns = ["product_id", "demand_per_day", "lead_time_days"]
    return [] if table is None else tables.read(table, columns).to_pylist()


def _read_orders(lake: str) -> list[dict[str, Any]]:
    table = Table(lake, TOP_PRODUCTS.name).open_if_exists()
    if table is None:
        return []
    newest = max((partition["date"] for partition in table.partitions()), default=None)
    if newest is None:
        return []
    since = date.fromisoformat(newest) - timedelta(days=PRICE_DAYS - 1)
    columns = ["product_id", "currency", "units", "gmv_cents"]
    return tables.read(table, columns, f"date >= '{since}'").to_pylist()
