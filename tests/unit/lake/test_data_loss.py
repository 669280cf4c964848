from datetime import UTC, datetime, timedelta
from typing import Any

from shopnow.lake.ingest.data_loss import EXPIRED, Loss, UnacknowledgedLoss, _spans, _window

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def receipt(partition: int, first: datetime | None, last: datetime | None) -> dict[str, Any]:
    return {"topic_id": "id", "partition": partition, "first_event_time": first, "last_event_time": last}


def test_rows_may_be_missing_from_the_first_event_of_the_last_receipt_on() -> None:
    spans = _spans(
        [
            receipt(0, NOON - 3 * HOUR, NOON - HOUR),
            receipt(0, NOON - 2 * HOUR, NOON - HOUR),
            receipt(0, None, None),
        ]
    )
    assert _window(spans["id", 0], NOON) == (NOON - 2 * HOUR, NOON)


def test_events_that_are_yet_to_come_widen_it_to_their_time() -> None:
    spans = _spans(
        [
            receipt(0, NOON - HOUR, NOON + 9 * HOUR),
            receipt(0, NOON + HOUR, NOON + 2 * HOUR),
            receipt(1, NOON, NOON),
        ]
    )
    assert _window(spans["id", 0], NOON) == (NOON, NOON + 9 * HOUR)


def test_without_a_receipt_nobody_knows_since_when() -> None:
    assert _window(None, NOON) == (None, NOON)


def test_it_says_what_is_lost_and_how_to_go_on() -> None:
    loss = Loss("orders", "id", 2, EXPIRED, 10, 15, 5, None, NOON)
    assert loss.id == "orders/2/10-14"
    told = str(UnacknowledgedLoss([loss]))
    assert (
        "topic orders, partition 2: offsets 10 to 14 are gone from Kafka before they were read, at most 5 records lost"
        in told
    )
    assert '{"acknowledge_loss_of": "orders", "reason": "why that is right"}' in told
