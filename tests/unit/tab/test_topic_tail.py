"""The newest events of the topics: whatever a record holds, it is one row."""

from types import SimpleNamespace

import pytest

from shopnow_tab_app.sources.topic_tail import _to_event


@pytest.mark.parametrize("timestamp", [-1, 0, 2**62, -(2**62)])
@pytest.mark.parametrize(
    "value", [None, b"", b"[" * 100_000, b'{"order_id": "\\ud800"}', b'{"event_type": ["x"]}', b"\xff"]
)
def test_any_record_is_an_event(timestamp, value):
    message = SimpleNamespace(
        value=lambda: value,
        topic=lambda: "orders",
        partition=lambda: 0,
        offset=lambda: 1,
        headers=lambda: None,
        timestamp=lambda: (1, timestamp),
    )
    assert _to_event(message).event_type is None
