"""A record that landed in quarantine has a correction and is an event."""

from collections.abc import Iterator

from labs import rows
from labs.requirement import Requirement

from shopnow.cli.endpoints import endpoints

CUSTOMER = "lab-3"


def requirements() -> Iterator[Requirement]:
    _, lake = endpoints()
    landed = rows.raw(lake, "orders", f'"{CUSTOMER}"')
    invalid = [row for row in landed if row["problem"] or row["correction"]]
    yield Requirement(
        f"raw/orders has a record of the customer {CUSTOMER} that is not a valid event",
        bool(invalid),
        "produce one without ./shopnow send, which would reject it, and wait for a run of land_events",
    )
    corrected = [row for row in invalid if row["problem"] is None]
    yield Requirement(
        "the record has a correction and has left the quarantine",
        bool(corrected),
        "./shopnow quarantine replay --corrections FILE, with its partition and offset from "
        "./shopnow quarantine --records",
    )
    record = corrected[0]
    events = rows.where(
        lake,
        "events/orders",
        f"source_partition = {record['partition']} and source_offset = {record['offset']} "
        f"and customer_id = '{CUSTOMER}'",
    )
    yield Requirement(
        "events/orders has the corrected order", len(events) == 1, "wait for a run of compute_kpis"
    )
