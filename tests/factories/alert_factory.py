"""Alerts and table rows for tests."""

from datetime import UTC, datetime
from typing import Any

from shopnow.alerts.model import Alert, State


def alert(name: str = "Mug", facts: str = "0 left", state: State = State.FIRING, **fields: Any) -> Alert:
    defaults = {
        "rule": "stock_out",
        "severity": "critical",
        "owner": "purchasing",
        "channels": ("email", "slack"),
        "about": "product",
        "subject": "P1",
        "value": 0,
        "since": datetime(2026, 7, 1, 12, 30, tzinfo=UTC),
        "title": "Sold out",
        "todo": "Reorder it." if state == State.FIRING else "",
    }
    return Alert(**{**defaults, "subject_name": name, "facts": facts, "state": state, **fields})


def cover(**fields: Any) -> dict[str, Any]:
    """Return a row of kpi/stock_cover."""
    defaults = {
        "product_id": "p-1",
        "product_name": "Mug",
        "quantity": 6,
        "demand_per_day": 3.0,
        "reorder_point": 12,
    }
    return {
        **defaults,
        "days_of_cover": 2.0,
        "lead_time_days": 4.0,
        "computed_at": datetime(2026, 7, 2, 12, tzinfo=UTC),
        **fields,
    }
