"""Orders that the solutions send."""

import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from shopnow.broker.client import Conf
from shopnow.errors import UserError
from shopnow.events import OrderPlaced
from shopnow.examples import example_json
from shopnow.submission.service import submit

LIMIT_SECONDS = 180


def order(customer_id: str, order_id: str, **fields: Any) -> dict[str, Any]:
    """Return an order of now, with defaults for its other fields and without an event_id."""
    event = example_json(OrderPlaced)
    del event["event_id"], event["event_time"]
    return {**event, "customer_id": customer_id, "order_id": order_id, **fields}


def send(conf: Conf, event: dict[str, Any]) -> None:
    """Send an event as ./shopnow send does.

    Raises:
        UserError: the event is invalid.
    """
    report = submit(conf, f"lab/{uuid.uuid4()}", json.dumps(event).encode(), datetime.now(UTC))
    if report.rejected:
        raise UserError(f"{report.rejected[0].field}: {report.rejected[0].problem}")


def wait_for(what: str, condition: Callable[[], Any]) -> Any:
    """Wait until the DAGs have done something, and return what the condition returns then.

    Raises:
        UserError: it takes too long.
    """
    deadline = time.monotonic() + LIMIT_SECONDS
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise UserError(
                f"{what} is not there after {LIMIT_SECONDS} seconds; are land_events and compute_kpis "
                "running? See ./shopnow status"
            )
        time.sleep(0.5)
    return result
