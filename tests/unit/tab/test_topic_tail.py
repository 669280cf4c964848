"""The newest events of the topics: whatever a record holds, it is one row."""

from types import SimpleNamespace

import pytest

from shopnow_tab_app.sources.topic_tail import Event, _to_event


def event(value: bytes | None, timestamp: int = 0) -> Event:
    message = SimpleNamespace(
        value=lambda: value,
        topic=lambda: "orders",
        partition=lambda: 0,
        offset=lambda: 1,
        headers=lambda: None,
        timestamp=lambda: (1, timestamp),
    )
    return _to_event(message)  # type: ignore[arg-type]


@pytest.mark.parametrize("timestamp", [-1, 0, 2**62, -(2**62)])
@pytest.mark.parametrize(
    "value", [None, b"", b"[" * 100_000, b'{"order_id": "\\ud800"}', b'{"event_type": ["x"]}', b"\xff"]
)
def test_any_record_is_an_event(timestamp, value):
    assert event(value, timestamp).event_type is None


@pytest.mark.parametrize("field", ["event_type", "order_id", "product_name", "currency"])
def test_long_texts_are_not_kept(field: str) -> None:
    assert len(event(b'{"%b": "%b"}' % (field.encode(), b"x" * (1 << 20))).model_dump_json()) < 1_000
