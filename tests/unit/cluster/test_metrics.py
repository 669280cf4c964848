"""The metrics, as Prometheus reads them."""

from datetime import UTC, datetime

import pyarrow as pa

from shopnow.cluster import metrics
from shopnow.errors import UserError
from shopnow.lake.lag import Position


def test_lag_is_summed_over_partitions():
    positions = [Position("orders", "id", 0, 0, 10, 4), Position("orders", "id", 1, 5, 9, None), Position("views", "id", 0, 0, 3, 3)]
    assert metrics.text(metrics.of_topics(positions)).splitlines() == [
        "# HELP shopnow_topic_lag Offsets in Kafka that the lake does not have yet.",
        "# TYPE shopnow_topic_lag gauge",
        'shopnow_topic_lag{topic="orders"} 10.0',
        'shopnow_topic_lag{topic="views"} 0.0',
    ]


def test_what_was_landed_is_what_the_receipts_say():
    first, last = (datetime(2026, 11, 26, hour, tzinfo=UTC) for hour in (1, 2))
    receipts = pa.table(
        {
            "topic": ["orders", "orders"],
            "rows": [7, 5],
            "quarantined": [1, 0],
            "committed_at": pa.array([last, first], pa.timestamp("us", "UTC")),
        }
    )
    landed, quarantined, at = metrics.of_receipts(receipts)
    assert landed.values == {"orders": 12}
    assert quarantined.values == {"orders": 1}
    assert at.values == {"orders": last.timestamp()}


def test_what_does_not_answer_is_said_and_left_out(monkeypatch):
    def refuse(*_):
        raise UserError("Kafka does not answer")

    monkeypatch.setattr(metrics.lag, "positions", refuse)
    monkeypatch.setattr(metrics, "of_lake", lambda lake: iter([metrics.Metric("shopnow_messages_waiting", "gauge", "…", {"": 2})]))
    shown = metrics.text(metrics.gather({}, "hdfs://lake"))
    assert 'shopnow_up{service="kafka"} 0.0' in shown
    assert 'shopnow_up{service="lake"} 1.0' in shown
    assert "shopnow_messages_waiting 2.0" in shown
    assert "shopnow_topic_lag" not in shown
