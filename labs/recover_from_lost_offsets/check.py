"""A loss of records is acknowledged, and landing goes on past it."""

from collections.abc import Iterator

from labs import rows
from labs.requirement import Requirement

from shopnow.cli.endpoints import endpoints
from shopnow.lake.ingest.data_loss import EXPIRED, LOSSES


def requirements() -> Iterator[Requirement]:
    _, lake = endpoints()
    losses = rows.where(lake, LOSSES.table, f"topic = 'orders' and kind = '{EXPIRED}'")
    yield Requirement(
        "the table losses has lost records of orders",
        bool(losses),
        "delete records of orders before they land, then run land_events with acknowledge_loss_of and reason",
    )
    yield Requirement(
        "the loss has a reason and a name",
        all(loss["reason"] and loss["acknowledged_by"] for loss in losses),
        "run land_events with acknowledge_loss_of orders and your reason",
    )
    loss = losses[-1]
    later = f'"partition" = {loss["partition"]} and "offset" >= {loss["end_offset"]}'
    yield Requirement(
        f"raw/orders has a record after {loss['id']}",
        bool(rows.where(lake, "raw/orders", later)),
        "send an order with the same order_id, so that it gets the same partition",
    )
