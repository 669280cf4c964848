"""What to do about products that are low: how much money is at risk, and how many pieces to order."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from shopnow.alerts import money_at_risk
from shopnow.alerts.order_suggestion import suggest
from shopnow.kpis import STOCK_COVER, STOCK_POSITION
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table


class Advice(NamedTuple):
    """Advice on a product."""

    at_risk_cents: int
    """Sales expected to be lost before a delivery that is ordered now arrives."""
    currency: str
    pieces: int
    """Pieces to order."""


def read(lake: str) -> Mapping[str, Advice]:
    """Return the advice on each product with known demand and price, by product id."""
    on_hand = {row["product_id"]: row["quantity"] for row in _rows(lake, STOCK_POSITION.name, "quantity")}
    at_risk = money_at_risk.cents_at_risk(lake, on_hand)
    cover = _rows(lake, STOCK_COVER.name, "demand_per_day", "lead_time_days", "reorder_point")
    return {
        row["product_id"]: Advice(
            round(at_risk[row["product_id"]].cents),
            at_risk[row["product_id"]].currency,
            suggest(row, on_hand[row["product_id"]]).quantity,
        )
        for row in cover
        if row["product_id"] in at_risk
    }


def _rows(lake: str, name: str, *columns: str) -> list[dict[str, Any]]:
    table = Table(lake, name).open_if_exists()
    return [] if table is None else tables.read(table, ["product_id", *columns]).to_pylist()
