"""An order of the customer lab-1 is in raw, in events and in the KPIs."""

from collections.abc import Iterator

from labs import rows
from labs.requirement import Requirement

from shopnow.cli.endpoints import endpoints

CUSTOMER = "lab-1"


def requirements() -> Iterator[Requirement]:
    _, lake = endpoints()
    landed = rows.raw(lake, "orders", f'"{CUSTOMER}"')
    yield Requirement(
        f"raw/orders has a record of the customer {CUSTOMER}",
        bool(landed),
        f"send an order with customer_id {CUSTOMER} by ./shopnow send, then wait for a run of land_events",
    )
    yield Requirement(
        "the record is a valid event",
        any(row["problem"] is None for row in landed),
        f"its problem is {landed[0]['problem']!r}: correct it and send it again",
    )
    orders = rows.where(lake, "events/orders", f"customer_id = '{CUSTOMER}'")
    yield Requirement("events/orders has the order", bool(orders), "wait for a run of compute_kpis")
    order = orders[0]
    days = rows.where(
        lake,
        "kpi/sales_daily",
        f"date = '{order['event_date']}' and currency = '{order['currency']}'",
    )
    sent = min(row["timestamp"] for row in landed)
    yield Requirement(
        f"kpi/sales_daily of {order['event_date']} counts it",
        any(day["orders"] >= 1 and day["computed_at"] > sent for day in days),
        "wait for a run of compute_kpis",
    )
