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
def test_a_partition_can_be_read_on_from_within_its_bounds(position: int) -> None:
    check_position("orders", 1, position, 10, 20)


def test_offsets_that_are_gone_are_named() -> None:
    with pytest.raises(
        MissingOffsets, match=r"orders, partition 1: offsets 5 to 9 .* at most 5 records lost"
    ) as caught:
        check_position("orders", 1, 5, 10, 20)
    assert (caught.value.topic, caught.value.partition, caught.value.start, caught.value.end) == (
        "orders",
        1,
        5,
        10,
    )
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301


def test_a_truncated_partition_is_noticed() -> None:
    with pytest.raises(
        TruncatedTopic, match="orders, partition 1: read up to offset 21 but Kafka now ends at 20"
    ):
        check_position("orders", 1, 21, 10, 20)


def test_headers_that_cannot_be_read_do_not_hide_the_others() -> None:
    def unreadable() -> Any:
        raise SystemError

    messages: Any = [
        SimpleNamespace(headers=read) for read in (lambda: [("a", b"b")], unreadable, lambda: None)
    ]
    assert decode_headers(messages) == [[("a", b"b")], UNREADABLE_HEADERS, None]
