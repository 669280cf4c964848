import pickle
from types import SimpleNamespace
from typing import Any

import pytest

from shopnow.broker.reader import (
    UNREADABLE_HEADERS,
    MissingOffsets,
    TruncatedTopic,
    check_position,
    decode_headers,
)


@pytest.mark.parametrize("position", [10, 15, 20])
def test_a_position_within_the_partition_is_accepted(position: int) -> None:
    check_position("orders", 1, position, 10, 20)


def test_deleted_offsets_are_reported() -> None:
    with pytest.raises(
        MissingOffsets, match=r"orders, partition 1: offsets 5 to 9 .* at most 5 records lost"
    ) as error:
        check_position("orders", 1, 5, 10, 20)
    assert (error.value.topic, error.value.partition, error.value.start, error.value.end) == (
        "orders",
        1,
        5,
        10,
    )
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)  # noqa: S301


def test_a_truncated_partition_is_reported() -> None:
    with pytest.raises(
        TruncatedTopic, match="orders, partition 1: read up to offset 21 but Kafka now ends at 20"
    ):
        check_position("orders", 1, 21, 10, 20)


def test_unreadable_headers_do_not_affect_other_records() -> None:
    def unreadable() -> Any:
        raise SystemError

    messages: Any = [
        SimpleNamespace(headers=read) for read in (lambda: [("a", b"b")], unreadable, lambda: None)
    ]
    assert decode_headers(messages) == [[("a", b"b")], UNREADABLE_HEADERS, None]
