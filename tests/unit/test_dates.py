"""Times of records, whatever number a producer sets."""

from datetime import UTC, datetime

import pytest

from shopnow.cli.formatters import Record, arrival_order, record_as_json, record_cells
from shopnow.dates import from_milliseconds


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1_767_323_045_678, datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, 999_000, UTC)),
        (2**62, datetime(9999, 12, 31, tzinfo=UTC)),
        (-(2**62), datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_timestamps_are_clamped_to_the_calendar(milliseconds, expected):
    assert from_milliseconds(milliseconds) == expected


@pytest.mark.parametrize("timestamp", [-1, 2**62, -(2**62)])
@pytest.mark.parametrize("value", [None, b"", b"{", b"[" * 100_000, b"\xff"])
def test_any_record_is_shown(timestamp, value):
    record = Record(timestamp, 0, 0, value)
    assert record_cells("orders", record)
    assert record_as_json("orders", record)["problem"]
    assert arrival_order("orders")(record)
