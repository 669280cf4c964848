"""Two records of one event are in raw, and one event of them in events."""

import json
from collections import Counter
from collections.abc import Iterator

from labs import rows
from labs.requirement import Requirement

from shopnow.cli.endpoints import endpoints

CUSTOMER = "lab-2"


def requirements() -> Iterator[Requirement]:
    _, lake = endpoints()
    records = [row for row in rows.raw(lake, "orders", f'"{CUSTOMER}"') if row["problem"] is None]
    yield Requirement(
        f"raw/orders has a valid order of the customer {CUSTOMER}",
        bool(records),
        f"send an order with customer_id {CUSTOMER} and an event_id of your own by ./shopnow send",
    )
    [(event_id, copies)] = Counter(
        json.loads(row["value"])["event_id"].lower() for row in records
    ).most_common(1)
    yield Requirement(
        "raw/orders has two records with the same event_id",
        copies > 1,
        "send the same file again; it must contain the event_id, as one without gets a new one each time",
    )
    events = rows.where(lake, "events/orders", f"event_id = '{event_id}'")
    yield Requirement(
        "events/orders has the event exactly once", len(events) == 1, "wait for a run of compute_kpis"
    )
