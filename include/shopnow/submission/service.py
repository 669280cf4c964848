"""From a person's JSON to Kafka: checked, sent once, and answered for."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import xxhash

from shopnow.broker.client import Conf
from shopnow.submission import producer
from shopnow.submission.report import Report
from shopnow.submission.validation import Defaults, check
from shopnow.traffic.event_buffer import uuid7


def submit(conf: Conf, batch_id: str, data: bytes, at: datetime, *, partial: bool = False) -> Report:
    """Check the events in `data` and send them as one batch; if any is rejected, nothing is sent, or only the others if `partial`.

    Args:
        batch_id: a batch is sent once, however often it is submitted.
        at: the time, in UTC, of events that come without; the same each time a batch is submitted, and not after the first time.

    Raises:
        UnfitBatch: there is no event in it, or there are too many.
        UserError: Kafka does not answer or fails.
    """
    accepted, rejected = check(data, Defaults(at, _ids(batch_id, at)))
    if rejected and not partial:
        return Report([], rejected, withheld=len(accepted))
    return Report(producer.send(conf, batch_id, accepted, at) if accepted else [], rejected)


def to_bytes(given: Any) -> bytes:
    """Events given as text, or as JSON that was parsed already, in the form `submit` takes."""
    # What is no valid text is rejected as such later.
    return given.encode(errors="surrogatepass") if isinstance(given, str) else msgspec.json.encode(given)


def _ids(batch_id: str, at: datetime) -> Callable[[int], str]:
    """Ids for events that come without, the same each time for the same batch and number: to the lake a repetition is a duplicate."""
    return lambda number: uuid7(
        round(at.timestamp() * 1000), xxhash.xxh3_128_hexdigest(f"{batch_id} {number}".encode())
    )
