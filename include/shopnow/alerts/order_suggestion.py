"""How many pieces of a product to order, from its stock, demand and lead time."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

MAX_QUANTITY = 1_000_000
"""Pieces in a line of a delivery note."""
DEFAULT_QUANTITY = 50
"""Pieces proposed for a product whose reorder point is unknown."""


class Suggestion(NamedTuple):
    quantity: int
    lead_time_days: float
    reason: str


def suggest(row: Mapping[str, Any] | None, on_hand: int, quantity: int | None = None) -> Suggestion:
    """Suggest how much of a product to order.

    The suggestion brings the stock to the reorder point and covers the expected demand during the lead time.

    Args:
        row: the product's row of `kpi/stock_cover`; None if it has none.
        on_hand: pieces in stock.
        quantity: pieces to suggest instead, if given.
    """
    if row is None or row["reorder_point"] is None:
        reason = f"reorder point and lead time are unknown: {DEFAULT_QUANTITY} by default, delivered at once"
        return Suggestion(_clamp(quantity or DEFAULT_QUANTITY), 0.0, reason)
    lead_time = row["lead_time_days"] or 0.0
    demand = math.ceil((row["demand_per_day"] or 0.0) * lead_time)
    needed = row["reorder_point"] + demand - on_hand
    reason = (
        f"reorder point {row['reorder_point']}, expected demand {demand} "
        f"in the lead time of {lead_time:.1f} days, {on_hand} on hand"
    )
    return Suggestion(_clamp(quantity or needed), lead_time, reason)


def _clamp(quantity: int) -> int:
    return min(max(quantity, 1), MAX_QUANTITY)
