from datetime import UTC, datetime, timedelta
from typing import Any

from shopnow.lake.ingest.data_loss import EXPIRED, Loss, UnacknowledgedLoss, _event_time_spans, _time_bounds

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def receipt(partition: int, first: datetime | None, last: datetime | None) -> dict[str, Any]:
    return {"topic_id": "id", "partition": partition, "first_event_time": first, "last_event_time": last}


def test_lower_bound_is_the_first_event_of_the_last_receipt() -> None:
    spans = _event_time_spans(
        [
            receipt(0, NOON - 3 * HOUR, NOON - HOUR),
            receipt(0, NOON - 2 * HOUR, NOON - HOUR),
            receipt(0, None, None),
        ]
    )
    assert _time_bounds(spans["id", 0], NOON) == (NOON - 2 * HOUR, NOON)


def test_future_events_raise_the_upper_bound() -> None:
    spans = _event_time_spans(
        [
            receipt(0, NOON - HOUR, NOON + 9 * HOUR),
            receipt(0, NOON + HOUR, NOON + 2 * HOUR),
            receipt(1, NOON, NOON),
        ]
    )
    assert _time_bounds(spans["id", 0], NOON) == (NOON, NOON + 9 * HOUR)


def test_lower_bound_is_unknown_without_a_receipt() -> None:
    assert _time_bounds(None, NOON) == (None, NOON)


def test_error_names_the_lost_offsets_and_how_to_continue() -> None:
    loss = Loss("orders", "id", 2, EXPIRED, 10, 15, 5, None, NOON)
    assert loss.id == "orders/2/10-14"
    message = str(UnacknowledgedLoss([loss]))
    assert (
        "topic orders, partition 2: offsets 10 to 14 are gone from Kafka before they were landed, "
        "at most 5 records lost" in message
    )
    assert '{"acknowledge_loss_of": "orders", "reason": "why that is right"}' in message
