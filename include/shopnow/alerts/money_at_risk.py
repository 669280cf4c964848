"""Money at risk: the sales that are expected to be lost before an order placed now arrives."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from shopnow.kpis import STOCK_COVER, TOP_PRODUCTS
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table

PRICE_DAYS = 28
"""Newest days of orders from which a product's price is computed, as for `kpi/stock_outs`."""
DEFAULT_LEAD_TIME_DAYS = 1.0
"""Lead time of a product without a known delivery."""

Row = Mapping[str, Any]


def cents_at_risk(lake: str, on_hand: Mapping[str, int]) -> dict[str, float]:
    """Return the money at risk by product id; a product without demand or orders is not in it.

    Args:
        on_hand: pieces in stock by product id.
    """
    return estimate(_read_cover(lake), _read_orders(lake), on_hand)


def estimate(cover: Iterable[Row], orders: Iterable[Row], on_hand: Mapping[str, int]) -> dict[str, float]:
    """Estimate the money at risk: pieces missing during the lead time × average price, in cents.

    A product ordered in several currencies counts with its sales in all of them: the figure only ranks
    products.

    Args:
        cover: rows of `kpi/stock_cover`.
        orders: rows of `kpi/top_products`.
        on_hand: pieces in stock by product id; products that are not in it are ignored.
    """
    units: dict[str, int] = {}
    cents: dict[str, int] = {}
    for row in orders:
        units[row["product_id"]] = units.get(row["product_id"], 0) + row["units"]
        cents[row["product_id"]] = cents.get(row["product_id"], 0) + row["gmv_cents"]
    at_risk = {}
    for row in cover:
        product = row["product_id"]
        if product in on_hand and row["demand_per_day"] and units.get(product):
            demand = row["demand_per_day"] * (row["lead_time_days"] or DEFAULT_LEAD_TIME_DAYS)
            at_risk[product] = max(demand - on_hand[product], 0) * cents[product] / units[product]
    return at_risk


def main_currency(lake: str) -> str | None:
    """Return the currency with most units ordered lately; None without orders."""
    units: Counter[str] = Counter()
    for row in _read_orders(lake):
        units[row["currency"]] += row["units"]
    return units.most_common(1)[0][0] if units else None


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
