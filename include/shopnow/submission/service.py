"""Submission of user events: JSON is validated, sent to Kafka once, and reported."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import xxhash

from shopnow.broker.client import Conf
from shopnow.ids import uuid7
from shopnow.submission import producer
from shopnow.submission.report import Report
from shopnow.submission.validation import Defaults, InvalidBatch, check


def submit(conf: Conf, batch_id: str, data: bytes, at: datetime, *, partial: bool = False) -> Report:
    """Validate the events in `data` and send them as one batch.

    Args:
        batch_id: identity of the batch, which is sent once however often it is submitted.
        data: one JSON object, an array of objects, or JSON lines.
        at: time (UTC) of events without one; the same on every submission of the batch, and not after the
            first.
        partial: send the valid events even if others are rejected; by default none is sent then.

    Raises:
        InvalidBatch: there are no events, or too many.
        UserError: Kafka fails or does not answer.
    """
    accepted, rejected = check(data, Defaults(at, _default_ids(batch_id, at)))
    if rejected and not partial:
        return Report([], rejected, withheld=len(accepted))
    return Report(producer.send_batch(conf, batch_id, accepted, at) if accepted else [], rejected)


def encode_events(events: Any) -> bytes:
    """Return events, given as text or as parsed JSON, as `data` of `submit`.

    Raises:
        InvalidBatch: the JSON is nested too deep.
    """
    # Invalid text passes here, and validation rejects it with its reason.
    if isinstance(events, str):
        return events.encode(errors="surrogatepass")
    try:
        return msgspec.json.encode(events)
    except UnicodeEncodeError:
        return json.dumps(events).encode()
    except RecursionError:
        raise InvalidBatch("the events are nested too deep; send flat JSON objects") from None


def _default_ids(batch_id: str, at: datetime) -> Callable[[int], str]:
    """Return a function from an event's number to a deterministic id, so that repeats deduplicate."""
    return lambda number: uuid7(
        round(at.timestamp() * 1000), xxhash.xxh3_128_hexdigest(f"{batch_id} {number}".encode())
    )
